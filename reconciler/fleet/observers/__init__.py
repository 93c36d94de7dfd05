"""Takes snapshots of clusters: the only part of package `fleet` that reads files, sockets and clocks.

`observer` reads all clusters in parallel and keeps the last snapshot of each. `live` lists the objects of one API
server, `pools` those of its autoscaler; `kubeconfig` finds the operator's credentials. `snapshot_source` reads snapshot
files of the fleet repo.
"""
