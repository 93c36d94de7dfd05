from __future__ import annotations

import pytest

from reconciler.manifests.identity import ObjectKey
from reconciler.manifests.loader import load
from reconciler.policy.dialects import read_policies
from reconciler.policy.eligibility import Eligibility, eligible
from reconciler.policy.matching import PolicyIndex
from reconciler.policy.model import Require, SchedulePolicy, unsupported
from tests.unit.policy.reading import READY_MADE, cluster, ready_made

FILES = sorted(path.stem for path in READY_MADE.glob("*.yaml"))
FLEET = [
    cluster("dynamic-cluster", cluster__class="development"),
    cluster("static-cluster", cluster__class="production"),
]


def everything() -> tuple[SchedulePolicy, ...]:
    documents = [doc for file in FILES for doc in load((READY_MADE / f"{file}.yaml").read_bytes(), file).documents]
    return read_policies(documents)


def where(namespace: str = "team", kind: str = "RayJob", **labels: str) -> tuple[str, Eligibility]:
    """Ask all ready-made policies together, as in a repo that has them all."""
    plain = {key.replace("__", "."): value for key, value in labels.items()}
    match = PolicyIndex(everything()).match(ObjectKey("ray.io/v1", kind, namespace, "train"), plain)
    assert match is not None
    return match.policy.name, eligible(match.policy, FLEET)


@pytest.mark.parametrize("file", FILES)
def test_a_ready_made_policy_says_when_to_use_it_and_uses_only_what_works(file: str) -> None:
    assert "Use it " in (READY_MADE / f"{file}.yaml").read_text().split("apiVersion")[0]
    for one in ready_made(file):
        assert one.name.startswith(file)
        assert unsupported(one) == ()


def test_production_training_fills_its_own_cluster_then_spills() -> None:
    name, result = where(training__class="production")
    assert name == "fill-and-spill"
    assert result.clusters == ("static-cluster", "dynamic-cluster")
    assert len(result.tiers) == 2
    assert result.require is Require.FIT


def test_experiments_wait_on_their_own_cluster() -> None:
    name, result = where(training__class="experimental")
    assert name == "fill-no-spill"
    assert result.clusters == ("static-cluster",)
    assert result.require is Require.ANY


@pytest.mark.parametrize(
    ("namespace", "chosen"), [("production", "static-cluster"), ("development", "dynamic-cluster")]
)
def test_each_namespace_goes_to_its_class_of_cluster(namespace: str, chosen: str) -> None:
    name, result = where(namespace, "RayService")
    assert name == f"right-cluster-{namespace}"
    assert result.clusters == (chosen,)


def test_what_no_other_policy_selects_goes_to_any_cluster_with_room() -> None:
    name, result = where()
    assert name == "available-capacity"
    assert len(result.tiers) == 1
    assert result.clusters == ("dynamic-cluster", "static-cluster")
    assert result.require is Require.FIT
