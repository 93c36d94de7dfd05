"""Runs plans: the reconcile cycle, and what commands ask for (checks, overviews, policy trials)."""

PUBLIC_NAMES = {
    "capacity": ("CapacityReader",),
    "checks": ("check_files",),
    "cycle": ("Cycle", "Reconciler"),
    "overview": ("clusters", "groups", "placements", "policies"),
    "policy_trial": ("Change", "Trial", "Tried", "attempt", "policies_in", "with_file"),
    "reading": (
        "configured_branch",
        "files_of",
        "read_changed",
        "read_merged",
        "read_revision",
        "read_worktree",
        "snapshot_files_of",
    ),
    "ready_made": ("add", "advice", "applies_to", "find", "ready_made"),
    "report": (
        "decision_document",
        "errors_of",
        "explanation_document",
        "plan_document",
    ),
    "scaffold": ("lay_down",),
}
