"""The rules of `PodRequests` (component-helpers) and of the API server's defaults, one test each."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifests.fields import InvalidField
from reconciler.manifests.pod import effective_requests, pod_shape
from reconciler.manifests.podshape import HostPort, NodeRequirement, NodeTerm, Toleration
from reconciler.manifests.quantity import Quantity
from reconciler.manifests.selector import Requirement

MEBI = 1024 * 1024


def container(cpu: str | None = None, memory: str | None = None, **more: Any) -> dict[str, Any]:
    requests = {name: amount for name, amount in (("cpu", cpu), ("memory", memory)) if amount is not None}
    return {"name": "c", "resources": {"requests": requests}, **more}


def sidecar(cpu: str) -> dict[str, Any]:
    return container(cpu, restartPolicy="Always")


def requests_of(**spec: Any) -> dict[str, str]:
    return {name: str(amount) for name, amount in effective_requests(spec).items()}


def shape_of(labels: dict[str, str] | None = None, **spec: Any) -> Any:
    return pod_shape({"labels": labels or {}}, {"containers": [container("1", "1Gi")], **spec})


def test_containers_are_summed_exactly() -> None:
    assert requests_of(containers=[container("100m", "1Gi"), container("1900m", "512Mi")]) == {
        "cpu": "2",
        "memory": "1536Mi",
    }


def test_a_missing_request_is_its_limit_resource_by_resource() -> None:
    one = {"resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "4", "memory": "2Gi", "nvidia.com/gpu": 1}}}
    assert requests_of(containers=[one]) == {"cpu": "1", "memory": "2Gi", "nvidia.com/gpu": "1"}


def test_the_largest_init_container_counts_where_it_exceeds_the_containers() -> None:
    spec = {"containers": [container("1")], "initContainers": [container("200m", "256Mi"), container("3")]}
    assert requests_of(**spec) == {"cpu": "3", "memory": "256Mi"}


def test_a_sidecar_runs_beside_the_containers_and_beside_later_inits() -> None:
    early = {"containers": [container("1")], "initContainers": [sidecar("2"), container("4")]}
    late = {"containers": [container("1")], "initContainers": [container("4"), sidecar("2")]}
    assert requests_of(**early) == {"cpu": "6"}
    assert requests_of(**late) == {"cpu": "4"}


def test_several_sidecars_add_up() -> None:
    spec = {"containers": [container("1")], "initContainers": [sidecar("2"), sidecar("3"), container("1")]}
    assert requests_of(**spec) == {"cpu": "6"}


def test_overhead_is_added_last() -> None:
    assert requests_of(containers=[container("1")], overhead={"cpu": "250m", "memory": "64Mi"}) == {
        "cpu": "1250m",
        "memory": "64Mi",
    }


def test_pod_level_requests_win_for_what_they_name() -> None:
    spec = {"containers": [container("1", "1Gi")], "resources": {"requests": {"cpu": "3"}}, "overhead": {"cpu": "1"}}
    assert requests_of(**spec) == {"cpu": "4", "memory": "1Gi"}


def test_pod_level_limits_stand_in_only_where_no_container_requests() -> None:
    spec = {"containers": [container("1")], "resources": {"limits": {"cpu": "8", "memory": "4Gi"}}}
    assert requests_of(**spec) == {"cpu": "1", "memory": "4Gi"}


def test_pod_level_devices_are_ignored_as_kubernetes_ignores_them() -> None:
    spec = {"containers": [container("1")], "resources": {"requests": {"nvidia.com/gpu": "1", "cpu": "2"}}}
    assert requests_of(**spec) == {"cpu": "2"}


def test_a_pod_without_requests_asks_for_nothing_but_scores_by_the_defaults() -> None:
    shape = pod_shape({}, {"containers": [{"name": "a"}, {"name": "b"}]})
    assert shape.requests == {}
    assert (shape.score_cpu, shape.score_memory) == (200, 400 * MEBI)


def test_scoring_fills_in_only_what_a_container_does_not_name() -> None:
    shape = pod_shape({}, {"containers": [container("2"), container(memory="1Gi"), container("0", "0")]})
    assert (shape.score_cpu, shape.score_memory) == (2100, 1224 * MEBI)


def test_pod_level_resources_need_no_scoring_defaults() -> None:
    shape = pod_shape({}, {"containers": [{"name": "a"}], "resources": {"requests": {"cpu": "1"}}})
    assert (shape.score_cpu, shape.score_memory) == (1000, 200 * MEBI)


def test_amounts_are_in_the_schedulers_units_rounded_up() -> None:
    shape = pod_shape({}, {"containers": [container("0.0001", "100m")]})
    assert shape.requests == {"cpu": 1, "memory": 1}


def test_node_affinity_is_read_term_by_term() -> None:
    expression = {"key": "gpu", "operator": "In", "values": ["l4", "t4"]}
    field = {"key": "metadata.name", "operator": "NotIn", "values": ["n1"]}
    required = {"nodeSelectorTerms": [{"matchExpressions": [expression], "matchFields": [field]}, {}]}
    preferred = [{"weight": 5, "preference": {"matchExpressions": [{"key": "n", "operator": "Gt", "values": ["3"]}]}}]
    shape = shape_of(
        affinity={
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": required,
                "preferredDuringSchedulingIgnoredDuringExecution": preferred,
            }
        }
    )
    term = NodeTerm(
        (NodeRequirement("gpu", "In", ("l4", "t4")),), (NodeRequirement("metadata.name", "NotIn", ("n1",)),)
    )
    assert shape.node_required == (term,)
    assert shape.node_preferred == ((5, NodeTerm((NodeRequirement("n", "Gt", ("3",)),))),)


def test_a_required_node_term_without_content_matches_no_node() -> None:
    affinity: dict[str, Any] = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{}]}}
    }
    (term,) = shape_of(affinity=affinity).node_required
    assert term.expressions[0].operator == "In"
    assert term.expressions[0].values == ()


def test_pod_affinity_takes_match_label_keys_from_the_pods_own_labels() -> None:
    term = {
        "topologyKey": "zone",
        "labelSelector": {"matchLabels": {"app": "x"}},
        "matchLabelKeys": ["rev", "absent"],
        "mismatchLabelKeys": ["tenant"],
    }
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    (got,) = shape_of({"rev": "3", "tenant": "a"}, affinity=affinity).pod_anti_required
    assert got.selector is not None
    assert got.selector.requirements == (
        Requirement("app", "In", ("x",)),
        Requirement("rev", "In", ("3",)),
        Requirement("tenant", "NotIn", ("a",)),
    )


def test_all_four_kinds_of_pod_affinity_are_distinguished() -> None:
    def wishes(zone: str) -> dict[str, Any]:
        return {
            "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": f"{zone}-must", "namespaces": ["n"]}],
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 7, "podAffinityTerm": {"topologyKey": f"{zone}-may", "namespaceSelector": {}}}
            ],
        }

    shape = shape_of(affinity={"podAffinity": wishes("near"), "podAntiAffinity": wishes("far")})
    assert [t.topology_key for t in shape.pod_required] == ["near-must"]
    assert [t.topology_key for t in shape.pod_anti_required] == ["far-must"]
    assert [(w, t.topology_key) for w, t in shape.pod_preferred] == [(7, "near-may")]
    assert [(w, t.topology_key) for w, t in shape.pod_anti_preferred] == [(7, "far-may")]
    assert shape.pod_required[0].namespaces == ("n",)
    assert shape.pod_required[0].selector is None
    namespaces = shape.pod_preferred[0][1].namespace_selector
    assert namespaces is not None
    assert not namespaces.requirements


def test_spread_constraints_have_the_schedulers_defaults() -> None:
    constraint = {
        "topologyKey": "zone",
        "maxSkew": 1,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "x"}},
        "matchLabelKeys": ["rev"],
    }
    (got,) = shape_of({"rev": "3"}, topologySpreadConstraints=[constraint]).spread
    assert (got.min_domains, got.node_affinity_policy, got.node_taints_policy) == (1, "Honor", "Ignore")
    assert got.selector is not None
    assert got.selector.matches({"app": "x", "rev": "3"})
    assert not got.selector.matches({"app": "x", "rev": "2"})


def test_host_ports_are_those_of_lasting_containers() -> None:
    ports = [{"containerPort": 80, "hostPort": 8080, "hostIP": "10.0.0.1", "protocol": "UDP"}, {"containerPort": 81}]
    init = {"name": "i", "ports": [{"containerPort": 1, "hostPort": 1}]}
    spec = {
        "containers": [{"name": "a", "ports": ports}],
        "initContainers": [init, {**init, "restartPolicy": "Always"}],
    }
    assert pod_shape({}, spec).host_ports == (HostPort(1), HostPort(8080, "UDP", "10.0.0.1"))


def test_on_the_hosts_network_every_port_is_the_hosts() -> None:
    spec = {"hostNetwork": True, "containers": [{"name": "a", "ports": [{"containerPort": 6379}]}]}
    assert pod_shape({}, spec).host_ports == (HostPort(6379),)


def test_the_other_fields_are_read_as_they_stand() -> None:
    shape = shape_of(
        {"app": "x"},
        nodeName="n1",
        nodeSelector={"pool": "gpu"},
        tolerations=[{"operator": "Exists"}, {"key": "k", "value": "v", "effect": "NoSchedule"}],
        resourceClaims=[{"name": "gpu", "resourceClaimTemplateName": "one"}],
        volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}, {"name": "e", "emptyDir": {}}],
        priorityClassName="high",
        schedulerName="volcano",
        schedulingGates=[{"name": "kueue.x-k8s.io/admission"}],
    )
    assert shape.labels == {"app": "x"}
    assert (shape.node_name, shape.node_selector) == ("n1", {"pool": "gpu"})
    assert shape.tolerations == (Toleration(operator="Exists"), Toleration("k", "Equal", "v", "NoSchedule"))
    assert shape.claims
    assert shape.volume_claims == ("data",)
    assert (shape.priority_class, shape.scheduler_name) == ("high", "volcano")
    assert shape.scheduling_gates == ("kueue.x-k8s.io/admission",)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"containers": "x"}, "spec.containers"),
        ({"containers": ["x"]}, "spec.containers[0]"),
        ({"containers": [{"resources": {"requests": {"cpu": "1x"}}}]}, "spec.containers[0].resources.requests.cpu"),
        ({"containers": [{"resources": {"limits": {"cpu": -1}}}]}, "spec.containers[0].resources.limits.cpu"),
        ({"nodeSelector": {"a": True}}, "spec.nodeSelector.a"),
        ({"tolerations": [{"operator": "Equals"}]}, "spec.tolerations[0].operator"),
        ({"tolerations": [{"value": "x"}]}, "spec.tolerations[0].operator"),
        ({"hostNetwork": "yes"}, "spec.hostNetwork"),
        ({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}}, "topologyKey"),
        ({"topologySpreadConstraints": [{"topologyKey": "z", "maxSkew": 0}]}, "maxSkew"),
        ({"overhead": {"example.com/x": []}}, "spec.overhead['example.com/x']"),
    ],
)
def test_a_malformed_field_is_named_with_its_path(spec: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        pod_shape({}, spec)
    assert field in caught.value.message
    assert len(caught.value.message) < 300


amounts = st.one_of(st.none(), st.integers(0, 64).map(lambda n: f"{n * 50}m"))
containers = st.builds(lambda cpu, always: sidecar(cpu or "0") if always else container(cpu), amounts, st.booleans())


@given(st.lists(amounts, min_size=1, max_size=4), st.lists(containers, max_size=5))
def test_effective_requests_are_the_peak_over_the_pods_life(
    apps: list[str | None], inits: list[dict[str, Any]]
) -> None:
    """An independent account: play the pod's start, and take the highest sum of what runs at one time."""

    def cpu(one: dict[str, Any]) -> int:
        return Quantity.parse(one["resources"]["requests"].get("cpu", 0)).milli

    running, peak = 0, 0
    for one in inits:
        peak = max(peak, running + cpu(one))
        if one.get("restartPolicy") == "Always":
            running += cpu(one)
    app_containers = [container(amount) for amount in apps]
    peak = max(peak, running + sum(map(cpu, app_containers)))
    got = effective_requests({"containers": app_containers, "initContainers": inits})
    assert got.get("cpu", Quantity(0)).milli == peak
