from __future__ import annotations

import json

import pytest

from reconciler.errors import InvalidObject
from reconciler.manifests.kinds import problems
from reconciler.manifests.podshape import Toleration
from reconciler.manifests.selector import LabelSelector, Requirement
from reconciler.policy.dialects import json_schemas
from reconciler.policy.model import KindSelector, OrderedKey, Preference, Require, SpreadMode, unsupported
from tests.unit.policy.reading import policies_in, policy, spec

NOVA = "policy.elotl.co/v1alpha1"

NOVA_FILE = """\
apiVersion: policy.elotl.co/v1alpha1
kind: SchedulePolicy
metadata:
  name: spread.by.provider
  resourceVersion: "12"
  uid: 0f1e
spec:
  namespaceSelector:
    matchExpressions:
    - {key: kubernetes.io/metadata.name, operator: Exists, values: []}
  resourceSelectors:
    labelSelectors:
    - matchLabels: {app: web}
    - matchExpressions:
      - {key: app.kubernetes.io/instance, operator: In, values: [a, b]}
      - {key: canary, operator: DoesNotExist}
    kinds:
    - {kind: Namespace, version: v1, group: core}
    - {kind: RayJob, version: v1, group: ray.io}
  groupBy:
    labelKey: app
  clusterSelector:
    matchExpressions:
    - {key: cluster.class, operator: NotIn, values: [development]}
  orderedClusterSelector:
    matchExpressions:
    - {key: nova.elotl.co/cluster.provider, operator: In, values: [openstack, gce, aws]}
    - {key: gpu, operator: Exists}
  spreadConstraints:
    spreadMode: Divide
    topologyKey: kubernetes.io/metadata.name
    percentageSplit:
    - {topologyValue: wlc-1, percentage: 20}
    - {topologyValue: wlc-2, percentage: 80}
    overrides:
    - topologyValue: wlc-1
      resources:
      - kind: Deployment
        apiVersion: apps/v1
        name: web
        namespace: default
        override:
        - fieldPath: spec.template.spec.containers[0].env[0].value
          value: {staticValue: postgres://one}
        - fieldPath: metadata.labels['a.b/c']
          value: {staticValue: 3}
status: {}
"""


def test_every_field_that_nova_documents_is_read_from_its_own_file() -> None:
    (one,) = policies_in(NOVA_FILE)
    assert one.name == "spread.by.provider"
    assert one.place.file == "policies/test.yaml"
    assert one.namespace_selector == LabelSelector((Requirement("kubernetes.io/metadata.name", "Exists"),))
    assert one.workload_selectors == (
        LabelSelector((Requirement("app", "In", ("web",)),)),
        LabelSelector(
            (Requirement("app.kubernetes.io/instance", "In", ("a", "b")), Requirement("canary", "DoesNotExist"))
        ),
    )
    assert one.kinds == (KindSelector("Namespace", ""), KindSelector("RayJob", "ray.io"))
    assert one.group_by == "app"
    assert one.ordered == (OrderedKey("nova.elotl.co/cluster.provider", ("openstack", "gce", "aws")),)
    assert one.require is None
    assert one.spread is not None
    assert one.spread["spreadMode"] == "Divide"
    fields = [field["fieldPath"] for field in one.spread["overrides"][0]["resources"][0]["override"]]
    assert fields == ["spec.template.spec.containers[0].env[0].value", "metadata.labels['a.b/c']"]


def test_what_does_not_order_in_an_ordered_selector_filters() -> None:
    (one,) = policies_in(NOVA_FILE)
    assert one.cluster_selector == LabelSelector(
        (Requirement("cluster.class", "NotIn", ("development",)), Requirement("gpu", "Exists"))
    )


def test_both_forms_of_a_percentage_split_mean_the_same() -> None:
    as_list = policy(
        "  spreadConstraints:\n    percentageSplit: [{topologyValue: a, percentage: 30}, "
        "{topologyValue: b, percentage: 70}]\n",
        api_version=NOVA,
    )
    as_map = policy("  spreadConstraints:\n    percentageSplit: {a: 30, b: 70}\n", api_version=NOVA)
    assert as_map.spread == as_list.spread
    assert as_map.spreading is not None
    assert as_map.spreading.mode is SpreadMode.DIVIDE, "percentages without a mode can only mean to divide"
    assert as_map.spread is not None
    assert as_map.spread["percentageSplit"] == (
        {"topologyValue": "a", "percentage": 30},
        {"topologyValue": "b", "percentage": 70},
    )


