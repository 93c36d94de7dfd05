"""Whatever one file of `workloads/` contains: all other groups are placed as before, and the problem has its place."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.placement.model import Action
from reconciler.planning.files import Files
from reconciler.planning.plan import Plan
from reconciler.service.checks import check_files
from tests.fleets import GROUPED, Fleet, config_map, decision, ordered, policy, ray_job, static_and_dynamic, text

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {tier: %s}}"
BAD = "workloads/team1/bad.yaml"
GOLD = policy("gold", f"priority: 5\n{ordered('dynamic')}", namespaces="{matchLabels: {tier: gold}}")
"""The policy of the namespaces that have a label."""


def grouped() -> Fleet:
    """A fleet that groups by `app`, with a job in another namespace."""
    fleet = static_and_dynamic(GROUPED)
    fleet.commit("workloads/stranger/job.yaml", ray_job("train", workers=1))
    return fleet


def rejections(made: Plan, word: str) -> list[str]:
    return [d.message for d in made.decisions if d.action is Action.REJECT and word in d.message]


@pytest.mark.parametrize(
    ("metadata", "where"),
    [
        ("labels: {app: 3}", "metadata.labels.app is 3, which is not a text; quote it"),
        ("labels: {app: true}", "metadata.labels.app is True, which is not a text; quote it"),
        ("labels: {app: [a]}", "metadata.labels.app is ['a'], which is not a text; quote it"),
        ("labels: [app]", "metadata.labels is ['app']; it must be a map of fields"),
        ("labels: {app: a b}", "metadata.labels.app is 'a b': use at most 63 letters"),
        ("labels: {a b: app}", "metadata.labels['a b'] has a key that cannot be one"),
        ("annotations: {skyray.dev/cluster: 3}", "metadata.annotations['skyray.dev/cluster'] is 3, which is not"),
        ("annotations: text", "metadata.annotations is 'text'; it must be a map of fields"),
        ("annotations: {a b: x}", "metadata.annotations['a b'] has a key that cannot be one"),
    ],
)
def test_labels_that_no_cluster_takes_are_refused_with_their_place_and_no_other_group_is_affected(
    metadata: str, where: str
) -> None:
    fleet = grouped()
    fleet.commit(BAD, config_map("code").replace(b"labels: {}", metadata.encode()))
    made = fleet.cycle()
    assert decision(made, "stranger", "rayjob-train").action is Action.PLACE
    (message,) = rejections(made, where)
    assert message.startswith(f"{BAD}:3:")
    assert check_files(Files(fleet.files), lambda _: fleet.files).errors == (message,)


def test_keys_of_annotations_may_have_capitals_as_on_a_cluster() -> None:
    fleet = grouped()
    fleet.commit(BAD, config_map("code").replace(b"labels: {}", b"annotations: {Example.com/Owner: 'a b, c'}"))
    assert decision(fleet.cycle(), "team1", "configmap-code").action is Action.PLACE


def test_a_number_as_label_keeps_the_group_that_is_meant_from_being_placed_by_halves() -> None:
    fleet = grouped()
    fleet.commit("workloads/team1/a.yaml", ray_job("a", workers=1, labels="{app: '3'}"))
    fleet.commit(BAD, ray_job("b", workers=1, labels="{app: 3}"))
    refused = decision(fleet.cycle(), "team1", "3")
    assert refused.action is Action.REJECT
    assert refused.message.startswith(f"{BAD}:3:")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (text(NAMESPACE % ("team2", "gold")), f"{BAD}:3:18: Namespace team2 is in the folder"),
        (text(NAMESPACE % ("team1", "3")), f"{BAD}:3:40: metadata.labels.tier is 3, which is not a text"),
        (
            text(NAMESPACE % ("team1", "gold")).replace(b"v1", b"v2"),
            f"{BAD}:1:13: the apiVersion of a Namespace is v1, not v2",
        ),
        (
            text(NAMESPACE % ("team1", "gold")) + b"---\n" + text(NAMESPACE % ("team1", "iron")),
            f"{BAD}:5:1: Namespace team1 is already defined at {BAD}:1:1",
        ),
    ],
)
def test_a_namespace_that_cannot_be_used_is_reported_and_stops_no_other_group(data: bytes, problem: str) -> None:
    fleet = grouped()
    fleet.commit(BAD, data)
    fleet.commit("workloads/team1/job.yaml", ray_job("train", workers=1))
    made = fleet.cycle()
    assert decision(made, "team1", "file-bad").message.startswith(problem)
    assert decision(made, "stranger", "rayjob-train").action is Action.PLACE
    assert b"tier" not in fleet.files["clusters/static/team1/namespace.yaml"]
    (error,) = check_files(Files(fleet.files), lambda _: fleet.files).errors
    assert error.startswith(problem)
    assert fleet.plan().drafts == ()


@pytest.mark.parametrize(
    "data",
    [
        b"kind: [\n",
        text(NAMESPACE % ("team1", "3")),
        text(NAMESPACE % ("team1", "gold")) + b"---\n" + text(NAMESPACE % ("team1", "iron")),
    ],
)
def test_a_namespace_keeps_its_labels_while_its_file_cannot_be_read(data: bytes) -> None:
    fleet = grouped()
    fleet.files["policies/gold.yaml"] = GOLD
    with_notes = text(NAMESPACE % ("team1", "gold")).replace(b"labels:", b"annotations: {note: mine}, labels:")
    fleet.commit(BAD, with_notes)
    fleet.commit("workloads/team1/a.yaml", ray_job("a", workers=1))
    fleet.cycle()
    written = fleet.files["clusters/dynamic/team1/namespace.yaml"]
    assert b"tier: gold" in written
    fleet.commit(BAD, data)
    fleet.commit("workloads/team1/b.yaml", ray_job("b", workers=1))
    made = fleet.cycle()
    assert fleet.files["clusters/dynamic/team1/namespace.yaml"] == written
    assert decision(made, "team1", "rayjob-b").policy == "gold", "its labels still say which policy selects it"
    fleet.commit(BAD, None)
    fleet.cycle()
    assert b"tier" not in fleet.files["clusters/dynamic/team1/namespace.yaml"], "gone is not unreadable"


def test_a_new_group_waits_where_the_policy_depends_on_a_namespace_that_may_be_unreadable() -> None:
    fleet = grouped()
    fleet.commit(BAD, b"kind: [\n")
    fleet.commit("workloads/team1/job.yaml", ray_job("train", workers=1))
    assert decision(fleet.plan(), "team1", "rayjob-train").action is Action.PLACE, "no policy looks at its labels"
    fleet.files["policies/gold.yaml"] = GOLD
    made = fleet.cycle()
    waits = decision(made, "team1", "rayjob-train")
    assert (waits.action, waits.reason) == (Action.WAIT, "SourceUnreadable")
    assert waits.message.startswith(f"its Namespace, by whose labels policies select, may be in {BAD}, which cannot")
    assert decision(made, "stranger", "rayjob-train").action is Action.PLACE


def test_a_file_of_which_only_a_part_of_a_group_comes_is_reported_while_that_group_goes_on() -> None:
    fleet = grouped()
    fleet.commit("workloads/team1/a.yaml", ray_job("a", workers=1, labels="{app: pair}"))
    fleet.commit(BAD, ray_job("b", workers=1, labels="{app: pair}"))
    fleet.cycle()
    fleet.commit(BAD, b"kind: [\n")
    made = fleet.cycle()
    assert decision(made, "team1", "pair").action is Action.KEEP
    assert decision(made, "team1", "file-bad").reason == "UnreadableFile"
    assert "clusters/static/team1/pair/rayjob-b.yaml" in fleet.files


MANIFESTS = [
    text(NAMESPACE % ("team1", "gold")),
    config_map("code", labels="{app: one}"),
    ray_job("a", workers=1, labels="{app: one}", config="code", more="clusterSelector: {}"),
    text("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: r, annotations: {skyray.dev/cluster: static}}"),
    text("apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: s}\n"
         "spec: {secretStoreRef: {name: vault}, target: {name: t}, dataFrom: [{sourceRef: {storeRef: {name: x}}}]}"),
    text("apiVersion: external-secrets.io/v1\nkind: SecretStore\nmetadata: {name: vault}\n"
         "spec: {provider: {vault: {auth: {serviceAccountRef: {name: r}, list: [{name: a, key: k}]}}}}"),
]  # fmt: skip
EMPTY: tuple[Any, ...] = ([], {})
JUNK = (None, 3, True, -1.5, "", "a b", "UPPER", "x" * 300, *EMPTY, [1], [None], ["x"], {"a": 1}, {"name": 3})


def spots(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a document."""
    yield at
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from spots(inner, (*at, step))


def with_junk(body: Any, at: tuple[Any, ...], junk: Any) -> Any:
    if not at:
        return junk
    body = copy.deepcopy(body)
    inner = body
    for step in at[:-1]:
        inner = inner[step]
    inner[at[-1]] = junk
    return body


SPOILED = st.sampled_from([yaml.safe_load(data) for data in MANIFESTS]).flatmap(
    lambda body: st.builds(with_junk, st.just(body), st.sampled_from(list(spots(body))), st.sampled_from(JUNK))
)


@settings(max_examples=100, deadline=None)
@given(SPOILED)
def test_no_value_in_any_field_stops_the_others(body: Any) -> None:
    fleet = grouped()
    fleet.commit("workloads/team1/a.yaml", ray_job("b", workers=1, labels="{app: one}", config="code"))
    fleet.commit(BAD, yaml.safe_dump(body).encode())
    made = fleet.cycle()
    assert decision(made, "stranger", "rayjob-train").action is Action.PLACE
    assert fleet.plan().drafts == ()
