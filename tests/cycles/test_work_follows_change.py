"""A cycle reads, plans and renders what changed: its work does not grow with the fleet."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.kube_scheduler.bind import bind_pods
from reconciler.kube_scheduler.fit import try_gang
from reconciler.lifecycle.observe import observe
from reconciler.manifests.emitter import emit
from reconciler.manifests.identity import canonical_digest
from reconciler.manifests.loader import load
from reconciler.placement.assign import usage_of
from reconciler.planning import files
from reconciler.planning.decide import decide
from reconciler.planning.pipeline import plan
from reconciler.planning.placements import PlacedGroupReader
from reconciler.planning.plan import Plan
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.warnings import namespace_warnings
from reconciler.render import cluster, group, placement_record
from reconciler.workloads.files import read_admitted, read_file
from reconciler.workloads.grouping import group_objects
from tests.fleets import NOW, Fleet, config_map, nodes, ordered, own_policy, plain_clusters, ray_job
from tests.reading import NotedContents
from tests.working import calls

PER_CLUSTER = 10
"""So many namespaces share a cluster. What is placed on a cluster counts each time that one of its groups changes."""
WORK = (
    bind_pods,
    try_gang,
    observe,
    emit,
    canonical_digest,
    load,
    usage_of,
    files.blob_id,
    decide,
    PlacedGroupReader.read,
    namespace_warnings,
    cluster.render_namespace,
    cluster.render_top,
    group.render_group,
    placement_record.read_file,
    placement_record.write,
    read_admitted,
    read_file,
    group_objects,
)
"""What costs most in a cycle: parsing, digests, fits, decisions, rendering."""


class Service:
    """A fleet of so many namespaces, each with a job and what it mounts, that a running service has brought to rest."""

    def __init__(self, namespaces: int) -> None:
        clusters = {f"c{number}": nodes(3 * PER_CLUSTER) for number in range(namespaces // PER_CLUSTER)}
        self.fleet = Fleet.of(plain_clusters(**clusters), {"newcomer": own_policy("newcomer", ordered("c0"))})
        for number in range(namespaces):
            name = f"team{number:02}"
            self.fleet.files[f"policies/{name}.yaml"] = own_policy(name, ordered(f"c{number // PER_CLUSTER}"))
        self.cache = PlanCache()
        self.read: list[str] = []
        for number in range(namespaces):
            self.submit(f"team{number:02}", "train")
        assert self.cycle().drafts
        assert self.cycle().drafts == ()

    def submit(self, namespace: str, name: str) -> None:
        self.fleet.commit(f"workloads/{namespace}/{name}.yaml", ray_job(name, workers=1, config="code"))
        self.fleet.commit(f"workloads/{namespace}/code.yaml", config_map("code"))

    def cycle(self) -> Plan:
        made = self._prepared()()
        self.fleet.carry_out(made)
        return made

    def work(self) -> dict[str, int]:
        """Return the calls that a cycle makes of what costs most, and which files it reads."""
        work = self._prepared()
        return calls(lambda: self.fleet.carry_out(work()), WORK)

    def _prepared(self) -> Callable[[], Plan]:
        """Return a cycle; what git and the clusters give is there already."""
        self.read = []
        given = self.fleet.read(NotedContents(self.fleet.files, self.read.extend))
        snapshot = self.fleet.snapshot()
        self.cache.start_generation()
        return lambda: plan(self.fleet.state(self.cache, given), snapshot, NOW, self.cache)


def one_group_more(service: Service) -> None:
    service.fleet.commit("workloads/team03/more.yaml", ray_job("more", workers=1))


def one_namespace_more(service: Service) -> None:
    service.submit("newcomer", "train")


def one_companion_changed(service: Service) -> None:
    service.fleet.commit("workloads/team03/code.yaml", config_map("code", "print(2)"))


def one_group_less(service: Service) -> None:
    service.fleet.commit("workloads/team03/code.yaml", None)
    service.fleet.commit("workloads/team03/train.yaml", None)


def one_hand_edit(service: Service) -> None:
    service.fleet.commit("clusters/c0/team03/rayjob-train/kustomization.yaml", b"nonsense\n")


def one_broken_file(service: Service) -> None:
    service.fleet.commit("workloads/team03/broken.yaml", b"kind: [\n")


CHANGES: tuple[Callable[[Service], None], ...] = (
    one_group_more,
    one_namespace_more,
    one_companion_changed,
    one_group_less,
    one_hand_edit,
    one_broken_file,
)


def test_where_nothing_changed_nothing_is_parsed_fitted_decided_or_rendered() -> None:
    service = Service(20)
    assert service.work() == {}
    assert service.read == ["fleet.yaml"]


@pytest.mark.parametrize("change", CHANGES)
def test_the_work_of_a_change_is_the_same_in_a_fleet_of_twice_the_size(change: Callable[[Service], None]) -> None:
    done = []
    for size in (20, 40):
        service = Service(size)
        change(service)
        # The cycle that carries the change out, the one that reads what was written, and one in which nothing changed.
        cycles = [(service.work(), sorted(service.read)) for _ in range(3)]
        assert cycles[0][0], "something was done"
        done.append(cycles)
    assert done[0] == done[1]


def test_one_group_more_is_read_fitted_decided_and_rendered_once() -> None:
    service = Service(20)
    one_group_more(service)
    work = service.work()
    assert service.read == ["fleet.yaml", "workloads/team03/more.yaml"]
    once = ("manifests.loader.load", "kube_scheduler.fit.try_gang", "render.group.render_group")
    assert [work[name] for name in once] == [1, 1, 1]
    assert work["planning.decide.decide"] == 2, "the groups of its namespace, and no others"


def test_a_change_of_capacity_has_only_the_groups_on_that_cluster_decided_anew() -> None:
    service = Service(30)
    pods = ("{namespace: other, name: p, node: n0, requests: {cpu: 1}}",)
    service.fleet.show("c1", *nodes(3 * PER_CLUSTER), pods=pods)
    work = service.work()
    assert work["planning.decide.decide"] == PER_CLUSTER
    assert service.read == ["fleet.yaml"]
    assert not any(name.startswith("render") for name in work)