def test_our_own_fields_are_read_beside_novas() -> None:
    one = policy(
        "  priority: 7\n"
        "  resourceSelectors: {kinds: [RayJob, {kind: Service, group: core}]}\n"
        "  placement: {require: Any, prefer: [Cost, Available]}\n"
        "  tolerations: [{key: maintenance, operator: Exists, effect: NoPlace}]\n"
        "  overrides:\n"
        "  - clusterSelector: {matchLabels: {cloud: aws}}\n"
        "    target: {kind: RayJob}\n"
        "    patch: [{op: add, path: /metadata/labels/x, value: two}, {op: move, path: /a, from: /b}]\n"
        "  rescheduling: {triggers: [ClusterLoss], clusterLossAfter: 10m, strategy: MakeBeforeBreak}\n"
    )
    assert (one.priority, one.require, one.prefer) == (7, Require.ANY, (Preference.COST, Preference.AVAILABLE))
    assert one.kinds == (KindSelector("RayJob", None), KindSelector("Service", ""))
    assert one.tolerations == (Toleration("maintenance", "Exists", "", "NoPlace"),)
    assert one.overrides[0]["patch"][1] == {"op": "move", "path": "/a", "from": "/b"}
    assert one.rescheduling == {
        "triggers": ("ClusterLoss",),
        "clusterLossAfter": 600.0,
        "strategy": "MakeBeforeBreak",
    }


@pytest.mark.parametrize(
    ("fields", "api_version", "expected"),
    [
        ("", NOVA, ()),
        ("  spreadConstraints: {spreadMode: Duplicate}\n", NOVA, ()),
        ("  rescheduling: {}\n", "skyray.dev/v1alpha1", ("rescheduling",)),
        ("  placement: {prefer: [Available, Cost, Pack, Balance]}\n", "skyray.dev/v1alpha1", ()),
        (
            "  overrides: [{clusterSelector: {}, target: {}, patch: []}]\n  rescheduling: {}\n",
            "skyray.dev/v1alpha1",
            ("rescheduling",),
        ),
    ],
)
def test_what_is_read_but_not_carried_out_is_named(fields: str, api_version: str, expected: tuple[str, ...]) -> None:
    assert unsupported(policy(fields, api_version=api_version)) == expected


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (spec("  clusterSelectors: {}\n", api_version=NOVA), 7, ["unknown field", "did you mean 'clusterSelector'?"]),
        (spec("  priority: 3\n", api_version=NOVA), 7, ["spec.priority", "unknown field"]),
        (spec("  priority: '3'\n"), 7, ["spec.priority", "number without quotes"]),
        (spec("  placement: {require: fit}\n"), 7, ["spec.placement.require is 'fit'", "Fit or Any"]),
        (
            spec("  clusterSelector:\n    matchExpressions:\n    - {key: a, operator: in, values: [b]}\n"),
            9,
            ["operator is 'in'", "In or NotIn or Exists or DoesNotExist"],
        ),
        (
            spec("  clusterSelector:\n    matchExpressions:\n    - {key: a, operator: In}\n"),
            9,
            ["operator In needs values"],
        ),
        (spec("  clusterSelector: {matchLabels: {'a b': c}}\n"), 7, ["'a b' is not a label key"]),
        (spec("  clusterSelector: {matchLabels: {a: 3}}\n"), 7, ["is 3", "quote it"]),
        (spec("  groupBy: {}\n"), 7, ["spec.groupBy.labelKey is missing"]),
        (spec("  spreadConstraints: {percentageSplit: {a: 130}}\n"), 7, ["130", "less than or equal to 100"]),
        (spec("  tolerations: [{value: x}]\n"), 7, ["operator Equal needs a key"]),
        (spec("  tolerations: [{key: a, operator: Exists, value: x}]\n"), 7, ["operator Exists takes no value"]),
        (
            spec(
                "  spreadConstraints:\n    percentageSplit: [{topologyValue: a, percentage: 30}, "
                "{topologyValue: a, percentage: 70}]\n"
            ),
            8,
            ["'a' has two percentages", "keep one of them"],
        ),
        (spec("", api_version="policy.elotl.co/v1"), 1, ["policy.elotl.co/v1 SchedulePolicy is not a policy"]),
        (spec("").replace("kind: SchedulePolicy", "kind: SchedulingPolicy"), 2, ["is not a policy"]),
        (spec("").replace("  namespaceSelector: {}\n", ""), 5, ["spec.namespaceSelector is missing"]),
    ],
)
def test_a_wrong_field_is_refused_with_its_line_and_a_remedy(text: str, line: int, words: list[str]) -> None:
    with pytest.raises(InvalidObject) as caught:
        policies_in(text)
    assert str(caught.value).startswith(f"policies/test.yaml:{line}:")
    for word in words:
        assert word in caught.value.message


def test_all_that_is_wrong_with_a_policy_is_told_at_once() -> None:
    with pytest.raises(InvalidObject) as caught:
        policies_in(spec("  priority: high\n  cluster: a\n"))
    assert len(problems(caught.value)) == 2


def test_two_policies_of_one_name_are_refused_across_dialects() -> None:
    with pytest.raises(InvalidObject, match=r"policies/test.yaml:8:1: policy p is already defined at .*:1:1"):
        policies_in(spec("", api_version=NOVA) + "---\n" + spec(""))


def test_the_schemas_tell_editors_the_fields_of_each_dialect() -> None:
    schemas = json_schemas()
    ours, novas = schemas["schedulepolicy.json"], schemas["nova-schedulepolicy.json"]
    assert "placement" in ours["$defs"]["SkyRaySpec"]["properties"]
    assert "placement" not in novas["$defs"]["NovaSpec"]["properties"]
    assert ours["$defs"]["SkyRaySpec"]["additionalProperties"] is False
    assert ours["$id"] != novas["$id"]
    json.dumps(schemas)
