"""Binds equal pods as kube-scheduler does: filter the nodes, score them, bind to the best, repeat.

While equal pods are bound, only the chosen node's score changes, unless the pods have rules about each other. So k pods
are bound to the k best nodes at most (`kube_scheduler.bind_best`); pods with spread constraints or affinity terms are
bound one by one (`kube_scheduler.bind_one_by_one`). Both make the same choices.

Two things differ from the real scheduler, because they cannot be known from outside: the order in which it breaks ties
(here: by `Nodes.ranks`), and which nodes it looks at on clusters of more than 100 (here: all).
"""

from __future__ import annotations

from collections import Counter

from reconciler.kube_scheduler.bind_best import bind_best
from reconciler.kube_scheduler.bind_one_by_one import bind_one_by_one
from reconciler.kube_scheduler.bind_rules import BindRules
from reconciler.kube_scheduler.nodes import Nodes
from reconciler.manifests.podshape import PodShape


def bind_pods(
    nodes: Nodes, shape: PodShape, count: int, *, reach: int | None = None
) -> Counter[int]:
    """Bind up to `count` pods of `shape`, each where kube-scheduler would, and return node index -> pods bound.

    Changes `nodes`. With `reach`, only the first so many nodes are looked at. Fewer than `count` are bound only if no
    node was left for the next one.
    """
    if count <= 0 or not nodes.size:
        return Counter()
    rules = BindRules.of(nodes, shape, nodes.size if reach is None else reach)
    if rules is None:
        return Counter()
    bind = bind_one_by_one if rules.depend_on_each_other else bind_best
    chosen = bind(nodes, rules, count)
    nodes.add_pods(shape, chosen)
    return chosen
