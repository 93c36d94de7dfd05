"""Add-ons as files: from the folders of a fleet repo to what each engine syncs, and back to what was there."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import InputError
from reconciler.manifests.emitter import emit
from reconciler.manifests.loader import load
from reconciler.policy.addon import AddOn
from reconciler.policy.addon_kind import read_addons
from reconciler.render.addons import KeptAddOn, folder_of, render_addons, told_by
from reconciler.render.engine import engine_files
from reconciler.render.model import Engine
from tests.unit.render.building import kustomize, title, write_files

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "addons"
ENGINES = list(Engine)
URL = "https://git.example.com/team/fleet.git"


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def addons(*names: str) -> tuple[AddOn, ...]:
    """The add-ons of the golden input, and the ready-made KubeRay of the template; all, or those named."""
    files = tree(GOLDEN / "input") | tree(ROOT / "fleet-repo-template")
    return tuple(
        one for one in read_addons({p: d for p, d in files.items() if p.startswith("addons/") and p.count("/") > 1})
        if not names or one.name in names
    )  # fmt: skip


def bodies(files: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    return {path: load(data, path).documents[0].body for path, data in files.items()}


def under(cluster: str, engine: Engine, *names: str) -> dict[str, dict[str, Any]]:
    """The rendered objects by their path inside the folder."""
    rendered = bodies(render_addons(cluster, engine, addons(*names)))
    return {path.removeprefix(folder_of(cluster)): body for path, body in rendered.items()}


@pytest.mark.parametrize("engine", ENGINES)
def test_addons_become_the_expected_tree(engine: Engine) -> None:
    files = render_addons("gpu-1", engine, addons())
    expected = GOLDEN / engine / "expected"
    if os.environ.get("SKYRAY_UPDATE_GOLDEN"):
        shutil.rmtree(expected, ignore_errors=True)
        write_files(expected, files)
    assert files == tree(expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_kustomize_builds_every_folder_of_the_expected_tree_offline(engine: Engine) -> None:
    expected = GOLDEN / engine / "expected"
    built = {
        str(path.parent.relative_to(expected)): kustomize(path.parent) for path in expected.rglob("kustomization.yaml")
    }
    kinds = {body["kind"] for body in built["clusters/gpu-1/_addons"]}
    assert (
        kinds
        == {
            Engine.ARGOCD: {"ConfigMap", "Application"},
            Engine.FLUX: {"ConfigMap", "Kustomization", "GitRepository"},
        }[engine]
    )
    plain = built["clusters/gpu-1/_addons/priorities/classes"]
    assert {title(body)[1:] for body in plain} == {
        ("PriorityClass", "", "training"),
        ("Namespace", "", "platform"),
        ("ConfigMap", "platform", "notes"),
    }
    annotated = {body["kind"] for body in plain if body["metadata"].get("annotations")}
    assert annotated == {"Namespace"}, "a namespace stays when the add-on goes; the rest goes with it"


def test_argo_cd_gets_kuberay_by_pinned_reference_with_its_crds_first() -> None:
    files = under("gpu-1", Engine.ARGOCD, "kuberay")
    assert sorted(files) == [
        "kuberay/crds.yaml", "kuberay/operator.yaml", "kustomization.yaml", "skyray.yaml"
    ]  # fmt: skip
    crds, operator = files["kuberay/crds.yaml"], files["kuberay/operator.yaml"]
    assert crds["spec"]["source"] == {
        "repoURL": "https://github.com/ray-project/kuberay",
        "targetRevision": "v1.7.0",
        "path": "ray-operator/config/crd",
    }
    assert operator["spec"]["source"] == {
        "repoURL": "https://ray-project.github.io/kuberay-helm/",
        "chart": "kuberay-operator",
        "targetRevision": "1.7.0",
        "helm": {"releaseName": "kuberay-operator", "skipCrds": True},
    }
    waves = [one["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] for one in (crds, operator)]
    assert waves == ["1", "2"]
    assert all("ServerSideApply=true" in one["spec"]["syncPolicy"]["syncOptions"] for one in (crds, operator))
    assert operator["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
    assert "finalizers" not in crds["metadata"], "CRDs stay: with them would go all Ray resources"
    assert crds["spec"]["syncPolicy"]["automated"]["prune"] is False


def test_flux_gets_kuberay_by_pinned_reference_with_its_crds_first() -> None:
    files = under("gpu-1", Engine.FLUX, "kuberay")
    crds, operator = files["kuberay/crds.yaml"], files["kuberay/operator.yaml"]
    source, release = files["kuberay/crds/source.yaml"], files["kuberay/operator/release.yaml"]
    assert source["spec"]["ref"] == {"tag": "v1.7.0"}
    assert crds["spec"]["sourceRef"] == {"kind": "GitRepository", "name": source["metadata"]["name"]}
    assert (crds["spec"]["prune"], crds["spec"]["deletionPolicy"]) == (False, "Orphan")
    assert operator["spec"]["dependsOn"] == [{"name": crds["metadata"]["name"]}]
    assert crds["spec"]["wait"] is True, "or what depends on it would not wait for it"
    assert operator["spec"]["path"] == "./clusters/gpu-1/_addons/kuberay/operator"
    assert "kubeConfig" not in operator["spec"], "a HelmRelease stands on the management cluster"
    secret = {"secretRef": {"name": "gpu-1-kubeconfig"}}
    assert crds["spec"]["kubeConfig"] == release["spec"]["kubeConfig"] == secret
    assert release["spec"]["chart"]["spec"]["version"] == "1.7.0"
    assert release["spec"]["install"]["crds"] == release["spec"]["upgrade"]["crds"] == "Skip"


def test_an_addon_comes_after_those_that_it_depends_on() -> None:
    argo, flux = under("c", Engine.ARGOCD), under("c", Engine.FLUX)
    before, after = (argo[path]["metadata"] for path in ("priorities/classes.yaml", "queues/chart.yaml"))
    wave = "argocd.argoproj.io/sync-wave"
    assert int(before["annotations"][wave]) < int(after["annotations"][wave])
    name = flux["priorities/classes.yaml"]["metadata"]["name"]
    assert flux["queues/chart.yaml"]["spec"]["dependsOn"] == [{"name": name}]


@pytest.mark.parametrize("engine", ENGINES)
def test_no_two_clusters_share_a_name_on_the_management_cluster(engine: Engine) -> None:
    seen: set[tuple[str, str, str, str]] = set()
    for cluster in ("a", "a-kuberay", "a" * 63):
        for path, body in under(cluster, engine, "kuberay").items():
            if "metadata" in body:
                assert title(body) not in seen, path
                assert len(body["metadata"]["name"]) <= 63
                seen.add(title(body))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_sentinel_tells_later_what_each_addon_provides(engine: Engine) -> None:
    sentinel = render_addons("c", engine, addons())[f"{folder_of('c')}skyray.yaml"]
    assert told_by(sentinel) == {"kuberay": frozenset({"ray.io"}), "priorities": frozenset(), "queues": frozenset()}
    assert told_by(b"data: [") == {}
    assert told_by(None) == {}


@pytest.mark.parametrize("engine", ENGINES)
def test_an_addon_that_must_stay_keeps_its_bytes_and_stays_listed(engine: Engine) -> None:
    before = render_addons("c", engine, addons("kuberay"))
    own = {path: data for path, data in before.items() if "/kuberay/" in path}
    after = render_addons("c", engine, (), [KeptAddOn("kuberay", frozenset({"ray.io"}), own)])
    assert after == before
    empty = bodies(render_addons("c", engine, ()))
    assert empty["clusters/c/_addons/kustomization.yaml"]["resources"] == ["skyray.yaml"]


def test_argo_cd_fills_in_the_clusters_own_name_and_the_fleets_address(tmp_path: Path) -> None:
    """What the ApplicationSet adds is run through the real kustomize, as Argo CD does."""
    made = bodies(engine_files(Engine.ARGOCD, (), URL, "main"))["argocd/addons.yaml"]
    source = made["spec"]["template"]["spec"]["source"]
    patches = [
        {**one, "patch": one["patch"].replace("{{.name}}", "eks-prod-7")} for one in source["kustomize"]["patches"]
    ]
    write_files(tmp_path, render_addons("gpu-1", Engine.ARGOCD, addons()))
    folder = tmp_path / folder_of("gpu-1")
    listing = load((folder / "kustomization.yaml").read_bytes(), "k").documents[0].body
    (folder / "kustomization.yaml").write_bytes(emit({**listing, "patches": patches}))
    specs = {b["metadata"]["labels"]["skyray.dev/addon"]: b["spec"] for b in kustomize(folder) if "spec" in b}
    assert {spec["destination"]["name"] for spec in specs.values()} == {"eks-prod-7"}
    assert specs["priorities"]["source"] == {
        "repoURL": URL, "targetRevision": "main", "path": "clusters/gpu-1/_addons/priorities/classes"
    }  # fmt: skip
    assert specs["queues"]["source"]["repoURL"] == "charts.example.com/platform"


def test_each_engine_finds_the_folder() -> None:
    git = bodies(engine_files(Engine.ARGOCD, (), URL, "main"))["argocd/addons.yaml"]
    (first, second) = git["spec"]["generators"][0]["matrix"]["generators"]
    assert first["git"]["directories"] == [{"path": "clusters/*/_addons"}]
    assert second["clusters"]["selector"]["matchLabels"] == {"skyray.dev/cluster": "{{index .path.segments 1}}"}
    flux = bodies(engine_files(Engine.FLUX, ["c"], URL, "main"))["flux/addons/c.yaml"]
    assert flux["spec"]["path"] == f"./{folder_of('c')}".rstrip("/")
    assert "kubeConfig" not in flux["spec"]


def refused(spec: str, **more: bytes) -> str:
    head = b"apiVersion: skyray.dev/v1alpha1\nkind: AddOn\nmetadata: {name: x}\nspec:\n"
    with pytest.raises(InputError) as caught:
        read_addons({"addons/x/addon.yaml": head + spec.encode(), **{f"addons/x/{n}.yaml": d for n, d in more.items()}})
    return str(caught.value)


HELM = "helm: {repo: https://charts.example.com, chart: x, version: 1.0.0, namespace: x}"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("  steps: []\n", "an add-on needs steps"),
        (f"  steps: [{{name: one, {HELM}, manifests: true}}]\n", "needs exactly one of helm, kustomize and manifests"),
        ("  steps: [{name: one}]\n", "addons/x/addon.yaml:5:11: spec.steps[0]: step one needs exactly one"),
        (f"  steps: [{{name: one, {HELM}}}, {{name: one, {HELM}}}]\n", "two steps have one name"),
        (f"  steps: [{{name: one, {HELM.replace('1.0.0', '^1.0')}}}]\n", "is no exact version; pin one"),
        (
            "  steps: [{name: one, kustomize: {url: https://g.example.com/x, ref: main, path: folder}}]\n",
            "pin a tag or a commit",
        ),
        (
            "  steps: [{name: one, kustomize: {url: https://g.example.com/x, ref: v1, path: ../p}}]\n",
            "is no path inside",
        ),
        (f"  provides: [RayJob]\n  steps: [{{name: one, {HELM}}}]\n", "is no API group; write one such as ray.io"),
        (f"  dependsOn: [zed]\n  steps: [{{name: one, {HELM}}}]\n", "depends on zed, which addons/ does not have"),
        (f"  dependsOn: [x]\n  steps: [{{name: one, {HELM}}}]\n", "wait for each other by dependsOn"),
        (f"  stepz: []\n  steps: [{{name: one, {HELM}}}]\n", "unknown field; did you mean 'steps'?"),
        ("  steps: [{name: one, manifests: true}]\n", "addons/x has none"),
    ],
)
def test_a_wrong_addon_is_told_with_its_place_and_remedy(spec: str, said: str) -> None:
    message = refused(spec)
    assert message.startswith("addons/x/addon.yaml")
    assert said in message


def test_a_manifest_that_nobody_would_deploy_or_deploys_twice_is_an_error() -> None:
    thing = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: team}\n"
    assert refused(f"  steps: [{{name: one, {HELM}}}]\n", stray=thing).startswith("addons/x/stray.yaml: no step of")
    assert "addons/x/two.yaml:1:1: " in refused("  steps: [{name: one, manifests: true}]\n", one=thing, two=thing)


def test_a_folder_must_have_the_name_of_its_addon() -> None:
    data = (ROOT / "fleet-repo-template/addons/kuberay/addon.yaml").read_bytes()
    with pytest.raises(InputError, match=r"addons/other/addon.yaml:\d+:\d+: metadata.name is kuberay, in folder"):
        read_addons({"addons/other/addon.yaml": data})


def test_the_addon_that_the_readme_shows_is_valid() -> None:
    folder = ROOT / "fleet-repo-template/addons"
    (example,) = re.findall(r"```yaml\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    files = {
        "addons/kuberay/addon.yaml": (folder / "kuberay/addon.yaml").read_bytes(),
        "addons/monitoring/addon.yaml": example.encode(),
        "addons/monitoring/rules.yaml": b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: team}\n",
    }
    assert [addon.name for addon in read_addons(files)] == ["kuberay", "monitoring"]
