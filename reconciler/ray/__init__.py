"""What a workload asks for, refers to, and is doing: Ray resources as KubeRay runs them, and plain controllers."""
