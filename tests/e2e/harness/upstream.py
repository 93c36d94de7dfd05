"""What the template's KubeRay add-on names, as its publishers would serve it: a Git repository and a chart repository.

The add-on is used as it comes. The CRDs are KubeRay's own, from its Go module. The chart is one of ours with the same
name: a Deployment, and CRDs of its own, which the add-on tells the engine to leave out.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import yaml

from reconciler.service.scaffold import data_folder
from tests.integration.git_http import GitServer, git, make_bare
from tests.loopback import LoopbackServer

from .internet import Internet
from .parts import module_dir

FLEET_HOST = "git.example.com"
CHART_CRD = "left-out.example.com"
"""The plural and group of the CRD in the chart's `crds/`, which nobody may install."""

_OPERATOR = "kuberay-operator"


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where everything is served: the fleet repo, on loopback for people, and `internet` for the engine."""

    fleet: GitServer
    internet: Internet

    @property
    def fleet_url(self) -> str:
        """The fleet repo's address for SkyRay and its users, who are not behind the proxy."""
        return self.fleet.url("fleet.git")


FLEET_URL = f"https://{FLEET_HOST}/fleet.git"
"""The fleet repo's address for the engine."""


@contextmanager
def serve(directory: Path) -> Iterator[Upstream]:
    """Serve the repositories below `directory`: put the fleet's into `git/fleet.git`."""
    add_on = yaml.safe_load((data_folder("fleet-repo-template") / "addons" / "kuberay" / "addon.yaml").read_text())
    crds, operator = (step.get("kustomize") or step["helm"] for step in add_on["spec"]["steps"])
    crds_host, _, crds_path = crds["url"].removeprefix("https://").partition("/")
    chart_host, _, chart_path = operator["repo"].removeprefix("https://").partition("/")
    write_crds(directory / "sources" / crds_path, crds["ref"], crds["path"])
    write_chart(directory / "charts" / chart_path, operator["chart"], operator["version"])
    with ExitStack() as stack:
        fleet = stack.enter_context(GitServer(directory / "git"))
        sources = stack.enter_context(GitServer(directory / "sources"))
        charts = stack.enter_context(LoopbackServer(partial(_QuietHandler, directory=str(directory / "charts"))))
        hosts = {FLEET_HOST: fleet.port, crds_host: sources.port, chart_host: charts.port}
        yield Upstream(fleet, stack.enter_context(Internet(hosts, directory)))


def write_crds(repository: Path, tag: str, path: str) -> None:
    """Make a bare repository with KubeRay's own CRDs and their kustomization under `path`, tagged `tag`."""
    folder = module_dir("ray-operator") / "config" / "crd"
    files = {f"{path}/{file.relative_to(folder)}": file.read_text() for file in folder.rglob("*.yaml")}
    repository.parent.mkdir(parents=True)
    make_bare(repository, files)
    git(repository, "tag", tag)


def write_chart(directory: Path, name: str, version: str) -> None:
    """Make a chart repository of one chart: a Deployment, and a CRD in `crds/`."""
    metadata = {"apiVersion": "v2", "name": name, "version": version, "appVersion": version}
    members = {
        "Chart.yaml": yaml.safe_dump(metadata),
        "values.yaml": "replicas: 1\n",
        "crds/left-out.yaml": yaml.safe_dump(_crd()),
        "templates/operator.yaml": yaml.safe_dump(_deployment(version)).replace("'{{", "{{").replace("}}'", "}}"),
    }
    directory.mkdir(parents=True)
    archive = f"{name}-{version}.tgz"
    with tarfile.open(directory / archive, "w:gz") as chart:
        for path, text in members.items():
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size = len(text.encode())
            chart.addfile(member, io.BytesIO(text.encode()))
    entry = {**metadata, "urls": [archive]}
    (directory / "index.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "entries": {name: [entry]}}))


def _deployment(version: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": _OPERATOR, "app.kubernetes.io/instance": "{{ .Release.Name }}"}
    container = {"name": "operator", "image": f"quay.io/kuberay/operator:v{version}"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "{{ .Release.Name }}", "namespace": "{{ .Release.Namespace }}", "labels": labels},
        "spec": {
            "replicas": "{{ .Values.replicas }}",
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def _crd() -> dict[str, Any]:
    plural, _, group = CHART_CRD.partition(".")
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": CHART_CRD},
        "spec": {
            "group": group,
            "names": {"kind": "LeftOut", "plural": plural},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


class _QuietHandler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Stay quiet: the engine's log tells what it got."""
