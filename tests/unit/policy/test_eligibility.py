"""Clusters in tiers, refusals and what is required; the rules themselves are in `test_cluster_filters`."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.manifests.podshape import Taint
from reconciler.policy.eligibility import ClusterFacts, Eligibility, Refusal, Tier, eligible
from reconciler.policy.model import Require
from tests.unit.policy.reading import cluster, policy

PRODUCTION = policy("  clusterSelector: {matchLabels: {cluster.class: production}}\n", "prod")
ORDERED = policy(
    "  orderedClusterSelector:\n"
    "    matchExpressions:\n"
    "    - {key: provider, operator: In, values: [onprem, gce, aws]}\n"
    "    - {key: zone, operator: In, values: [b, a]}\n"
)


def refusals(result: Eligibility) -> dict[str, str]:
    return {one.cluster: one.reason for one in result.refused}


def only_refusal(result: Eligibility) -> Refusal:
    (one,) = result.refused
    return one


def test_without_a_cluster_selector_all_clusters_are_one_tier_by_name() -> None:
    assert eligible(policy(), [cluster("b"), cluster("a")]).tiers == (Tier((), ("a", "b")),)


def test_a_cluster_of_the_wrong_class_is_refused_with_both_words() -> None:
    result = eligible(
        PRODUCTION, [cluster("a", cluster__class="production"), cluster("b", cluster__class="development")]
    )
    assert result.clusters == ("a",)
    refusal = only_refusal(result)
    assert (refusal.cluster, refusal.reason, refusal.stays) == ("b", "ClusterSelectorMismatch", False)
    assert "development" in refusal.message
    assert "production" in refusal.message


def test_a_missing_label_is_named() -> None:
    assert "no label cluster.class" in only_refusal(eligible(PRODUCTION, [cluster("b")])).message


def test_every_operator_explains_itself() -> None:
    def message(expression: str, **labels: Any) -> str:
        wants = policy(f"  clusterSelector: {{matchExpressions: [{expression}]}}\n")
        return only_refusal(eligible(wants, [cluster("c", **labels)])).message

    assert message("{key: k, operator: In, values: [a, b]}", k="c") == "k is c, policy p wants a or b"
    assert message("{key: k, operator: NotIn, values: [a, c]}", k="c") == "k is c, policy p excludes a, c"
    assert message("{key: k, operator: Exists}") == "it has no label k, policy p wants one"
    assert message("{key: k, operator: DoesNotExist}", k="c") == "k is c, policy p wants none"


def test_the_order_of_values_is_the_order_of_clusters_expression_by_expression() -> None:
    clusters = [
        cluster("c1", provider="aws", zone="a"),
        cluster("c2", provider="aws", zone="b"),
        cluster("c3", provider="onprem", zone="a"),
        cluster("c5", provider="gce", zone="a"),
        cluster("c4", provider="gce", zone="a"),
        cluster("c6", provider="azure", zone="a"),
        cluster("c7", provider="gce", zone="z"),
    ]
    result = eligible(ORDERED, clusters)
    assert result.tiers == (
        Tier((0, 1), ("c3",)),
        Tier((1, 1), ("c4", "c5")),
        Tier((2, 0), ("c2",)),
        Tier((2, 1), ("c1",)),
    )
    assert refusals(result) == {"c6": "OrderedClusterSelectorMismatch", "c7": "OrderedClusterSelectorMismatch"}


def test_a_cordoned_cluster_gets_nothing_new_and_keeps_what_it_has() -> None:
    result = eligible(policy(), [cluster("a"), cluster("b", cordoned=True)])
    assert result.clusters == ("a",)
    assert refusals(result) == {"b": "Cordoned"}
    assert result.may_stay("b")


def test_no_place_keeps_and_no_execute_sends_away() -> None:
    result = eligible(
        policy(),
        [cluster("a", Taint("maintenance", "NoPlace")), cluster("b", Taint("broken", "NoExecute", "disk"))],
    )
    assert refusals(result) == {"a": "UntoleratedClusterTaint", "b": "UntoleratedClusterTaint"}
    assert (result.may_stay("a"), result.may_stay("b")) == (True, False)
    assert "broken=disk:NoExecute" in result.refused[1].message


def test_a_pin_leaves_one_cluster() -> None:
    result = eligible(policy(), [cluster("a"), cluster("b"), cluster("c")], pin="b")
    assert result.clusters == ("b",)
    assert result.require is Require.ANY
    assert refusals(result) == {"a": "PinnedElsewhere", "c": "PinnedElsewhere"}


def test_a_pin_does_not_reach_past_the_policy() -> None:
    result = eligible(PRODUCTION, [cluster("dev", cluster__class="development")], pin="dev")
    assert result.clusters == ()
    assert refusals(result) == {"dev": "ClusterSelectorMismatch"}


def test_a_pin_to_an_unknown_cluster_names_the_known_ones() -> None:
    result = eligible(policy(), [cluster("static-cluster"), cluster("dynamic-cluster")], pin="static-clutser")
    assert result.clusters == ()
    refusal = result.refused[-1]
    assert (refusal.cluster, refusal.reason) == ("static-clutser", "UnknownCluster")
    assert "did you mean static-cluster?" in refusal.message
    assert refusal.message.endswith("known clusters: dynamic-cluster, static-cluster")


def test_in_a_large_fleet_the_message_about_an_unknown_pin_stays_short() -> None:
    result = eligible(policy(), [cluster(f"c{i:03}") for i in range(500)], pin="nowhere")
    assert result.refused[-1].message.endswith("c009 and 490 more")


def test_one_cluster_to_choose_from_lets_kubernetes_queue_and_several_do_not() -> None:
    assert eligible(PRODUCTION, [cluster("a", cluster__class="production"), cluster("b")]).require is Require.ANY
    assert eligible(policy(), [cluster("a"), cluster("b")]).require is Require.FIT


def test_a_cordon_does_not_turn_fit_into_any() -> None:
    assert eligible(policy(), [cluster("a"), cluster("b", cordoned=True)]).require is Require.FIT


def test_what_the_policy_requires_is_kept() -> None:
    fit = policy("  placement: {require: Fit}\n")
    assert eligible(fit, [cluster("a")]).require is Require.FIT
    anyway = policy("  placement: {require: Any}\n")
    assert eligible(anyway, [cluster("a"), cluster("b")]).require is Require.ANY


FLEETS = st.lists(
    st.builds(
        lambda name, provider, zone, cordoned, tainted: cluster(
            name, *([Taint("t", "NoPlace")] if tainted else []), cordoned=cordoned, provider=provider, zone=zone
        ),
        st.text("abcdef", min_size=1, max_size=3),
        st.sampled_from(["onprem", "gce", "aws", "other"]),
        st.sampled_from("abz"),
        st.booleans(),
        st.booleans(),
    ),
    unique_by=lambda one: one.name,
    max_size=12,
)


@settings(deadline=None)
@given(FLEETS)
def test_every_cluster_is_either_eligible_or_refused_and_their_order_does_not_matter(
    clusters: list[ClusterFacts],
) -> None:
    result = eligible(ORDERED, clusters)
    named = [*result.clusters, *(one.cluster for one in result.refused)]
    assert sorted(named) == sorted(one.name for one in clusters)
    assert eligible(ORDERED, clusters[::-1]) == result
    assert [tier.rank for tier in result.tiers] == sorted({tier.rank for tier in result.tiers})
