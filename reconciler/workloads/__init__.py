"""What users ask for: files to objects, objects to groups, what they refer to, what tenant and policy make of them.

Other packages import from the modules here only the names in `PUBLIC_NAMES`; `tests/unit/test_public_names.py` checks
that. The way through the package: `workloads.read_workloads`, `grouping.group_objects`, `governance.govern`; then, for
one cluster, `overrides` and `divide` make the patches that `patch` applies.
"""

PUBLIC_NAMES = {
    "cluster_copy": (
        "ClusterCopy",
        "CopyRole",
        "JobResult",
        "PlacedObject",
        "gang_of_copy",
        "grows",
        "objects_of",
        "same_content",
        "same_copies",
    ),
    # The objects of a group that lifecycle adds to or removes from a cluster bring their companions.
    "companions": ("companions_of",),
    "divide": ("ReplicaShare", "largest_remainder", "replica_shares"),
    "files": (
        "Contents",
        "ROOT",
        "is_workload_file",
        "read_admitted",
        "read_file",
    ),
    "governance": ("REFUSED_AS", "check_object", "govern"),
    "group": ("BrokenFile", "Group", "GroupKey", "Source", "WorkloadObject", "gang_of"),
    "grouping": ("SHARED", "Grouping", "group_objects"),
    "missing_references": ("missing_references",),
    "overrides": ("OverrideApplier", "patched", "without_effect"),
    "patch": ("Operations", "Patch", "apply", "patch_of"),
    "queue": (
        "QueueKey",
        "queue_key",
        "unknown_class_users",
        "unknown_class_warning",
        "unknown_classes",
    ),
    "workloads": (
        "Manifests",
        "Workloads",
        "outside_namespaces",
        "read_manifests",
        "read_workloads",
        "workloads_of",
    ),
}
