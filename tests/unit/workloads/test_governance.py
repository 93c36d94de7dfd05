"""Groups under the rules of their tenants: the owner of each, what is refused, and why."""

from __future__ import annotations

import pytest

from reconciler.errors import Place
from reconciler.manifests.fields import Path, dotted
from reconciler.manifests.selector import LabelSelector, Requirement
from reconciler.policy.model import KindSelector
from reconciler.policy.tenant import NO_TENANTS, Denial, Tenancy, Tenant
from reconciler.reasons.tenancy import DENIED
from reconciler.reasons.written import Written
from reconciler.workloads.governance import Governed, govern
from reconciler.workloads.group import WorkloadObject
from tests.unit.workloads.reading import config_map, deployment, grouped, manifest, uses, workloads

OWNER = Tenant("owner", Place("policies/owner.yaml"), ("team",))
GOLD = LabelSelector((Requirement("tier", "In", ("gold",)),))
FILES = {"a.yaml": deployment("a", uses("code")), "code.yaml": config_map("code")}


def locate(item: WorkloadObject, path: Path) -> Place:
    return Place(f"{item.key.name}/{dotted(path)}")


def governed(files: dict[str, str], tenancy: Tenancy) -> Governed:
    return govern(grouped(files), tenancy, workloads(files).namespaces, locate)


def test_without_tenants_nothing_changes() -> None:
    grouping = grouped(FILES)
    assert govern(grouping, NO_TENANTS, {}, locate) == Governed(grouping, ())


@pytest.mark.parametrize(
    ("tenancy", "reason", "owner"),
    [
        (Tenancy((OWNER,), required=True), "", "owner"),
        (Tenancy((), required=True), "NoTenant", None),
        (Tenancy((OWNER, Tenant("b", Place("b.yaml"), ("team",))), required=True), "TenantAmbiguous", None),
        (Tenancy((Tenant("a", Place("a.yaml"), ("other",)),)), "", None),
    ],
)
def test_the_owner_of_the_namespace(tenancy: Tenancy, reason: str, owner: str | None) -> None:
    found = governed({"a.yaml": deployment("a")}, tenancy)
    (group,) = found.grouping.groups
    assert (group.tenant.name if group.tenant else None) == owner
    assert bool(group.problem) == bool(reason) == bool(found.findings)
    assert not reason or group.refused_as == reason


def test_the_labels_of_the_namespace_object_choose_the_owner() -> None:
    by_label = Tenant("gold", Place("gold.yaml"), namespace_selector=GOLD)
    files = {"a.yaml": deployment("a"), "ns.yaml": manifest("Namespace", "team", metadata="labels: {tier: gold}")}
    (group,) = governed(files, Tenancy((by_label,), required=True)).grouping.groups
    assert group.tenant is by_label


def test_one_denied_object_refuses_the_group_and_all_findings_are_listed() -> None:
    only_pods = Tenant("a", Place("a.yaml"), ("team",), kinds=(KindSelector("Deployment"),))
    files = {**FILES, "a.yaml": deployment("a", f"hostNetwork: true, {uses('code')}")}
    found = governed(files, Tenancy((only_pods,)))
    (group,) = found.grouping.groups
    assert group.refused_as == DENIED
    assert len(found.findings) == 2
    assert group.problem == f"{found.findings[0]} (and 1 more)"
    assert found.findings[0].startswith("a/spec.template.spec.hostNetwork: ")
    assert found.findings[1].startswith("code/kind: ")


def test_a_finding_about_a_companion_of_two_groups_is_listed_once() -> None:
    only_pods = Tenant("a", Place("a.yaml"), ("team",), kinds=(KindSelector("Deployment"),))
    found = governed({**FILES, "b.yaml": deployment("b", uses("code"))}, Tenancy((only_pods,)))
    assert [group.refused_as for group in found.grouping.groups] == [DENIED] * 2
    assert len(found.findings) == 1


def test_an_earlier_problem_stays_the_reason() -> None:
    files = {"a.yaml": deployment("a", "hostNetwork: 3")}
    (before,) = grouped(files).groups
    (after,) = governed(files, Tenancy((), required=True)).grouping.groups
    assert (after.problem, after.refused_as) == (before.problem, before.refused_as)


def test_the_check_can_be_replaced() -> None:
    def check(tenant: Tenant, item: WorkloadObject) -> tuple[Denial, ...]:
        return (Denial(("kind",), Written(DENIED, f"{tenant.name} {item.key.name}")),)

    found = govern(grouped(FILES), Tenancy((OWNER,)), {}, locate, check)
    assert found.findings == ("a/kind: owner a", "code/kind: owner code")
