"""The interface of a GitOps engine: what SkyRay writes differently for Argo CD and for Flux.

Rendering asks an `EngineRenderer` for its annotations, transformers and objects, and has no branch on an engine's name.
A new engine is one module that implements the interface, one line in `render/engines.py` (and its value in the schema
of fleet.yaml, `fleet/settings.py`), and one test file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from reconciler.policy.addon import Step
from reconciler.render.model import Patch

ADDONS_FOLDER = "_addons"
"""The folder of a cluster's directory whose files are for the engine's management cluster (render.addons)."""

ADDON_LABEL = "skyray.dev/addon"
"""On every object of an add-on; its value is the add-on's name."""


@dataclass(frozen=True, slots=True)
class AddOnStep:
    """A step of an add-on on one cluster.

    `name` is that of its objects on the management cluster, and `path` its own folder in the repo. `after` are the
    names of the steps that must be ready first; `wave` counts the steps before it, from 1, for engines that order by
    number.
    """

    cluster: str
    addon: str
    step: Step
    name: str
    path: str
    wave: int
    after: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Return its own folder, relative to `ADDONS_FOLDER`."""
        return f"{self.addon}/{self.step.name}"


class EngineRenderer(Protocol):
    """What rendering needs to know of a GitOps engine. Implementations are stateless and pure."""

    @property
    def namespace(self) -> str:
        """The namespace of the management cluster in which the engine's own objects are."""

    @property
    def namespace_annotations(self) -> Mapping[str, str]:
        """Annotations that make the engine leave a namespace alone when the last group on the cluster leaves it."""

    @property
    def keep_annotations(self) -> Mapping[str, str]:
        """Annotations that make the engine keep an add-on's CRDs and namespaces when the add-on goes."""

    def own_files(
        self, clusters: Iterable[str], repo_url: str, branch: str, /
    ) -> dict[str, bytes]:
        """Return the engine's own objects, by path in the repo: what makes it sync `clusters/` of `branch`."""

    def cluster_transformers(self) -> list[str]:
        """Return inline kustomize transformers for everything in a cluster's directory."""

    def group_transformers(self, bodies: Iterable[Mapping[str, Any]], /) -> list[str]:
        """Return inline kustomize transformers for one group; `bodies` are its objects."""

    def group_patches(self, bodies: Iterable[Mapping[str, Any]], /) -> list[Patch]:
        """Return patches that mark objects of a group for the engine's own rules.

        `bodies` are the objects as the cluster gets them, its patches applied. Applying costs time, so `bodies` may be
        lazy: an engine without marks does not read it.
        """

    def addon_step_files(self, step: AddOnStep) -> dict[str, bytes]:
        """Return the engine's objects for a step of an add-on, by path relative to `ADDONS_FOLDER`."""
