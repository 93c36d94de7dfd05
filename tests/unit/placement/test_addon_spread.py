"""Which add-ons go to which clusters, and which clusters a group that needs one may not go to."""

from __future__ import annotations

from reconciler.manifests.loader import load
from reconciler.placement.addons import AddOnFilter, AddOnSpread, addon_filters, spread_addons
from reconciler.policy.addon import AddOn
from reconciler.policy.addon_kind import read_addons
from reconciler.policy.eligibility import ClusterFacts, GroupFacts
from reconciler.reasons.eligibility import AddOnDependency, AddOnMissing
from tests.copies import RULES, app, group, job

CLUSTERS = {"c0": {"tier": "gpu"}, "c1": {"tier": "cpu"}}
CHART = "{repo: https://charts.example.com, chart: operator, version: 1.0.0, namespace: system}"
GPU = "clusterSelector: {matchLabels: {tier: gpu}}"
FACTS = GroupFacts(RULES)


def addon(name: str, more: str = "", provides: str = "") -> bytes:
    return (
        f"apiVersion: skyray.dev/v1alpha1\nkind: AddOn\nmetadata: {{name: {name}}}\nspec:\n  provides: [{provides}]\n"
        f"  steps: [{{name: operator, helm: {CHART}}}]\n  {more}\n"
    ).encode()


def read(**files: bytes) -> tuple[AddOn, ...]:
    for data in files.values():
        assert load(data, "addon.yaml").documents
    return read_addons({f"addons/{name}/addon.yaml": data for name, data in files.items()})


def names(spread: AddOnSpread, cluster: str) -> list[str]:
    return [one.name for one in spread.placed[cluster]]


def test_an_addon_without_a_selector_goes_everywhere() -> None:
    spread = spread_addons(read(ray=addon("ray")), CLUSTERS)
    assert (names(spread, "c0"), names(spread, "c1")) == (["ray"], ["ray"])
    assert spread.why_not == {}


def test_an_addon_goes_only_where_its_selector_says_and_says_so_of_the_others() -> None:
    spread = spread_addons(read(ray=addon("ray", GPU)), CLUSTERS)
    assert (names(spread, "c0"), names(spread, "c1")) == (["ray"], [])
    assert spread.why_not.keys() == {("c1", "ray")}


def test_an_addon_goes_nowhere_without_those_that_it_depends_on() -> None:
    addons = read(base=addon("base", GPU), ray=addon("ray", "dependsOn: [base]"), top=addon("top", "dependsOn: [ray]"))
    spread = spread_addons(addons, CLUSTERS)
    assert (names(spread, "c0"), names(spread, "c1")) == (["base", "ray", "top"], [])
    assert spread.why_not["c1", "ray"] == AddOnDependency("base")
    assert spread.why_not["c1", "top"] == AddOnDependency("ray")


def test_a_cluster_lacks_what_is_provided_elsewhere_only() -> None:
    spread = spread_addons(read(ray=addon("ray", GPU, "ray.io")), CLUSTERS)
    assert spread.lacks("c0", ["ray.io"]) is None
    lacks = spread.lacks("c1", ["ray.io"])
    assert lacks is not None
    assert (lacks.addon, lacks.api_group) == ("ray", "ray.io")
    assert spread.lacks("c1", ["apps", "jobset.x-k8s.io"]) is None, "what no add-on provides is there anyway"


def test_one_of_several_providers_is_enough() -> None:
    spread = spread_addons(read(one=addon("one", GPU, "ray.io"), two=addon("two", provides="ray.io")), CLUSTERS)
    assert spread.providers == {"ray.io": ("one", "two")}
    assert spread.lacks("c1", ["ray.io"]) is None


def test_the_filter_refuses_new_copies_and_lets_those_that_are_there_stay() -> None:
    rule = AddOnFilter(spread_addons(read(ray=addon("ray", GPU, "ray.io")), CLUSTERS), frozenset({"ray.io"}))
    refusal = rule.refuse(FACTS, ClusterFacts("c1", {}))
    assert refusal is not None
    assert (refusal.cluster, refusal.reason, refusal.stays) == ("c1", AddOnMissing.code, True)
    assert rule.refuse(FACTS, ClusterFacts("c0", {})) is None


def test_the_filter_applies_to_groups_with_objects_of_a_provided_api_only() -> None:
    make = addon_filters(spread_addons(read(ray=addon("ray", GPU, "ray.io")), CLUSTERS))
    made = make(group("train", job(), app()))
    assert made is not None
    assert made[0] == frozenset({"ray.io"})
    assert make(group("web", app())) is None
