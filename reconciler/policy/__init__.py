"""Kinds SchedulePolicy, Tenant and AddOn: which policy applies to a workload, and which clusters both allow it.

Other packages import from the modules here only the names in `PUBLIC_NAMES`; `tests/unit/test_public_names.py` checks
that. Each kind has a module of plain data (`model`, `tenant`, `addon`) and one that reads its files (`dialects`,
`tenant_kind`, `addon_kind`).
"""

PUBLIC_NAMES = {
    "addon": ("AddOn", "HelmChart", "Manifests", "RemoteKustomization", "Step"),
    "addon_kind": (
        "addon_folders",
        "json_schemas",
        "read_addon_folder",
        "read_addons",
        "unread",
    ),
    "dialects": ("json_schemas", "read_policies"),
    # The filters and their interface: placement passes filters of its own to `eligible`.
    "eligibility": (
        "POLICY_FILTERS",
        "ClusterFacts",
        "ClusterFilter",
        "Eligibility",
        "GroupFacts",
        "Refusal",
        "Tier",
        "eligible",
    ),
    "fieldpath": ("is_index", "parse_pointer", "pointer"),
    "groups": ("as_dns_label", "group_name", "pinned_cluster"),
    "matching": ("PolicyIndex",),
    "model": (
        "NAME_LABEL",
        "Override",
        "Preference",
        "Require",
        "SchedulePolicy",
        "Spread",
        "SpreadMode",
        "Target",
        "unsupported",
    ),
    "priority_class": (
        "KIND",
        "WELL_KNOWN",
        "PriorityClasses",
        "is_priority_class",
        "read_priority_classes",
    ),
    "tenant": (
        "NO_TENANTS",
        "Denial",
        "Owner",
        "Tenancy",
        "Tenant",
        "denials",
        "tenancy_of",
    ),
    "tenant_kind": ("is_tenant", "json_schemas", "read_tenants"),
}
