"""Fills snapshots from the world: the only part of package `fleet` that reads files, sockets and clocks.

`observer` looks at all clusters at once and keeps the last picture of each; `live` lists one API server; `kubeconfig`
finds the operator's credentials for it; `snapshot_source` reads pictures that lie in the fleet repo.
"""
