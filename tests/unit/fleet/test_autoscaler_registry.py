"""The registry has a reader for each kind of autoscaler that a Cluster may name."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from reconciler.fleet.autoscalers.reader import AutoscalerReader, ObservedCluster
from reconciler.fleet.autoscalers.registry import READERS, readers_of
from reconciler.fleet.cluster_kind import AutoscalerPart
from reconciler.fleet.snapshot import NodePool


def test_each_kind_but_none_has_a_reader() -> None:
    kinds = get_args(AutoscalerPart.model_fields["kind"].annotation)
    assert {reader.kind for reader in READERS} == {*kinds} - {"None"}


@pytest.mark.parametrize(
    ("kind", "paths"),
    [
        ("None", []),
        ("Luna", []),
        ("Karpenter", ["/apis/karpenter.sh/v1/nodepools"]),
        (
            "ClusterAutoscaler",
            [
                "machinedeployments",
                "machinepools",
                "/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status",
            ],
        ),
    ],
)
def test_a_kind_reads_these_objects_in_this_order(kind: str, paths: list[str]) -> None:
    assert [wanted.path for reader in readers_of(kind) for wanted in reader.wants] == paths


@pytest.mark.parametrize("reader", [reader for reader in READERS if all(path.is_list for path in reader.wants)])
def test_a_reader_without_objects_keeps_the_pools_of_earlier_ones(reader: AutoscalerReader[Any]) -> None:
    earlier = (NodePool("a", 1, {}), NodePool("b", 2, {}))
    assert reader.pools([], ObservedCluster(pools=earlier)) == earlier
