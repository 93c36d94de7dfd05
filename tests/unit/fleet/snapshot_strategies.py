"""Hypothesis strategies that build snapshots with every field of nodes, pods, pools and Ray resources."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from reconciler.fleet.snapshot import ClusterSnapshot, Node, NodePool, Pod, RayStatus, Unreadable
from reconciler.manifests.podshape import (
    HostPort,
    NodeRequirement,
    NodeTerm,
    PodShape,
    PodTerm,
    SpreadConstraint,
    Taint,
    Toleration,
)
from reconciler.manifests.selector import LabelSelector, Requirement

words = st.sampled_from(
    ["", "a", "b-c", "default", "Equal", "default-scheduler", "TCP", HostPort(0).ip, "ünï", "x" * 60]
)
names = st.sampled_from(["a", "b", "c-1", "node-2", "default"])
labels = st.dictionaries(st.sampled_from(["app", "kubernetes.io/hostname", "zone"]), words, max_size=3)
amounts = st.one_of(
    st.integers(0, 2**62), st.integers(0, 2_000), st.sampled_from([2**30, 10**9, 1000, 1024, 200 * 2**20, 100])
)
resources = st.dictionaries(
    st.sampled_from(["cpu", "memory", "ephemeral-storage", "nvidia.com/gpu", "hugepages-2Mi", "pods"]),
    amounts,
    max_size=4,
)
times = st.one_of(st.floats(-1e9, 1e11), st.sampled_from([0.0, 1_795_420_800.0, 1_795_420_800.123457, 1e300, -1e300]))
requirements = st.builds(Requirement, words, words, st.lists(words, max_size=2).map(tuple))
selectors = st.builds(LabelSelector, st.lists(requirements, max_size=2).map(tuple))
node_requirements = st.builds(NodeRequirement, words, words, st.lists(words, max_size=2).map(tuple))
requirement_tuples = st.lists(node_requirements, max_size=2).map(tuple)
node_terms = st.builds(NodeTerm, requirement_tuples, requirement_tuples)
pod_terms = st.builds(
    PodTerm, words, st.none() | selectors, st.lists(words, max_size=2).map(tuple), st.none() | selectors
)
spreads = st.builds(SpreadConstraint, words, amounts, words, st.none() | selectors, amounts, words, words)


def few(one: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(one, max_size=2).map(tuple)


def weighted(one: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return few(st.tuples(st.integers(-5, 100), one))


taints = few(st.builds(Taint, words, words, words))
nodes = st.builds(
    Node, names, resources.map(lambda amount: {"pods": 110, **amount}), labels, taints, st.booleans(), st.booleans()
)


@st.composite
def pods(draw: st.DrawFn) -> Pod:
    namespace, node = draw(names), draw(words)
    shape = PodShape(
        namespace=namespace,
        labels=draw(labels),
        requests=draw(resources),
        score_cpu=draw(amounts),
        score_memory=draw(amounts),
        node_name=node,
        node_selector=draw(labels),
        node_required=draw(few(node_terms)),
        node_preferred=draw(weighted(node_terms)),
        pod_required=draw(few(pod_terms)),
        pod_preferred=draw(weighted(pod_terms)),
        pod_anti_required=draw(few(pod_terms)),
        pod_anti_preferred=draw(weighted(pod_terms)),
        spread=draw(few(spreads)),
        host_ports=draw(few(st.builds(HostPort, amounts, words, words))),
        tolerations=draw(few(st.builds(Toleration, words, words, words, words))),
        claims=draw(st.booleans()),
        volume_claims=draw(few(words)),
        priority_class=draw(words),
        scheduler_name=draw(words),
        scheduling_gates=draw(few(words)),
        owner_selector=draw(st.none() | selectors),
    )
    return Pod(namespace, draw(names), shape, node, draw(words), draw(words), draw(st.booleans()))


pools = st.builds(
    NodePool,
    names,
    st.integers(0, 10**5),
    resources,
    labels,
    taints,
    st.none() | st.floats(0, 1e6),
    st.booleans(),
    labels,
    st.none() | st.integers(0, 10**5),
    words,
    st.booleans(),
    words,
    resources,
)
rays = st.builds(RayStatus, st.sampled_from(["RayJob", "RayCluster"]), names, names, words, words, words, words, words)


def sorted_by(key: Any) -> Any:
    """Return a function that sorts items by `key` and keeps the last of each key."""
    return lambda items: tuple(value for _, value in sorted({key(item): item for item in items}.items()))


snapshots = st.builds(
    ClusterSnapshot,
    cluster=names,
    taken_at=times,
    nodes=st.lists(nodes, max_size=3).map(sorted_by(lambda node: node.name)),
    pods=st.lists(pods(), max_size=3).map(sorted_by(lambda pod: (pod.namespace, pod.name))),
    ray=st.lists(rays, max_size=2).map(tuple),
    version=words,
    namespace_labels=st.dictionaries(names, labels, max_size=2),
    pools=st.lists(pools, max_size=2, unique_by=lambda pool: pool.name).map(tuple),
    pools_note=words,
)
unreadables = st.builds(Unreadable, names, words, times)
