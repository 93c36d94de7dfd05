"""Kind AddOn as users write it: what is refused, with its place and its remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler.errors import InputError
from reconciler.policy.addon_kind import read_addons

ROOT = Path(__file__).parents[3]


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
        ("  steps: [{name: one, manifests: true}, {name: two, manifests: true}]\n", "two steps are manifests"),
        (
            "  steps: [{name: one, kustomize: {url: http://g.example.com/x, ref: v1, path: p}}]\n",
            "use an https:// or ssh:// address",
        ),
        (
            f"  steps: [{{name: one, {HELM.replace('https://', 'http://')}}}]\n",
            "use an https:// or oci:// address",
        ),
    ],
)
def test_a_wrong_addon_is_refused_with_its_place_and_remedy(spec: str, said: str) -> None:
    message = refused(spec)
    assert message.startswith("addons/x/addon.yaml")
    assert said in message


def test_a_manifest_that_nobody_would_deploy_or_deploys_twice_is_an_error() -> None:
    thing = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: team}\n"
    assert refused(f"  steps: [{{name: one, {HELM}}}]\n", stray=thing).startswith("addons/x/stray.yaml: no step of")
    assert "addons/x/two.yaml:1:1: " in refused("  steps: [{name: one, manifests: true}]\n", one=thing, two=thing)


def test_an_addons_file_has_one_document_and_files_beside_the_folders_belong_to_no_addon() -> None:
    data = (ROOT / "fleet-repo-template/addons/kuberay/addon.yaml").read_bytes()
    (addon,) = read_addons({"addons/kuberay/addon.yaml": data, "addons/README.md": b"words"})
    assert addon.name == "kuberay"
    with pytest.raises(InputError, match=r"addon\.yaml: has 2 documents; write exactly one AddOn"):
        read_addons({"addons/kuberay/addon.yaml": data + b"---\n" + data})


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
