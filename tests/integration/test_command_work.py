"""What commands on a small fleet repo import, and which git processes they start: counted, since times differ."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands import checkout_of, environment
from tests.fleets import Fleet, cluster, node, picture, policy, ray_job
from tests.integration.git_http import commit_files

SERVICE = {"fastapi", "uvicorn", "starlette", "ruamel"}
LIVE_CLUSTERS = {"kubernetes", "urllib3", "requests", "oauthlib"}
IDLE = ("rev-parse", "rev-list", "ls-tree", "cat-file", "log", "cat-file", "cat-file")
"""What a reconcile with nothing to do runs: it reads its own files and settings, then workloads, then snapshots."""
NEVER = {"git", *SERVICE, *LIVE_CLUSTERS}

SCRIPT = """
import json, sys
from reconciler.cli.main import main
try:
    main()
except SystemExit as stop:
    print(json.dumps([stop.code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


@dataclass(frozen=True)
class Work:
    """What a command imported (top names) and the git commands that it ran, in order."""

    imported: frozenset[str]
    git: tuple[str, ...]


def work_of(*arguments: str, checkout: Path, home: Path) -> Work:
    """Run a command in a process of its own, with a git before the real one on the PATH that notes each call."""
    real = shutil.which("git")
    noted = home / "git.log"
    noted.write_text("")
    folder = home / "bin"
    folder.mkdir(exist_ok=True)
    wrapper = folder / "git"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {noted}\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    path = {"PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=checkout,
        env=environment(home) | path,
        capture_output=True,
        text=True,
        check=True,
    )
    status, modules = json.loads(done.stderr.splitlines()[-1])
    assert status == 0, done.stderr
    words = [line.split() for line in noted.read_text().splitlines()]
    verbs = [next(word for word in line if not word.startswith("--")) for line in words]
    return Work(frozenset(modules), tuple(verbs))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    clusters = {name: (cluster(name), picture(name, node(f"{name}-0"), node(f"{name}-1"))) for name in ("a", "b")}
    fleet = Fleet.of(clusters, {"any": policy("any")})
    fleet.files["workloads/team/train.yaml"] = ray_job("train")
    return checkout_of(fleet, tmp_path / "fleet")


def test_validate_needs_neither_numpy_nor_more_than_three_runs_of_git(checkout: Path, tmp_path: Path) -> None:
    work = work_of("validate", checkout=checkout, home=tmp_path)
    assert work.imported.isdisjoint({"numpy", *NEVER})
    assert work.git == ("rev-parse", "rev-list", "ls-files")


def test_plan_reads_the_checkout_once(checkout: Path, tmp_path: Path) -> None:
    work = work_of("plan", checkout=checkout, home=tmp_path)
    assert work.imported.isdisjoint(NEVER)
    assert work.git == ("rev-parse", "rev-list", "ls-files", "log", "ls-tree")


def test_a_reconcile_with_nothing_to_do_fits_nothing_and_writes_nothing(checkout: Path, tmp_path: Path) -> None:
    first = work_of("reconcile", checkout=checkout, home=tmp_path)
    assert first.imported.isdisjoint(NEVER)
    assert "fast-import" in first.git
    idle = work_of("reconcile", checkout=checkout, home=tmp_path)
    assert idle.imported.isdisjoint({"numpy", *NEVER})
    assert idle.git == IDLE


def test_the_number_of_git_processes_does_not_grow_with_namespaces(checkout: Path, tmp_path: Path) -> None:
    more = {f"workloads/team-{i}/train.yaml": ray_job(f"train-{i}").decode() for i in range(20)}
    commit_files(checkout, more, "more")
    work_of("reconcile", checkout=checkout, home=tmp_path)
    assert work_of("reconcile", checkout=checkout, home=tmp_path).git == IDLE
    (checkout / "workloads/team/new.yaml").write_bytes(ray_job("new"))
    work = work_of("plan", checkout=checkout, home=tmp_path)
    assert work.git == ("rev-parse", "rev-list", "ls-files", "log", "ls-tree")
    assert len(work_of("validate", checkout=checkout, home=tmp_path).git) == 3
