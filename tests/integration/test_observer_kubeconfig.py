"""Which kubeconfig an inventory name leads to, and that none leads out of the operator's mounts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.errors import Unreachable
from reconciler.fleet.inventory import KubeconfigAccess
from reconciler.fleet.observers.kubeconfig import Chosen, Mounts, choose


@pytest.fixture
def mounts(tmp_path: Path) -> Mounts:
    secrets, files = tmp_path / "secrets", tmp_path / "files"
    (files / "eu").mkdir(parents=True)
    (files / "eu" / "a").write_text("{}")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kubeconfig").write_text("{}")
    for name, key in (("plain", "kubeconfig"), ("capi", "value"), ("empty", "token")):
        # As the kubelet mounts a Secret: key -> ..data/key, ..data -> a dated folder.
        dated = secrets / name / "..2026_11_23"
        dated.mkdir(parents=True)
        (dated / key).write_text("{}")
        (secrets / name / "..data").symlink_to(dated.name)
        (secrets / name / key).symlink_to(Path("..data") / key)
    (secrets / "evil").symlink_to(tmp_path / "outside")
    (files / "evil").symlink_to(tmp_path / "outside" / "kubeconfig")
    return Mounts(f"/a/config{os.pathsep}/b/config", secrets, files)


def test_a_context_is_of_the_operators_kubeconfig(mounts: Mounts) -> None:
    assert choose(KubeconfigAccess(context="prod"), mounts) == Chosen("/a/config:/b/config", "prod")


@pytest.mark.parametrize("name", ["plain", "capi"])
def test_a_secret_is_a_folder_of_the_secret_mount(mounts: Mounts, name: str) -> None:
    chosen = choose(KubeconfigAccess(secret=name), mounts)
    assert chosen.context is None
    assert f"/secrets/{name}/" in chosen.path
    assert Path(chosen.path).is_file()


def test_a_file_may_lie_in_a_folder_of_its_mount(mounts: Mounts) -> None:
    assert choose(KubeconfigAccess(file="eu/a"), mounts).path.endswith("/files/eu/a")


@pytest.mark.parametrize(
    ("access", "said"),
    [
        (KubeconfigAccess(secret="gone"), "secret 'gone': not mounted with a key kubeconfig or value"),
        (KubeconfigAccess(secret="empty"), "secret 'empty': not mounted with a key kubeconfig or value"),
        (KubeconfigAccess(file="gone"), "kubeconfig file 'gone': does not exist"),
        (KubeconfigAccess(file="eu"), "kubeconfig file 'eu': does not exist"),
        (KubeconfigAccess(secret="evil"), "leads out of SkyRay's secret mount"),
        (KubeconfigAccess(file="evil"), "leads out of SkyRay's kubeconfig mount"),
        (KubeconfigAccess(file="../outside/kubeconfig"), "leads out of SkyRay's kubeconfig mount"),
        (KubeconfigAccess(secret="../outside"), "leads out of SkyRay's secret mount"),
        (KubeconfigAccess(file="/etc/passwd"), "leads out of SkyRay's kubeconfig mount"),
    ],
)
def test_what_is_not_mounted_or_leads_out_is_refused(mounts: Mounts, access: KubeconfigAccess, said: str) -> None:
    with pytest.raises(Unreachable) as caught:
        choose(access, mounts)
    assert said in str(caught.value)


@pytest.mark.parametrize("access", [KubeconfigAccess("c"), KubeconfigAccess(secret="s"), KubeconfigAccess(file="f")])
def test_without_a_mount_the_error_says_what_to_configure(access: KubeconfigAccess) -> None:
    with pytest.raises(Unreachable, match="is configured; set one for SkyRay"):
        choose(access, Mounts())
