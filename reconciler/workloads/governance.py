"""Checks groups against the rules of their tenants, as soon as they are formed.

Every reader of `workloads/` (the loop, `validate`, a preview) gets groups that are checked already, so no way into the
fleet bypasses the rules. A group with one denied object is refused whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from reconciler.errors import Place
from reconciler.manifests.fields import Path
from reconciler.policy.tenant import Denial, Owner, Tenancy, Tenant, denials
from reconciler.reasons.tenancy import DENIED
from reconciler.workloads.group import Group, WorkloadObject
from reconciler.workloads.grouping import Grouping

REFUSED_AS = frozenset({DENIED, "NoTenant", "TenantAmbiguous"})
"""The reasons of the groups that `govern` refuses."""

Check = Callable[[Tenant, WorkloadObject], tuple[Denial, ...]]
Locate = Callable[[WorkloadObject, Path], Place]


def check_object(tenant: Tenant, item: WorkloadObject) -> tuple[Denial, ...]:
    """Return everything about an object that its tenant may not have."""
    return denials(tenant, item.key, item.body)


@dataclass(frozen=True, slots=True)
class Governed:
    """`grouping` with the tenant of each group, and a problem in each refused group.

    `findings` are all that is denied, each with its place, in the order of groups and without repetition.
    """

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

    `namespaces` are the Namespace objects by name. `locate` finds the place of an object's field in its file. `check`
    replaces `check_object`, for instance by a cached one.
    """
    if not tenancy.tenants and not tenancy.required:
        # A fleet without tenants: nothing is denied.
        return Governed(grouping, ())
    owners: dict[str, Owner] = {}
    findings: dict[str, None] = {}
    groups = []
    for group in grouping.groups:
        namespace = group.key.namespace
        # All groups of a namespace have one owner.
        if namespace not in owners:
            owners[namespace] = _owner(tenancy, namespace, namespaces)
        owner = owners[namespace]
        denied = _denied(group, owner, locate, check)
        findings.update(dict.fromkeys(denied))
        owned = replace(group, tenant=owner.tenant)
        reason = owner.refusal.code if owner.refusal else DENIED
        groups.append(_refused(owned, denied, reason))
    governed = replace(grouping, groups=tuple(groups))
    return Governed(governed, tuple(findings))


def _owner(
    tenancy: Tenancy,
    namespace: str,
    namespaces: Mapping[str, WorkloadObject],
) -> Owner:
    written = namespaces.get(namespace)
    labels = written.labels if written else {}
    return tenancy.owner(namespace, labels)


def _denied(group: Group, owner: Owner, locate: Locate, check: Check) -> list[str]:
    """Return everything that keeps the group from being placed, each as a line with its place."""
    if owner.refusal is not None:
        return [f"{group.members[0].place}: {owner.refusal.text}"]
    if owner.tenant is None:
        # Tenants are optional in this fleet, and none owns the namespace: it may do everything.
        return []
    lines: list[str] = []
    for item in group.objects:
        for denial in check(owner.tenant, item):
            where = locate(item, denial.path)
            lines.append(f"{where}: {denial.message}")
    return lines


def _refused(group: Group, denied: list[str], reason: str) -> Group:
    # An earlier problem stays the reason: the user corrects the manifest first.
    if not denied or group.problem:
        return group
    others = len(denied) - 1
    more = f" (and {others} more)" if others else ""
    return replace(group, problem=denied[0] + more, refused_as=reason)
