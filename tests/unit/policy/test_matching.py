from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import Place
from reconciler.manifests.identity import ObjectKey
from reconciler.manifests.selector import LabelSelector, Requirement
from reconciler.policy.matching import PolicyIndex
from reconciler.policy.model import KindSelector, SchedulePolicy
from tests.unit.policy.reading import policy

JOB = ObjectKey("ray.io/v1", "RayJob", "team", "train")


def winner(
    *policies: SchedulePolicy,
    key: ObjectKey = JOB,
    labels: dict[str, str] | None = None,
    namespace_labels: dict[str, str] | None = None,
) -> str | None:
    match = PolicyIndex(policies).match(key, labels or {}, namespace_labels)
    return match.policy.name if match else None


def test_an_empty_selector_matches_every_workload() -> None:
    assert winner(policy()) == "p"


def test_entries_of_a_list_are_alternatives_and_what_is_in_one_entry_must_all_hold() -> None:
    one = policy("  resourceSelectors: {labelSelectors: [{matchLabels: {a: x, b: w}}, {matchLabels: {c: z}}]}\n")
    assert winner(one, labels={"a": "x", "b": "w"}) == "p"
    assert winner(one, labels={"c": "z"}) == "p"
    assert winner(one, labels={"a": "x"}) is None
    assert winner(one) is None


def test_kinds_and_labels_must_both_match() -> None:
    one = policy("  resourceSelectors: {labelSelectors: [{matchLabels: {a: x}}], kinds: [RayJob]}\n")
    assert winner(one, labels={"a": "x"}) == "p"
    assert winner(one, key=ObjectKey("ray.io/v1", "RayService", "team", "s"), labels={"a": "x"}) is None


def test_a_kind_with_a_group_leaves_out_its_namesakes() -> None:
    one = policy("  resourceSelectors: {kinds: [{kind: Service, group: core, version: v1}]}\n")
    assert winner(one, key=ObjectKey("v1", "Service", "team", "s")) == "p"
    assert winner(one, key=ObjectKey("serving.knative.dev/v1", "Service", "team", "s")) is None


def test_a_namespace_is_known_by_its_name_without_labels() -> None:
    one = policy("  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: team}}\n")
    assert winner(one) == "p"
    assert winner(one, key=ObjectKey("ray.io/v1", "RayJob", "other", "train")) is None


def test_a_namespace_cannot_pass_for_another_by_labelling_itself() -> None:
    one = policy("  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: team}}\n")
    other = ObjectKey("ray.io/v1", "RayJob", "other", "train")
    assert winner(one, key=other, namespace_labels={"kubernetes.io/metadata.name": "team"}) is None


def test_namespaces_are_selected_by_their_labels() -> None:
    one = policy("  namespaceSelector: {matchLabels: {env: prod}}\n")
    index = PolicyIndex([one])
    assert index.match(JOB, {}, {"env": "prod"}) is not None
    assert index.match(JOB, {}, {"env": "dev"}) is None


def test_cluster_scoped_objects_are_selected_whatever_the_namespace_selector() -> None:
    one = policy("  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: team}}\n")
    assert winner(one, key=ObjectKey("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "x.ray.io")) == "p"


def test_the_higher_priority_wins_then_the_name() -> None:
    low, high, twin = policy(name="a"), policy("  priority: 5\n", "zed"), policy("  priority: 5\n", "why")
    match = PolicyIndex([low, high, twin]).match(JOB, {})
    assert match is not None
    assert (match.policy.name, match.outranked) == ("why", ("zed", "a"))


LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), max_size=3)
REQUIREMENTS = st.one_of(
    st.builds(
        Requirement, st.sampled_from("abc"), st.just("In"), st.lists(st.sampled_from("xyz"), min_size=1).map(tuple)
    ),
    st.builds(Requirement, st.sampled_from("abc"), st.just("NotIn"), st.just(("x",))),
    st.builds(Requirement, st.sampled_from("abc"), st.sampled_from(["Exists", "DoesNotExist"])),
)
SELECTORS = st.builds(LabelSelector, st.lists(REQUIREMENTS, max_size=3).map(tuple))
POLICIES = st.lists(
    st.builds(
        SchedulePolicy,
        name=st.text("pqrstuvw", min_size=4, max_size=4),
        place=st.just(Place("f")),
        priority=st.integers(-2, 2),
        namespace_selector=SELECTORS,
        workload_selectors=st.lists(SELECTORS, max_size=3).map(tuple),
        kinds=st.sampled_from([(), (KindSelector("RayJob"),), (KindSelector("Pod", ""),)]),
    ),
    max_size=8,
    unique_by=lambda one: one.name,
)


@settings(deadline=None)
@given(POLICIES, LABELS, LABELS)
def test_the_index_finds_what_comparing_every_policy_finds(
    policies: list[SchedulePolicy], labels: dict[str, str], namespace_labels: dict[str, str]
) -> None:
    everyone = [
        one.name
        for one in sorted(policies, key=lambda one: (-one.priority, one.name))
        if one.namespace_selector.matches({**namespace_labels, "kubernetes.io/metadata.name": "team"})
        and (not one.workload_selectors or any(s.matches(labels) for s in one.workload_selectors))
        and (not one.kinds or any(k.matches("RayJob", "ray.io") for k in one.kinds))
    ]
    match = PolicyIndex(reversed(policies)).match(JOB, labels, namespace_labels)
    found = [match.policy.name, *match.outranked] if match else []
    assert found == everyone


def test_a_selector_that_asks_for_no_value_of_a_label_is_compared_with_every_workload() -> None:
    absent = "{matchExpressions: [{key: a, operator: DoesNotExist}]}"
    one = policy(f"  resourceSelectors: {{labelSelectors: [{absent}]}}\n")
    assert winner(one) == "p"
    assert winner(one, labels={"a": "x"}) is None


@pytest.mark.parametrize("asked", [1, 2])
def test_asking_twice_gives_the_same_answer(asked: int) -> None:
    index = PolicyIndex([policy("  resourceSelectors: {labelSelectors: [{matchLabels: {a: x}}]}\n")])
    for _ in range(asked):
        assert index.match(JOB, {"a": "x"}) is not None
        assert index.match(JOB, {"a": "y"}) is None
