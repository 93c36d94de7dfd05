"""SchedulePolicy: both dialects, which one applies to a workload, and which clusters it allows."""
