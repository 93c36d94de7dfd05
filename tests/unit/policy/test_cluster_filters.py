"""Each cluster filter alone: a case a row, with the reason that it gives, and `stays`: what is there may stay."""

from __future__ import annotations

import pytest

from reconciler.errors import Place
from reconciler.manifests.podshape import Taint
from reconciler.manifests.selector import LabelSelector, Requirement
from reconciler.policy.eligibility import (
    POLICY_FILTERS,
    ClusterFacts,
    ClusterFilter,
    ClusterSelectorFilter,
    CordonFilter,
    GroupFacts,
    OrderedClusterSelectorFilter,
    PinFilter,
    Refusal,
    TaintFilter,
    TenantFilter,
    eligible,
)
from reconciler.policy.model import Require
from reconciler.policy.tenant import Tenant
from reconciler.reasons.written import Written
from tests.unit.policy.reading import cluster, policy

WEST = LabelSelector((Requirement("region", "In", ("west",)),))


def verdict(rule: ClusterFilter, group: GroupFacts, facts: ClusterFacts) -> tuple[str, bool] | None:
    """Return reason and `stays` of the refusal; None when the filter allows the cluster."""
    refusal = rule.refuse(group, facts)
    if refusal is None:
        return None
    assert refusal.cluster == facts.name
    return refusal.reason, refusal.stays


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        ("", {}, None),
        ("{matchLabels: {region: west}}", {"region": "west"}, None),
        ("{matchLabels: {region: west}}", {"region": "east"}, ("ClusterSelectorMismatch", False)),
        ("{matchLabels: {region: west}}", {}, ("ClusterSelectorMismatch", False)),
        ("{matchExpressions: [{key: region, operator: NotIn, values: [west]}]}", {}, None),
        ("{matchExpressions: [{key: region, operator: DoesNotExist}]}", {"region": "east"},
         ("ClusterSelectorMismatch", False)),
    ],
)  # fmt: skip
def test_cluster_selector(selector: str, labels: dict[str, str], expected: tuple[str, bool] | None) -> None:
    group = GroupFacts(policy(f"  clusterSelector: {selector}\n" if selector else ""))
    assert verdict(ClusterSelectorFilter(), group, ClusterFacts("c", labels)) == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"region": "west", "zone": "a"}, None),
        ({"region": "east", "zone": "a"}, None),
        ({"region": "north", "zone": "a"}, ("OrderedClusterSelectorMismatch", False)),
        ({"region": "west"}, ("OrderedClusterSelectorMismatch", False)),
    ],
)
def test_ordered_cluster_selector(labels: dict[str, str], expected: tuple[str, bool] | None) -> None:
    ordered = policy(
        "  orderedClusterSelector:\n"
        "    matchExpressions:\n"
        "    - {key: region, operator: In, values: [west, east]}\n"
        "    - {key: zone, operator: In, values: [a]}\n"
    )
    assert verdict(OrderedClusterSelectorFilter(), GroupFacts(ordered), ClusterFacts("c", labels)) == expected


@pytest.mark.parametrize(("pin", "expected"), [(None, None), ("c", None), ("d", ("PinnedElsewhere", False))])
def test_pin(pin: str | None, expected: tuple[str, bool] | None) -> None:
    assert verdict(PinFilter(), GroupFacts(policy(), pin), cluster("c")) == expected


@pytest.mark.parametrize(
    ("tenant", "region", "expected"),
    [
        (None, "east", None),
        (Tenant("t", Place("t.yaml")), "east", None),
        (Tenant("t", Place("t.yaml"), cluster_selector=WEST), "west", None),
        (Tenant("t", Place("t.yaml"), cluster_selector=WEST), "east", ("TenantCluster", False)),
    ],
)
def test_tenant(tenant: Tenant | None, region: str, expected: tuple[str, bool] | None) -> None:
    assert verdict(TenantFilter(), GroupFacts(policy(), tenant=tenant), cluster("c", region=region)) == expected


