from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import InvalidObject, Place
from reconciler.manifests.identity import ObjectKey, is_dns_label
from reconciler.policy.groups import as_dns_label, group_name, pinned_cluster
from tests.unit.policy.reading import policy

JOB = ObjectKey("ray.io/v1", "RayJob", "team", "train")
GROUPED = policy("  groupBy: {labelKey: app}\n")


def test_a_group_is_named_by_its_label_value() -> None:
    assert group_name(GROUPED, JOB, {"app": "rayjob"}) == "rayjob"


def test_without_group_by_a_workload_is_a_group_of_its_own() -> None:
    assert group_name(policy(), JOB, {"app": "rayjob"}) == "rayjob-train"


def test_a_workload_without_the_label_is_a_group_of_its_own() -> None:
    assert group_name(GROUPED, JOB, {}) == "rayjob-train"
    assert group_name(GROUPED, JOB, {"app": ""}) == "rayjob-train"


@pytest.mark.parametrize("value", ["../x", "Team_A", "a.b", "x" * 64, "-a", ".git"])
def test_a_label_value_that_cannot_be_a_folder_is_refused_with_a_remedy(value: str) -> None:
    with pytest.raises(InvalidObject) as caught:
        group_name(GROUPED, JOB, {"app": value}, Place("workloads/team/job.yaml", 4, 3))
    assert str(caught.value).startswith("workloads/team/job.yaml:4:3: RayJob team/train: label app")
    assert "small letters, digits and '-'" in caught.value.message


def test_the_longest_name_of_a_ray_cluster_still_makes_a_group() -> None:
    name = group_name(policy(), ObjectKey("ray.io/v1", "RayCluster", "team", "c" * 53), {})
    assert is_dns_label(name)
    assert name.startswith("raycluster-ccc")


@settings(deadline=None)
@given(st.text())
def test_every_text_becomes_a_dns_label(text: str) -> None:
    assert is_dns_label(as_dns_label(text))


@settings(deadline=None)
@given(st.text("a.-A", max_size=6), st.text("a.-A", max_size=6))
def test_different_texts_become_different_labels(one: str, other: str) -> None:
    assert (as_dns_label(one) == as_dns_label(other)) == (one == other)


@pytest.mark.parametrize("annotation", ["skyray.dev/cluster", "nova.elotl.co/cluster"])
def test_either_annotation_pins_the_group(annotation: str) -> None:
    assert pinned_cluster([{}, {annotation: "gpu-1", "other": "x"}]) == "gpu-1"


def test_no_annotation_pins_nothing() -> None:
    assert pinned_cluster([{"other": "x"}, {"skyray.dev/cluster": ""}]) is None


def test_objects_of_one_group_cannot_be_pinned_apart() -> None:
    with pytest.raises(InvalidObject, match="pinned to a and b at once"):
        pinned_cluster([{"skyray.dev/cluster": "b"}, {"nova.elotl.co/cluster": "a"}])
