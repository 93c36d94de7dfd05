"""The whole directory of a cluster: its tree, its sentinel, its namespaces, and what kustomize makes of it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import InvalidObject
from reconciler.render.cluster import render_cluster
from reconciler.render.engines import ENGINES
from reconciler.render.model import ClusterDirectory, GroupOverlay, NamespaceMeta, Patch
from tests.unit.render.building import body, config, group, job, kustomize, render, title, write_files


def test_the_tree_has_a_folder_for_each_namespace_and_group() -> None:
    files = render(group(job("rayjob-train"), namespace="rayjob1"))
    assert list(files) == [
        "clusters/c1/kustomization.yaml",
        "clusters/c1/rayjob1/namespace.yaml",
        "clusters/c1/rayjob1/rayjob/kustomization.yaml",
        "clusters/c1/rayjob1/rayjob/rayjob-rayjob-train.yaml",
        "clusters/c1/skyray.yaml",
    ]
    resources = body(files, "clusters/c1/kustomization.yaml")["resources"]
    assert resources == ["skyray.yaml", "rayjob1/namespace.yaml", "rayjob1/rayjob"]


def test_a_cluster_without_groups_still_has_its_sentinel(tmp_path: Path) -> None:
    files = render()
    assert list(files) == ["clusters/c1/kustomization.yaml", "clusters/c1/skyray.yaml"]
    write_files(tmp_path, files)
    assert [title(one)[1] for one in kustomize(tmp_path / "clusters/c1")] == ["ConfigMap"]


def test_the_sentinel_changes_only_when_something_else_does() -> None:
    first = render(group(), revision="r1")
    sentinel = first["clusters/c1/skyray.yaml"]
    assert body(first, "clusters/c1/skyray.yaml")["data"]["revision"] == "r1"
    assert render(group(), revision="r2", previous=sentinel) == first
    changed = render(group(job("other")), revision="r2", previous=sentinel)
    assert body(changed, "clusters/c1/skyray.yaml")["data"]["revision"] == "r2"


@pytest.mark.parametrize("previous", [b"", b"a: [", b"a: 1\n---\nb: 2\n", b"data: 3\n"])
def test_a_sentinel_that_someone_damaged_is_written_anew(previous: bytes) -> None:
    assert render(group(), previous=previous) == render(group())


def test_a_sentinel_of_another_cluster_is_not_taken_over() -> None:
    other = render_cluster(ClusterDirectory("c2", (group(),)), ENGINES["argocd"], "r0")["clusters/c2/skyray.yaml"]
    assert body(render(group(), previous=other), "clusters/c1/skyray.yaml")["data"]["cluster"] == "c1"


@pytest.mark.parametrize("name", ["..", "a/b", "A", ".git", ""])
def test_names_of_folders_are_dns_labels_or_nothing_is_rendered(name: str) -> None:
    with pytest.raises(InvalidObject):
        render(group(namespace=name))
    with pytest.raises(InvalidObject):
        render(group(name=name))
    with pytest.raises(InvalidObject):
        render_cluster(ClusterDirectory(name, ()), ENGINES["argocd"], "r")


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([group(), group(name="two")], "RayJob train is claimed by group team/rayjob and by group team/two"),
        ([group(), group(config())], "group team/rayjob is rendered twice"),
        ([group(job(), job())], "RayJob team/train is in its group twice"),
        ([group(job(), {**job(), "apiVersion": "ray.io/v1alpha1"})], "is in its group twice"),
        ([group(config("skyray"), namespace="default")], "claimed by SkyRay's own sentinel"),
        (
            [group({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})],
            "claimed by SkyRay's own namespace.yaml",
        ),
        ([GroupOverlay("team", "rayjob", "p", ())], "has no objects"),
        ([group(job(namespace="other"))], "is in namespace other, but its group in team"),
        (
            [group(config(annotations={"config.kubernetes.io/local-config": "true"}))],
            "annotation config.kubernetes.io/local-config, which controls kustomize",
        ),
        (
            [group(patches=(Patch("ray.io", "RayJob", "train", ({"op": "remove", "path": "/spec/x"},)),))],
            "must begin with op: test",
        ),
    ],
)
def test_what_kustomize_would_trip_over_is_refused_by_name(groups: list[GroupOverlay], words: str) -> None:
    with pytest.raises(InvalidObject, match=words):
        render(*groups)


def test_one_cluster_scoped_object_in_two_namespaces_is_claimed_twice() -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}}
    with pytest.raises(InvalidObject, match="claimed by group a/rayjob and by group b/rayjob"):
        render(group(role, namespace="a"), group(role, namespace="b"))


def test_what_the_user_wrote_about_a_namespace_is_kept(tmp_path: Path) -> None:
    meta = NamespaceMeta({"env": "prod"}, {"owner": "team@example.com"})
    write_files(tmp_path, render(group(), namespaces={"team": meta, "unused": NamespaceMeta()}))
    (namespace,) = [one for one in kustomize(tmp_path / "clusters/c1") if one["kind"] == "Namespace"]
    assert namespace["metadata"]["name"] == "team"
    assert namespace["metadata"]["labels"] == {"env": "prod", "skyray.dev/cluster": "c1"}
    assert namespace["metadata"]["annotations"]["owner"] == "team@example.com"


@pytest.mark.parametrize(
    ("engine", "annotation"),
    [
        ("argocd", ("argocd.argoproj.io/sync-options", "Prune=false,Delete=false")),
        ("flux", ("kustomize.toolkit.fluxcd.io/prune", "disabled")),
    ],
)
def test_a_namespace_outlives_its_last_group(engine: str, annotation: tuple[str, str]) -> None:
    namespace = body(render(group(), engine=engine), "clusters/c1/team/namespace.yaml")
    assert annotation in namespace["metadata"]["annotations"].items()


KINDS = [
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("ray.io/v1", "RayJob"),
    ("ray.io/v1", "RayCluster"),
    ("apps/v1", "Deployment"),
]
NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z0-9]{1,3})?", fullmatch=True)
TEXTS = st.one_of(
    st.sampled_from(
        ["", "yes", "null", "0x1f", "1e3", "2020-01-01", " a ", "a: b", "#", "line\nbreak\n", "${A}", "~", "é"]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=12),
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.booleans(), st.integers(-(2**53), 2**53)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.from_regex("[a-z]{1,6}", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.from_regex(r"([a-z]{1,4}\.io/)?[A-Za-z]{1,6}", fullmatch=True)
PAIRS = st.dictionaries(KEYS, st.from_regex("[a-z0-9]{1,5}", fullmatch=True), max_size=2)
OBJECTS = st.builds(
    lambda kind, name, labels, annotations, spec: {
        "apiVersion": kind[0],
        "kind": kind[1],
        "metadata": {"name": name}
        | ({"labels": labels} if labels else {})
        | ({"annotations": annotations} if annotations else {}),
        "spec": spec,
    },
    st.sampled_from(KINDS),
    NAMES,
    PAIRS,
    st.dictionaries(KEYS, TEXTS, max_size=2),
    st.dictionaries(st.from_regex("x[a-z]{1,6}", fullmatch=True), VALUES, max_size=4),
)
GROUPS = st.lists(
    st.builds(
        lambda namespace, name, objects: GroupOverlay(namespace, name, "p", tuple(objects)),
        st.sampled_from(["team", "n2"]),
        st.sampled_from(["one", "two", "three"]),
        st.lists(OBJECTS, min_size=1, max_size=3),
    ),
    max_size=3,
    unique_by=lambda one: (one.namespace, one.group),
).filter(
    lambda groups: (
        len({(g.namespace, o["kind"], o["metadata"]["name"]) for g in groups for o in g.objects})
        == sum(len(g.objects) for g in groups)
    )
)


def expected(groups: list[GroupOverlay], engine: str) -> list[dict[str, Any]]:
    """Say what a cluster must get: the very objects, with SkyRay's labels and annotations on their own metadata."""
    found: list[dict[str, Any]] = []
    for one in groups:
        for given_body in one.objects:
            wanted = dict(copy.deepcopy(given_body))
            meta = wanted["metadata"]
            meta["namespace"] = one.namespace
            meta["labels"] = {**meta.get("labels", {}), "skyray.dev/group": one.group, "skyray.dev/cluster": "c1"}
            meta["annotations"] = {**meta.get("annotations", {}), "skyray.dev/policy": "p"}
            if engine == "flux":
                meta["annotations"]["kustomize.toolkit.fluxcd.io/substitute"] = "disabled"
                if wanted["kind"] == "RayJob":
                    meta["annotations"]["kustomize.toolkit.fluxcd.io/ssa"] = "IfNotPresent"
            found.append(wanted)
    return sorted(found, key=title)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(groups=GROUPS, engine=st.sampled_from(sorted(ENGINES)))
def test_kustomize_yields_exactly_the_objects_that_were_admitted(
    tmp_path_factory: pytest.TempPathFactory, groups: list[GroupOverlay], engine: str
) -> None:
    root = tmp_path_factory.mktemp("fleet")
    write_files(root, render(*groups, engine=engine))
    built = [one for one in kustomize(root / "clusters/c1") if one["kind"] != "Namespace"]
    assert [one for one in built if one["metadata"]["name"] == "skyray"]
    assert sorted((one for one in built if one["metadata"]["name"] != "skyray"), key=title) == expected(groups, engine)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(GROUPS, st.randoms(use_true_random=False))
def test_the_order_of_groups_and_objects_does_not_matter(groups: list[GroupOverlay], random: Any) -> None:
    shuffled = [
        GroupOverlay(one.namespace, one.group, one.policy, tuple(random.sample(one.objects, len(one.objects))))
        for one in random.sample(groups, len(groups))
    ]
    assert render(*shuffled) == render(*groups)
