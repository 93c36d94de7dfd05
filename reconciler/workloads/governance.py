"""Holds groups against the rules of their tenants, right after they are formed.

The one idea: whoever reads `workloads/` (the loop, `validate`, a preview) gets groups that are governed already, so
that no way into the fleet goes around the rules. A group of which anything is denied is refused whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from reconciler.errors import Place
from reconciler.manifests.fields import Path
from reconciler.policy.tenant import Denial, Owner, Tenancy, Tenant, denials
from reconciler.workloads.group import Group, WorkloadObject
from reconciler.workloads.grouping import Grouping

DENIED = "TenantDenied"
REFUSED_AS = frozenset({DENIED, "NoTenant", "TenantAmbiguous"})
"""The reasons of groups that `govern` refuses."""

Check = Callable[[Tenant, WorkloadObject], tuple[Denial, ...]]
Locate = Callable[[WorkloadObject, Path], Place]


def check_object(tenant: Tenant, item: WorkloadObject) -> tuple[Denial, ...]:
    """Return what of an object its tenant may not have."""
    return denials(tenant, item.key, item.body)


@dataclass(frozen=True, slots=True)
class Governed:
    """`grouping` with tenants, and a problem for what they may not have; `findings` are all of these, with places."""

    grouping: Grouping
    findings: tuple[str, ...]


def govern(
    grouping: Grouping,
    tenancy: Tenancy,
    namespaces: Mapping[str, WorkloadObject],
    locate: Locate,
    check: Check = check_object,
) -> Governed:
    """Apply `tenancy` to all groups.

    `namespaces` are the Namespace objects by name. `locate` finds a field of an object in its file; `check` does what
    `check_object` does, perhaps from memory.
    """
    if not tenancy.tenants and not tenancy.required:
        return Governed(grouping, ())
    owners: dict[str, Owner] = {}
    findings: dict[str, None] = {}
    groups = []
    for group in grouping.groups:
        namespace = group.key.namespace
        if namespace not in owners:
            written = namespaces.get(namespace)
            owners[namespace] = tenancy.owner(namespace, written.labels if written else {})
        owner = owners[namespace]
        denied = _denied(group, owner, locate, check)
        findings.update(dict.fromkeys(denied))
        groups.append(_refused(replace(group, tenant=owner.tenant), denied, owner.reason or DENIED))
    return Governed(replace(grouping, groups=tuple(groups)), tuple(findings))


def _denied(group: Group, owner: Owner, locate: Locate, check: Check) -> list[str]:
    if owner.reason:
        return [f"{group.members[0].place}: {owner.message}"]
    if owner.tenant is None:
        return []
    return [
        f"{locate(item, denial.path)}: {denial.message}"
        for item in group.objects
        for denial in check(owner.tenant, item)
    ]


def _refused(group: Group, denied: list[str], reason: str) -> Group:
    if not denied or group.problem:
        return group
    more = f" (and {len(denied) - 1} more)" if len(denied) > 1 else ""
    return replace(group, problem=denied[0] + more, refused_as=reason)
