"""Holds groups against the rules of their tenants, right after they are formed.

The one idea: whoever reads `workloads/` (the loop, `validate`, a preview) gets groups that are governed already, so
that no way into the fleet goes around the rules. A group of which anything is denied is refused whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.errors import Place
from reconciler.manifests.fields import Path
from reconciler.placement.group import Group, WorkloadObject
from reconciler.placement.grouping import Grouping
from reconciler.placement.outcome import Standing, used
from reconciler.placement.quota import Ledger, limited, never, requested
from reconciler.policy.tenant import Denial, Owner, Tenancy, Tenant, denials

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


def beyond_quota(grouping: Grouping) -> tuple[str, ...]:
    """Return one warning for each group that waits for ever, because it alone is more than its tenant's quota."""
    warnings = []
    for group in grouping.groups:
        why = (
            never(group.tenant, requested([group.gang]))
            if group.tenant and limited(group.tenant) and not group.problem
            else ""
        )
        if why:
            warnings.append(f"{group.members[0].place}: group {group.key} {why}")
    return tuple(warnings)


def ledger_of(tenancy: Tenancy, namespaces: Mapping[str, WorkloadObject], placed: Iterable[Standing]) -> Ledger:
    """Return the tenants' ledger with everything that is `placed`; a job that has ended uses nothing any more."""
    ledger = Ledger(tenancy.tenants)
    for standing in placed if tenancy.tenants else ():
        key = standing.record.group
        written = namespaces.get(key.namespace)
        owner = tenancy.owner(key.namespace, written.labels if written else {})
        if limited(owner.tenant):
            ledger.charge(key, owner.tenant, used(standing.parts))
    return ledger


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
