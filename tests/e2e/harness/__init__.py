"""Real Kubernetes for the end-to-end tests: its programs, built from source, and control planes made of them.

`parts` builds the programs once per machine; `control_plane` starts them on loopback; `gangs` asks kube-scheduler what
it does with a gang. Nodes are kwok's: no container ever runs, everything that decides is the real thing.
"""
