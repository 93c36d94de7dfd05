"""Where a group goes: the capacity of the fleet, filters, scores, the choice, quota and holds.

`fleet_state.FleetState` is the fleet as a value. `assign.assign` gives a request what it may have, and returns the next
state. Nothing here decides what should happen to a group; `lifecycle` does.
"""

PUBLIC_NAMES = {
    "addons": ("AddOnSpread", "addon_filters", "spread_addons"),
    "assign": ("Clusters", "assign", "assign_targets", "usage_of"),
    "assumed_pods": ("AssumedCopy", "PodIndex"),
    "cluster_state": ("ClusterState",),
    "decision": ("Decision", "TransitionKind"),
    "filters": ("ClusterFilters",),
    "fleet_state": ("BaselineCache", "FleetState"),
    "hold_window": ("next_change", "reserve_capacity", "window_at"),
    "model": ("Action", "Candidate", "Phase", "Verdict", "written_candidate"),
    "placed_group": ("HeldCapacity", "PlacedGroup", "dated", "waiting_since"),
    "quota": ("QuotaUsage", "beyond_quota", "limited"),
    "ray_clusters": (
        "RayClusters",
        "Unmet",
        "lost_ray_clusters",
        "selected_ray_cluster",
    ),
    "request": ("AdmissionState", "Assignment", "PlacementRequest", "WaitsFor"),
    "resting_copies": ("NamespaceCopies", "RestingCopies"),
    "targets": ("targets_of",),
}
