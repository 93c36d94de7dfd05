"""What kube-scheduler and the autoscaler of one cluster would do with a gang, on nodes held as numpy arrays.

`nodes.Nodes` is a cluster, `gang.Gang` the pods. `fit.try_gang` returns a `gang.Fit` with its reason, `fit.commit` and
`fit.reserve` return the nodes afterwards, `equivalence.GangRequest` the keys by which results may be kept. Nothing here
knows SkyRay's groups, policies or verdicts, so it can be compared with the real scheduler (tests/e2e).
"""

PUBLIC_NAMES = {
    "equivalence": ("GangRequest",),
    "filters": ("allowed",),
    "fit": ("commit", "reserve", "reserve_pending", "try_gang"),
    "gang": ("Fit", "Gang"),
    "node_table": ("Ints", "Mask", "clamped"),
    "nodes": ("Nodes",),
    "pod_affinity": ("namespaces_in_terms",),
}
