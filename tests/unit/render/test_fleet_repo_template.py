from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler.fleet.inventory import read_inventory
from reconciler.fleet.settings import read_fleet
from reconciler.manifests.loader import load
from reconciler.policy.dialects import read_policies
from reconciler.policy.tenant_kind import TenantSpec, read_tenants
from reconciler.service.scaffold import lay_down
from tests.unit.policy.reading import READY_MADE

TEMPLATE = Path(__file__).parents[3] / "fleet-repo-template"


@pytest.fixture(params=["argocd", "flux"])
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    lay_down(tmp_path, "my-fleet", request.param, "https://git.example.com/fleet.git")
    return tmp_path


def test_a_new_fleet_repo_reads_without_an_error(fleet: Path) -> None:
    settings = read_fleet((fleet / "fleet.yaml").read_bytes())
    assert settings.name == "my-fleet"
    assert (fleet / settings.engine).is_dir()
    inventory = {f"inventory/{path.name}": path.read_bytes() for path in (fleet / "inventory").iterdir()}
    assert read_inventory(inventory) == ()
    documents = [doc for path in (fleet / "policies").glob("*") for doc in load(path.read_bytes(), path.name).documents]
    assert [policy.name for policy in read_policies(documents)] == ["available-capacity"]


def test_no_placeholder_is_left(fleet: Path) -> None:
    for path in fleet.rglob("*"):
        if path.is_file() and "argocd" not in path.parts:
            assert not re.search(r"\{\{\w+\}\}", path.read_text()), path


def test_every_yaml_file_of_a_new_fleet_repo_is_yaml_that_skyray_would_read(fleet: Path) -> None:
    files = [path for path in fleet.rglob("*.y*ml") if path.name != "skyray-validate.yaml"]
    assert len(files) >= 5
    for path in files:
        assert load(path.read_bytes(), path.name).documents


def test_skyray_lays_nothing_into_the_folders_that_it_renders(fleet: Path) -> None:
    assert not (fleet / "clusters").exists()
    assert not (fleet / "placements").exists()


def test_the_cluster_that_the_inventory_readme_shows_is_valid() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", (TEMPLATE / "inventory" / "README.md").read_text(), re.DOTALL)
    (cluster,) = read_inventory({"inventory/gpu-1.yaml": example.encode()})
    assert cluster.labels["cluster.class"] == "production"
    assert cluster.pools[0].max_nodes == 8


def test_the_tenant_that_the_readme_shows_is_valid_and_has_every_field() -> None:
    readme = (TEMPLATE / "README.md").read_text()
    [example] = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    documents = load(example.encode(), "policies/team-a.yaml").documents
    [tenant] = read_tenants(documents)
    assert tenant.owns("team-a-dev", {})
    shown, all_ = set(documents[0].body["spec"]), {field.alias for field in TenantSpec.model_fields.values()}
    assert all_ - shown == {"kinds", "namespaceSelector"}


def test_the_default_policy_is_the_ready_made_one() -> None:
    name = "available-capacity.yaml"
    assert (TEMPLATE / "policies" / name).read_bytes() == (READY_MADE / name).read_bytes()


def test_the_owners_to_replace_are_plain_to_see() -> None:
    owners = (TEMPLATE / "CODEOWNERS").read_text()
    assert "REPLACE" in owners
    assert re.search(r"^/clusters/\s+@YOUR-ORG/SKYRAY-BOT$", owners, re.MULTILINE)
    assert re.search(r"^/placements/\s+@YOUR-ORG/SKYRAY-BOT$", owners, re.MULTILINE)
