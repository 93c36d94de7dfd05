"""The filters of a plan: which clusters a group may go to, worked out once for groups that no filter tells apart."""

from __future__ import annotations

from dataclasses import replace

from reconciler.placement.filters import ClusterFilters, FilterMaker, refused_candidates, within
from reconciler.placement.model import Candidate, Verdict
from reconciler.policy.eligibility import ClusterFacts, Eligibility, GroupFacts, Refusal, Tier
from reconciler.policy.model import NAME_LABEL, Require
from reconciler.reasons.written import Written
from reconciler.workloads.group import Group
from tests.copies import app, group, job
from tests.unit.workloads.reading import policy

CLUSTERS = [ClusterFacts(name, {NAME_LABEL: name}) for name in ("c0", "c1", "c2")]
WEB = group("web", app())


class Not:
    """Refuses one cluster."""

    name = "Not"
    transient = False

    def __init__(self, cluster: str) -> None:
        self.cluster = cluster
        self.asked = 0

    def refuse(self, group: GroupFacts, cluster: ClusterFacts) -> Refusal | None:  # noqa: ARG002  (the same for all)
        self.asked += 1
        return Refusal(cluster.name, Written("Not", "not here")) if cluster.name == self.cluster else None


def for_jobs(rule: Not) -> FilterMaker:
    """The rule applies to groups with a job."""
    return lambda made: (rule.cluster, rule) if any(item.is_batch for item in made.objects) else None


def test_without_a_rule_every_cluster_is_eligible() -> None:
    assert ClusterFilters(CLUSTERS).eligible(WEB).clusters == ("c0", "c1", "c2")


def test_a_rule_that_does_not_apply_refuses_nothing() -> None:
    filters = ClusterFilters(CLUSTERS, (for_jobs(Not("c1")),))
    assert filters.eligible(WEB).clusters == ("c0", "c1", "c2")
    assert filters.eligible(group("train", job())).clusters == ("c0", "c2")


def test_groups_that_no_filter_tells_apart_are_sorted_out_once() -> None:
    rule = Not("c1")
    filters = ClusterFilters(CLUSTERS, (for_jobs(rule),))
    first = filters.eligible(group("train", job()))
    asked = rule.asked
    assert filters.eligible(group("tune", job("tune"))) is first
    assert rule.asked == asked


def test_pin_policy_and_rules_tell_groups_apart() -> None:
    filters = ClusterFilters(CLUSTERS, (for_jobs(Not("c1")),))
    pinned = replace(WEB, pin="c2")
    other = replace(WEB, policy=policy("only", "clusterSelector: {matchLabels: {kubernetes.io/metadata.name: c0}}"))
    made: list[Group] = [WEB, pinned, other, group("train", job())]
    assert [filters.eligible(one).clusters for one in made] == [("c0", "c1", "c2"), ("c2",), ("c0",), ("c0", "c2")]


def test_filters_of_this_moment_hold_for_this_question_only() -> None:
    filters = ClusterFilters(CLUSTERS)
    assert filters.eligible(WEB, (Not("c0"),)).clusters == ("c1", "c2")
    assert filters.eligible(WEB, (Not("c2"),)).clusters == ("c0", "c1")
    assert filters.eligible(WEB).clusters == ("c0", "c1", "c2")


def test_refused_clusters_are_candidates_that_are_not_eligible() -> None:
    found = refused_candidates(ClusterFilters(CLUSTERS).eligible(WEB, (Not("c1"),)))
    assert found == (Candidate("c1", Verdict.NOT_ELIGIBLE, Written("Not", "not here")),)


def test_a_part_keeps_the_tiers_in_which_it_lies_and_the_order_that_is_asked_for() -> None:
    tiers = (Tier((0,), ("c0", "c1")), Tier((1,), ("c2",)), Tier((2,), ("c3",)))
    whole = Eligibility(tiers, (Refusal("c9", Written("Not", "")),), Require.FIT)
    part = within(whole, ("c3", "c1", "c0"))
    assert part == Eligibility((Tier((0,), ("c1", "c0")), Tier((2,), ("c3",))), (), Require.FIT)


def test_a_part_of_nothing_is_empty() -> None:
    assert within(Eligibility((Tier((), ("c0",)),), (), Require.ANY), ()).clusters == ()
