"""Which clusters there are, and what is on them: inventory, snapshots, and the observers that fill them."""

PUBLIC_NAMES = {
    "addable": ("addable",),
    "inventory": (
        "Cluster",
        "FOLDER",
        "Headroom",
        "KubeconfigAccess",
        "SnapshotAccess",
        "read_inventory",
    ),
    "observers.kubeconfig": ("Mounts",),
    "observers.live": ("LiveSource",),
    "observers.observer": ("Observer", "Read"),
    "observers.snapshot_source": ("RepoFiles",),
    "schemas": ("json_schemas",),
    "settings": (
        "FILE",
        "Fairness",
        "Fleet",
        "Guards",
        "NamespaceLimits",
        "read_fleet",
    ),
    "snapshot": (
        "ClusterSnapshot",
        "FleetSnapshot",
        "Node",
        "NodePool",
        "Pod",
        "Unreadable",
    ),
    "snapshot_file": (
        "fleet_snapshot",
        "read_capacity",
        "read_fleet_snapshot",
        "write_cluster",
        "write_fleet_snapshot",
    ),
}
