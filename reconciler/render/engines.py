"""The registry of GitOps engines, by the value of `spec.engine` in fleet.yaml."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.errors import UsageError
from reconciler.render.argocd import ArgoCD
from reconciler.render.engine import EngineRenderer
from reconciler.render.flux import Flux

ENGINES: Mapping[str, EngineRenderer] = {
    "argocd": ArgoCD(),
    "flux": Flux(),
}
"""All engines. fleet/settings.py has the same names, for the schema of fleet.yaml; a test compares the two."""

DEFAULT_ENGINE = "argocd"
"""The engine of a new fleet repo for which none is named."""


def engine_renderer(name: str) -> EngineRenderer:
    """Return the engine called `name` in fleet.yaml. Raises `UsageError` for an unknown name."""
    if name not in ENGINES:
        raise UsageError(f"engine {name!r}: use {' or '.join(ENGINES)}")
    return ENGINES[name]
