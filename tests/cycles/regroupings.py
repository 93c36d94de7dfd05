"""RayClusters that the label `app` groups, on clusters of one node, for tests of objects that change their group."""

from __future__ import annotations

from tests.fleets import Fleet, cpu_clusters, ordered, policy, ray_cluster

FIT = "placement: {require: Fit}\ngroupBy: {labelKey: app}\n"


def grouped(**cores: int) -> Fleet:
    """Clusters, in their order of preference, with one node of so many cores each."""
    return Fleet.of(cpu_clusters(**cores), {"p": policy("p", f"{ordered(*cores)}\n{FIT}")})


def member(name: str, app: str, cpu: int = 3, config: str = "") -> bytes:
    """A RayCluster of the group `app`, whose head asks for so many cores."""
    return ray_cluster(name, cpu=str(cpu), labels=f"{{app: {app}}}", config=config)


def label(fleet: Fleet, cpu: int = 3, **apps: str) -> None:
    """A user gives RayClusters, by their names, the label `app`; each asks for so many cores."""
    for name, app in apps.items():
        fleet.commit(f"workloads/team/{name}.yaml", member(name, app, cpu))


def first_and_second(**cores: int) -> Fleet:
    """RayCluster a is placed as group `first`, and b as group `second`; each asks for 3 cores."""
    fleet = grouped(**cores)
    label(fleet, a="first", b="second")
    fleet.cycle()
    return fleet