NO_PLACE, NO_EXECUTE = Taint("drain", "NoPlace"), Taint("broken", "NoExecute")


@pytest.mark.parametrize(
    ("taints", "tolerations", "expected"),
    [
        ((), "[]", None),
        ((NO_PLACE,), "[]", ("UntoleratedClusterTaint", True)),
        ((NO_EXECUTE,), "[]", ("UntoleratedClusterTaint", False)),
        ((NO_PLACE, NO_EXECUTE), "[]", ("UntoleratedClusterTaint", False)),
        ((NO_PLACE, NO_EXECUTE), "[{key: broken, operator: Exists}]", ("UntoleratedClusterTaint", True)),
        ((NO_PLACE, NO_EXECUTE), "[{operator: Exists}]", None),
        ((NO_PLACE,), "[{key: drain, operator: Exists, effect: NoExecute}]", ("UntoleratedClusterTaint", True)),
    ],
)
def test_taint(taints: tuple[Taint, ...], tolerations: str, expected: tuple[str, bool] | None) -> None:
    group = GroupFacts(policy(f"  tolerations: {tolerations}\n"))
    assert verdict(TaintFilter(), group, cluster("c", *taints)) == expected


@pytest.mark.parametrize(("cordoned", "expected"), [(False, None), (True, ("Cordoned", True))])
def test_cordon(cordoned: bool, expected: tuple[str, bool] | None) -> None:
    assert verdict(CordonFilter(), GroupFacts(policy()), cluster("c", cordoned=cordoned)) == expected


def test_the_first_filter_of_the_list_that_refuses_gives_the_reason() -> None:
    assert [rule.name for rule in POLICY_FILTERS] == [
        "ClusterSelector",
        "OrderedClusterSelector",
        "Pin",
        "Tenant",
        "Taint",
        "Cordon",
    ]
    everything_wrong = cluster("c", NO_EXECUTE, cordoned=True, region="east")
    wanting = policy(
        "  clusterSelector: {matchLabels: {region: west}}\n"
        "  orderedClusterSelector: {matchExpressions: [{key: region, operator: In, values: [west]}]}\n"
    )
    tenant = Tenant("t", Place("t.yaml"), cluster_selector=WEST)
    group = GroupFacts(wanting, "other", tenant)
    reasons = [found[0] for rule in POLICY_FILTERS if (found := verdict(rule, group, everything_wrong))]
    assert len(reasons) == len(POLICY_FILTERS)
    assert eligible(wanting, [everything_wrong], "other", tenant).refused[0].reason == reasons[0]


class RegionFilter:
    """A filter of another package: refuses a region."""

    name = "Region"

    def __init__(self, region: str, *, transient: bool) -> None:
        self.region = region
        self.transient = transient

    def refuse(self, group: GroupFacts, cluster: ClusterFacts) -> Refusal | None:  # noqa: ARG002  (the interface)
        if cluster.labels["region"] != self.region:
            return None
        return Refusal(cluster.name, Written("Region", f"region {self.region}"))


FLEET = [cluster("a", region="east"), cluster("b", region="west"), cluster("c", region="west", cordoned=True)]


def test_more_filters_refuse_what_the_policy_allows() -> None:
    result = eligible(policy(), FLEET, more_filters=[RegionFilter("west", transient=False)])
    assert result.clusters == ("a",)
    reasons = {refusal.cluster: refusal.reason for refusal in result.refused}
    assert reasons == {"b": "Region", "c": "Region"}, "a cordon comes last"


@pytest.mark.parametrize(("transient", "require"), [(False, Require.ANY), (True, Require.FIT)])
def test_a_cluster_that_only_transient_filters_refuse_is_still_a_choice(transient: bool, require: Require) -> None:
    clusters = [cluster("a", region="east"), cluster("b", region="west")]
    result = eligible(policy(), clusters, more_filters=[RegionFilter("west", transient=transient)])
    assert result.clusters == ("a",)
    assert result.require is require
