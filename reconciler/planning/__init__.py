"""The pipeline from the repo's state and the fleet's capacity to a plan: decisions, files, commits and warnings."""

PUBLIC_NAMES = {
    "files": ("Files",),
    "namespaces": ("Sources",),
    "pipeline": ("decide_groups", "fleet_state", "plan", "preview"),
    "plan": ("Plan", "joined"),
    "plan_cache": ("PlanCache",),
    "read_ahead": ("read_ahead",),
    "rules": (
        "SUFFIXES",
        "is_policy",
        "locator",
        "read_class_files",
        "read_tenant_files",
    ),
    "state": (
        "ADDONS",
        "POLICIES",
        "READ",
        "RepoState",
        "addon_files",
        "read_policy_files",
        "read_state",
    ),
    "workload_folders": (
        "check_workloads",
        "manifests_in",
        "read_workloads_of",
        "warnings_outside",
    ),
}
