"""Which pods are a DaemonSet's, and which new nodes get one like them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.fleet.snapshot import Pod
from reconciler.kube_scheduler.daemonsets import DaemonSets
from reconciler.manifests.podshape import NodeRequirement, NodeTerm, PodShape, Taint, Toleration
from tests.unit.kube_scheduler.gangmaking import ZONE, node, shape

TIED = (NodeRequirement("metadata.name", "In", ("a",)),)
IN_X = NodeRequirement(ZONE, "In", ("x",))


def pod(of: PodShape, owner: str = "agent", name: str = "agent-1") -> Pod:
    return replace(Pod("system", name, of, "a"), owner=owner)


def tied(*terms: NodeTerm, **rest: Any) -> PodShape:
    return shape(100, 0.1, node_required=terms, **rest)


def test_only_pods_that_are_tied_to_a_node_by_its_name_are_of_a_daemonset() -> None:
    by_label = pod(tied(NodeTerm((IN_X,))), owner="web")
    half = pod(tied(NodeTerm((), TIED), NodeTerm((IN_X,))), owner="half")
    free = pod(shape(), owner="job")
    single = pod(tied(NodeTerm((), TIED)), owner="")
    assert DaemonSets.of([by_label, half, free, single]).shapes == ()
    assert len(DaemonSets.of([pod(tied(NodeTerm((), TIED)))]).shapes) == 1


def test_a_daemonset_counts_once_however_many_pods_it_has() -> None:
    pods = [pod(tied(NodeTerm((), TIED)), name=f"agent-{i}") for i in range(3)]
    assert len(DaemonSets.of(pods).shapes) == 1


def test_a_daemonset_comes_to_every_new_node_that_its_own_terms_allow() -> None:
    anywhere = DaemonSets.of([pod(tied(NodeTerm((), TIED)))])
    in_x = DaemonSets.of([pod(tied(NodeTerm((IN_X,), TIED)))])
    here, there = node("new", labels={ZONE: "x"}), node("new", labels={ZONE: "y"})
    assert [anywhere.comes(anywhere.shapes[0], one) for one in (here, there)] == [True, True]
    assert [in_x.comes(in_x.shapes[0], one) for one in (here, there)] == [True, False]


def test_a_daemonset_does_not_come_to_a_node_whose_taint_it_does_not_tolerate() -> None:
    shy = DaemonSets.of([pod(tied(NodeTerm((), TIED)))])
    bold = DaemonSets.of([pod(tied(NodeTerm((), TIED), tolerations=(Toleration(operator="Exists"),)))])
    hard = node("new", taints=(Taint("gpu", "NoSchedule"),))
    soft = node("new", taints=(Taint("gpu", "PreferNoSchedule"),))
    assert [shy.comes(shy.shapes[0], one) for one in (hard, soft)] == [False, True]
    assert bold.comes(bold.shapes[0], hard)
