"""The GitOps engine's own objects: what `skyray init` and `skyray cluster add` put into `argocd/` or `flux/`."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.render import argocd, flux
from reconciler.render.model import Engine


def engine_files(engine: Engine, clusters: Iterable[str], repo_url: str, branch: str) -> dict[str, bytes]:
    """Return the engine's files by their path in the repo, ready to apply.

    Argo CD finds the clusters by itself, from the directories; Flux gets one file for each of `clusters`.
    """
    if engine is Engine.ARGOCD:
        return argocd.files(repo_url, branch)
    return flux.files(clusters, repo_url, branch)
