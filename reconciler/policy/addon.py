"""Kind AddOn as data: what clusters need before workloads can run, and where it comes from.

An add-on refers to its contents instead of copying them. Its steps name a chart or a kustomization by a pinned
reference, which the GitOps engine fetches; only plain manifests are copied to the clusters, since they have no source
but the fleet repo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.errors import Place
from reconciler.manifests.selector import LabelSelector


@dataclass(frozen=True, slots=True)
class HelmChart:
    """A chart of `repo` (https or oci) at exactly `version`, released into `namespace`.

    `crds` tells whether the CRDs beside its templates (its folder `crds/`) are applied, and upgraded, with it.
    """

    repo: str
    chart: str
    version: str
    namespace: str
    crds: bool = True
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemoteKustomization:
    """The folder `path` of the git repo at `url`, at `ref`: a tag or a commit."""

    url: str
    ref: str
    path: str


@dataclass(frozen=True, slots=True)
class Manifests:
    """Plain objects, as they are in the add-on's folder."""

    objects: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One part of an add-on; it begins once the part before it is healthy.

    `keep`: its objects stay on a cluster when the add-on is removed. CRDs need it: with a CRD, Kubernetes deletes all
    objects of its kind.
    """

    name: str
    source: HelmChart | RemoteKustomization | Manifests
    keep: bool = False


@dataclass(frozen=True, slots=True)
class AddOn:
    """An add-on for the clusters of `cluster_selector`; None selects all.

    `provides` are the API groups whose objects cannot run without it. `depends_on` are the add-ons that come first.
    """

    name: str
    place: Place
    steps: tuple[Step, ...]
    cluster_selector: LabelSelector | None = None
    provides: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
