"""The operator's credentials for a cluster, found by the name that the inventory gives.

The inventory is user input, so it can only choose among what the operator mounted. A kubeconfig may run a program
(`exec`), so nothing from Git becomes one, and no name leads out of its mount, not even through a symlink (Kubernetes
makes mounts of symlinks that stay within the mount).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import Unreachable
from reconciler.fleet.inventory import KubeconfigAccess

_SECRET_KEYS = ("kubeconfig", "value")
"""Keys of a Secret that can hold a kubeconfig; `value` is what Cluster API writes."""


@dataclass(frozen=True, slots=True)
class Mounts:
    """What the operator gives SkyRay.

    `kubeconfig`: path of the kubeconfig with all contexts (several, joined like `$KUBECONFIG`). `secrets`: folder with
    a folder for each mounted Secret. `files`: folder with kubeconfig files.
    """

    kubeconfig: str = ""
    secrets: Path | None = None
    files: Path | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A kubeconfig (path, or paths as in `$KUBECONFIG`) and the context in it; None means its current one."""

    path: str
    context: str | None = None


def choose(access: KubeconfigAccess, mounts: Mounts) -> Chosen:
    """Return the kubeconfig that `access` names. Raises `Unreachable` where the operator has not provided it."""
    if access.context:
        if not mounts.kubeconfig:
            raise Unreachable(
                f"context {access.context!r}: no kubeconfig is configured; set one for SkyRay"
            )
        return Chosen(mounts.kubeconfig, access.context)
    if access.secret:
        what = f"secret {access.secret!r}"
        folder = _beneath(mounts.secrets, access.secret, what, "secret")
        for key in _SECRET_KEYS:
            if (folder / key).is_file():
                # The key can be a symlink, so it is checked as well.
                return Chosen(
                    str(
                        _beneath(
                            mounts.secrets, f"{access.secret}/{key}", what, "secret"
                        )
                    )
                )
        raise Unreachable(
            f"{what}: not mounted with a key {' or '.join(_SECRET_KEYS)}; mount it for SkyRay"
        )
    what = f"kubeconfig file {access.file!r}"
    path = _beneath(mounts.files, access.file, what, "kubeconfig")
    if not path.is_file():
        raise Unreachable(
            f"{what}: does not exist in SkyRay's kubeconfig mount; add it there"
        )
    return Chosen(str(path))


def _beneath(root: Path | None, name: str, what: str, mount: str) -> Path:
    """Return the path of `name` in a mount, symlinks resolved. Raises `Unreachable` where it leads out of the mount."""
    if root is None:
        raise Unreachable(f"{what}: no {mount} mount is configured; set one for SkyRay")
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise Unreachable(
            f"{what}: leads out of SkyRay's {mount} mount; name something in the mount"
        )
    return path
