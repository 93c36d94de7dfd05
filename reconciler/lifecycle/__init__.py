"""What should happen to a group, whatever capacity there is: observed, owned, and one transition each."""

PUBLIC_NAMES = {
    "changes": ("changes_of",),
    "desired": ("DesiredState",),
    "observe": (
        "CopyState",
        "CopyStatus",
        "group_result",
        "observe",
        "observe_updated",
        "with_results",
        "with_roles",
    ),
    "ownership": (
        "Ownership",
        "Transfer",
        "also_moved",
        "moved_from",
        "moved_to",
        "ownership",
        "taken_over",
        "without",
    ),
    "shared_objects": ("Exchanged", "one_copy_each"),
    "transitions": (
        "PROBLEM_REASONS",
        "Situation",
        "Transition",
        "kept_unasked",
        "transition_of",
    ),
}
