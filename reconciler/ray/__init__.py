"""What a workload asks for, refers to, and is doing: Ray resources as KubeRay runs them, and plain controllers."""

PUBLIC_NAMES = {
    "demand": ("Demand", "PodSet", "Role"),
    "job_rules": ("CLUSTER_SELECTOR_KEY",),
    "problem": ("Problem", "Severity"),
    "rayspec": (
        "K8S_JOB_MODE",
        "KINDS",
        "Part",
        "RAY_CLUSTER",
        "autoscaling",
        "cluster_spec",
        "head_group",
        "is_ray",
        "job_spec",
        "submission_mode",
        "template",
        "worker_groups",
    ),
    "references": (
        "CONFIG_MAP",
        "Reference",
        "SECRET",
        "SERVICE_ACCOUNT",
        "references",
    ),
    "status": ("JobState", "Outcome", "outcome"),
    "templates": ("pod_templates",),
    "validation": ("problems",),
    "workload": ("demand_of",),
}
