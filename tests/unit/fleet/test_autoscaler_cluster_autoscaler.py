"""Cluster Autoscaler's status, YAML or text: sizes, backoffs and health of its node groups."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.errors import InvalidObject
from reconciler.fleet.autoscalers.cluster_autoscaler import ClusterAutoscalerReader, StatusConfigMap, node_groups
from reconciler.fleet.autoscalers.node_groups import NodeGroup
from reconciler.fleet.autoscalers.reader import ObservedCluster
from reconciler.fleet.snapshot import NodePool

YAML = """
time: 2026-10-02 14:29:22.999645779 +0000 UTC
autoscalerStatus: Running
clusterWide:
  health:
    status: Healthy
    nodeCounts: {registered: {total: 4, ready: 4, notStarted: 0}}
    lastProbeTime: "2026-10-02T14:29:22Z"
nodeGroups:
- name: aks-user-25795745-vmss
  health:
    status: Healthy
    nodeCounts:
      registered: {total: 3, ready: 2, notStarted: 1}
      longUnregistered: 0
    cloudProviderTarget: 4
    minSize: 2
    maxSize: 8
    lastTransitionTime: 2026-10-02T14:29:02Z
  scaleUp:
    status: InProgress
    backoffInfo: {}
- name: aks-gpu-25795745-vmss
  health: {status: Healthy, nodeCounts: {registered: {total: 0}}, minSize: 0, maxSize: 3}
  scaleUp:
    status: Backoff
    backoffInfo: {errorCode: OUT_OF_RESOURCES, errorMessage: "no capacity"}
"""

TEXT = """
Cluster-autoscaler status at 2021-10-19 19:06:40.008835646 +0000 UTC:
Cluster-wide:
  Health:      Healthy (ready=4 unready=0 notStarted=0 longNotStarted=0 registered=4 longUnregistered=0)
               LastProbeTime:      2021-10-19 19:06:40.008835646 +0000 UTC m=+433068.513173981
  ScaleUp:     NoActivity (ready=4 registered=4)
  ScaleDown:   NoCandidates (candidates=0)

NodeGroups:
  Name:        MachineDeployment/default/md-0
  Health:      Healthy (ready=3 unready=0 (resourceUnready=0) notStarted=0 longNotStarted=0 registered=3 \
longUnregistered=0 cloudProviderTarget=3 (minSize=3, maxSize=10))
               LastProbeTime:      2021-10-19 19:06:40.008835646 +0000 UTC m=+433068.513173981
  ScaleUp:     Backoff (ready=3 cloudProviderTarget=3)
  ScaleDown:   NoCandidates (candidates=0)

  Name:        https://www.googleapis.com/compute/v1/projects/p/zones/us-west1-b/instanceGroups/gke-c-l4-1a2b3c4d-grp
  Health:      Healthy (ready=0 unready=0 notStarted=0 longNotStarted=0 registered=0 longUnregistered=0 \
cloudProviderTarget=0 (minSize=0, maxSize=5))
  ScaleUp:     NoActivity (ready=0 cloudProviderTarget=0)
