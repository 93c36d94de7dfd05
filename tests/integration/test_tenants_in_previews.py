"""A pull request is previewed under the tenants of its target: what it says about tenants itself counts nothing."""

from __future__ import annotations

from pathlib import Path

from reconciler.placement.model import Phase
from reconciler.planning.pipeline import plan
from reconciler.repo.repository import GitRepo
from reconciler.service.capacity import CapacityReader
from reconciler.service.reading import read_merged, read_revision
from tests.fleets import NOW, cluster, decision, fleet_file, nodes, picture, policy, ray_job
from tests.integration.git_http import commit_files, git
from tests.tenants import quota, tenant


def tenant_of(gpus: int) -> str:
    return tenant("a", f"namespaces: [team], {quota(gpus)}").decode()


def test_a_pull_request_cannot_raise_its_own_quota(tmp_path: Path) -> None:
    work = tmp_path / "fleet"
    files = {
        "fleet.yaml": fleet_file().decode(),
        "inventory/c.yaml": cluster("c").decode(),
        "snapshots/c.yaml": picture("c", *nodes(4)).decode(),
        "policies/p.yaml": policy("p").decode(),
        "policies/a.yaml": tenant_of(2),
    }
    git(tmp_path, "init", "-q", "-b", "main", str(work))
    base = commit_files(work, files, "first")
    asked = {"policies/a.yaml": tenant_of(4), "workloads/team/job.yaml": ray_job("train", workers=3).decode()}
    head = commit_files(work, asked, "more please")
    repo = GitRepo.open(work)
    preview, merged = read_merged(repo, head, base), read_revision(repo, head)
    capacity = CapacityReader()
    refused = decision(plan(preview, capacity(preview, NOW), NOW), "team", "rayjob-train")
    assert (refused.phase, refused.reason) == (Phase.PENDING, "QuotaExceeded")
    assert refused.message == "tenant a uses 0 of 2 nvidia.com/gpu, group needs 3"
    assert decision(plan(merged, capacity(merged, NOW), NOW), "team", "rayjob-train").phase is Phase.PLACED