"""


def at(day: int, time: str, year: int = 2026, month: int = 10) -> float:
    hour, minute = map(int, time.split(":"))
    return datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()


YAML_TIME, TEXT_TIME = at(2, "14:30"), at(19, "19:08", 2021)


def test_the_status_of_cluster_autoscaler_gives_sizes_and_backoffs() -> None:
    user, gpu = node_groups(YAML, YAML_TIME)
    assert user == NodeGroup("aks-user-25795745-vmss", 8, 3)
    assert (gpu.max_size, gpu.registered) == (3, 0)
    assert gpu.held == "a scale-up failed (OUT_OF_RESOURCES), and its autoscaler waits before it tries again"


def test_the_older_text_form_of_the_status_is_read_too() -> None:
    first, second = node_groups(TEXT, TEXT_TIME)
    assert (first.name, first.max_size, first.registered) == ("MachineDeployment/default/md-0", 10, 3)
    assert first.held.startswith("a scale-up failed")
    assert (second.name.rpartition("/")[2], second.max_size, second.held) == ("gke-c-l4-1a2b3c4d-grp", 5, "")


@pytest.mark.parametrize(
    "text", ["- a", "nodeGroups: [{name: a}]", "nodeGroups: [{name: a, health: {maxSize: x}}]", "{"]
)
def test_a_status_that_cannot_be_read_is_an_error_and_no_empty_list(text: str) -> None:
    with pytest.raises(InvalidObject, match="no status of Cluster Autoscaler"):
        node_groups(text, YAML_TIME)


@pytest.mark.parametrize(
    ("status", "written", "later"),
    [
        (YAML, "2026-10-02 14:29:22 +0000", at(2, "14:45")),
        (YAML.replace("+0000 UTC", "+0200 CEST"), "2026-10-02 14:29:22 +0200", at(2, "12:45")),
        (YAML.replace("time: 2026-10-02 14:29:22.999645779 +0000 UTC", "time: '2026-10-02 14:29:22 +0000 UTC'"),
         "2026-10-02 14:29:22 +0000", at(2, "14:45")),
        (TEXT, "2021-10-19 19:06:40 +0000", at(19, "19:22", 2021)),
    ],
)  # fmt: skip
def test_an_autoscaler_that_is_silent_adds_nothing(status: str, written: str, later: float) -> None:
    assert {group.held for group in node_groups(status, later)} == {
        f"its autoscaler has written no status since {written}"
    }
    assert not any("written no status" in group.held for group in node_groups(status, later - 120))


def test_a_status_without_a_time_counts() -> None:
    assert node_groups(YAML.replace("time:", "x:"), at(9, "00:00"))[0].held == ""


def test_an_autoscaler_adds_nothing_to_what_it_takes_for_unhealthy() -> None:
    sick = "its autoscaler reports it as unhealthy, and adds no nodes to it"
    whole = "its autoscaler reports the whole cluster as unhealthy, and adds nothing"
    one = YAML.replace(
        "  health:\n    status: Healthy\n    nodeCounts:\n", "  health:\n    status: Unhealthy\n    nodeCounts:\n"
    )
    assert [group.held == sick for group in node_groups(one, YAML_TIME)] == [True, False]
    all_ = YAML.replace("status: Healthy\n    nodeCounts: {", "status: Unhealthy\n    nodeCounts: {")
    assert {group.held for group in node_groups(all_, YAML_TIME)} == {whole}
    one = TEXT.replace("Healthy (ready=0", "Unhealthy (ready=0")
    assert [group.held for group in node_groups(one, TEXT_TIME)][1] == sick
    all_ = TEXT.replace("Healthy (ready=4", "Unhealthy (ready=4")
    assert {group.held for group in node_groups(all_, TEXT_TIME)} == {whole}


def test_a_status_without_groups_has_none() -> None:
    assert node_groups("autoscalerStatus: Initializing\n", YAML_TIME) == ()


def test_the_reader_joins_the_status_with_cluster_apis_pools() -> None:
    owned = NodePool("md-0", 6, {"cpu": 16_000}, existing=1)
    config_map = StatusConfigMap({"status": TEXT})
    pools = ClusterAutoscalerReader().pools([config_map], ObservedCluster(taken_at=TEXT_TIME, pools=(owned,)))
    assert [(pool.name, pool.max_nodes, pool.existing) for pool in pools] == [
        ("md-0", 10, 3),
        ("gke-c-l4-1a2b3c4d-grp", 5, 0),
    ]
    assert pools[0].allocatable == owned.allocatable


def test_a_config_map_without_a_status_is_an_error() -> None:
    for empty in (StatusConfigMap(), StatusConfigMap({})):
        with pytest.raises(InvalidObject, match="no status of Cluster Autoscaler"):
            ClusterAutoscalerReader().pools([empty], ObservedCluster())
