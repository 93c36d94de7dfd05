"""Bad input, everywhere: one clear line with its place, the right exit status, nothing written, never a traceback.

The command runs in the test's own process, so an error that nobody handles fails the test by itself.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.commands import Said, checkout_of, fleet_with_job, program, skyray, unchanged, write
from tests.fleets import fleet_file, ordered, policy, ray_job
from tests.integration.git_http import commit_files, git

SPOILED = {
    "broken YAML": b"kind: [\n",
    "not UTF-8": b"a: \xff\xfe\n",
    "UTF-16": "kind: Fleet".encode("utf-16"),
    "a NUL": b"a: \x00",
    "too big": b"a: " + b"x" * 2_000_000,
    "too deep": b"[" * 5000,
    "an alias": b"a: &a [1]\nb: *a\n",
    "a tag": b"!!python/object/apply:os.system [id]\n",
    "a list": b"- 1\n- 2\n",
    "a word": b"hello\n",
    "a huge number": b"a: 1" + b"0" * 5000,
    "a control character": b"a: \x1b[31m\n",
}
SETTINGS = ("fleet.yaml", "inventory/static.yaml", "policies/spill.yaml", "placements/team1/rayjob-train.yaml")
READERS = (
    ("plan",),
    ("get", "clusters"),
    ("get", "groups"),
    ("get", "placements"),
    ("get", "policies"),
    ("explain", "team1/rayjob-train"),
    ("snapshot",),
)
PLACE = re.compile(r"error: [^\s:]+(:\d+:\d+)?: \S.*")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    made = checkout_of(fleet_with_job(), tmp_path / "fleet")
    assert skyray("reconcile", cwd=made).status == 0
    return made


def one_error(said: Said) -> str:
    """Return the only error line; data must be empty."""
    assert said.out == ""
    lines = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, said.err
    assert "\x1b" not in lines[0]
    assert len(lines[0]) < 600
    return lines[0]


@pytest.mark.parametrize("spoil", SPOILED)
@pytest.mark.parametrize("path", SETTINGS)
def test_a_spoiled_settings_file_stops_everything_with_its_place(path: str, spoil: str, top: Path) -> None:
    write(top, {path: SPOILED[spoil], "workloads/team2/job.yaml": ray_job("train", workers=1)})
    commit_files(top, {}, "spoil")
    with unchanged(top):
        for command in (("reconcile",), ("plan",), ("get", "groups")):
            said = skyray(*command, cwd=top)
            assert said.status == 1, command
            line = one_error(said)
            assert PLACE.fullmatch(line), line
            assert line.startswith(f"error: {path}:"), line
        said = skyray("validate", "--rev", "HEAD", cwd=top)
        assert said.status == 1
        assert f"error: {path}:" in said.out


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_spoiled_workload_is_rejected_alone(spoil: str, top: Path) -> None:
    write(top, {"workloads/team2/bad.yaml": SPOILED[spoil], "workloads/team3/job.yaml": ray_job("train", workers=1)})
    commit_files(top, {}, "spoil")
    for command in ("validate", "plan", "reconcile"):
        said = skyray(command, cwd=top)
        assert said.status == 1, command
        assert "workloads/team2/bad.yaml:" in said.out + said.err
    assert "phase: Rejected" in (top / "placements/team2/file-bad.yaml").read_text()
    assert (top / "clusters/static/team3/rayjob-train").is_dir()
    assert skyray("explain", "team2/file-bad", cwd=top).status == 0


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_placed_workload_that_becomes_unreadable_stays_where_it_is(spoil: str, top: Path) -> None:
    write(top, {"workloads/team1/job.yaml": SPOILED[spoil]})
    commit_files(top, {}, "spoil")
    assert skyray("reconcile", cwd=top).status == 1
    assert (top / "clusters/static/team1/rayjob-train/rayjob-train.yaml").is_file()


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_spoiled_snapshot_file_makes_its_own_cluster_unreadable_and_no_other(spoil: str, top: Path) -> None:
    write(top, {"snapshots/static.yaml": SPOILED[spoil], "workloads/team2/job.yaml": ray_job("train", workers=1)})
    commit_files(top, {}, "spoil")
    said = skyray("validate", "--rev", "HEAD", cwd=top)
    assert said.status == 1
    assert "error: snapshots/static.yaml:" in said.out
    assert skyray("reconcile", cwd=top).status == 0
    assert (top / "clusters/dynamic/team2/rayjob-train").is_dir()
    assert (top / "clusters/static/team1/rayjob-train").is_dir()


@pytest.mark.parametrize("folder", ["inventory", "policies", "workloads", "placements"])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_folder_that_became_something_else_is_never_an_empty_list(folder: str, kind: str, top: Path) -> None:
    git(top, "rm", "-rq", folder)
    if kind == "file":
        (top / folder).write_text("hello")
    else:
        (top / folder).symlink_to("/etc")
    commit_files(top, {}, "spoil")
    with unchanged(top):
        for command in (*READERS, ("reconcile",), ("reconcile", "--allow-removals")):
            said = skyray(*command, cwd=top)
            assert said.status == 1, command
            assert one_error(said).startswith(f"error: {folder}: is not a folder: put "), command
        assert skyray("validate", cwd=top).status == 1


@pytest.mark.parametrize("command", READERS)
def test_a_missing_fleet_file_is_told_with_the_remedy(command: tuple[str, ...], top: Path) -> None:
    git(top, "rm", "-q", "fleet.yaml")
    git(top, "commit", "-q", "-m", "spoil")
    said = skyray(*command, cwd=top)
    assert said.status == 1
    assert one_error(said) == "error: fleet.yaml: is missing: `skyray init` makes one"


@pytest.mark.parametrize(
    ("path", "data", "expected"),
    [
        ("fleet.yaml", fleet_file().replace(b"argocd", b"argo"), r"fleet\.yaml:4:16: .*argocd or flux"),
        ("fleet.yaml", fleet_file().replace(b"spec: {", b"spec: {motor: x, "), r"fleet\.yaml:.*motor.*unknown field"),
        ("fleet.yaml", b"---\n".join([fleet_file()] * 2), r"fleet\.yaml: has 2 documents; write exactly one Fleet"),
        ("policies/p.yaml", policy("p", "priority: high"), r"policies/p\.yaml:7:13: spec\.priority is 'high'; write"),
        ("policies/p.yaml", policy("spill"), r"policies/.*spill"),
        ("inventory/p.yaml", b"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n", r"inventory/p\.yaml:1:1: "),
    ],
)  # fmt: skip
def test_what_is_readable_yet_wrong_is_told_with_place_and_remedy(
    path: str, data: bytes, expected: str, top: Path
) -> None:
    write(top, {path: data})
    commit_files(top, {}, "spoil")
    said = skyray("reconcile", cwd=top)
    assert said.status == 1
    assert re.search(expected, one_error(said)), said.err
    assert re.search(expected, skyray("validate", cwd=top).out)


def test_unknown_names_are_told_with_what_there_is(top: Path) -> None:
    pinned = ray_job("t").replace(b"name: t,", b"name: t, annotations: {skyray.dev/cluster: nowhere},")
    write(top, {"workloads/team2/job.yaml": pinned, "policies/more.yaml": policy("more", ordered("lost"))})
    commit_files(top, {}, "unknown clusters")
    explained = skyray("explain", "team2/rayjob-t", cwd=top)
    assert "nowhere" in explained.out
    assert "known clusters: dynamic, static" in " ".join(explained.out.split())
    said = skyray("explain", "team1/rayjob-trian", cwd=top)
    assert said.status == 1
    assert "did you mean team1/rayjob-train?" in one_error(said)
    said = skyray("snapshot", "--cluster", "nowhere", cwd=top)
    assert (said.status, said.out) == (2, "")
    assert "it has dynamic, static" in said.err


def test_a_manifest_outside_every_namespace_folder_is_reported(top: Path) -> None:
    write(top, {"workloads/job.yaml": ray_job("lost")})
    for command in ("plan", "validate"):
        said = skyray(command, cwd=top)
        assert "workloads/job.yaml: is in no namespace's folder" in said.out + said.err
        assert "move it to workloads/NAMESPACE/" in said.out + said.err


USAGE = [
    (("plan", "--nope"), "No such option"),
    (("plan", "extra"), "unexpected extra argument"),
    (("get",), "Missing argument"),
    (("get", "pods"), "'pods' is not one of"),
    (("plan", "-o", "xml"), "'xml' is not one of"),
    (("explain", "train"), "is not NAMESPACE/GROUP"),
    (("explain", "a/b/c/"), ""),
    (("log", "train"), "is not NAMESPACE/GROUP"),
    (("log", "-n", "0"), "not in the range"),
    (("reconcile", "--watch", "--interval", "0"), "not in the range"),
    (("plan", "--snapshot", "no-such-file"), "`skyray snapshot` makes such a file"),
    (("plan", "--snapshot", "inventory"), "is a directory"),
    (("size", "no-such-file"), "no-such-file"),
    (("size", "inventory"), "inventory"),
    (("size",), "Missing argument"),
    (("init", "fleet.yaml"), "is a file"),
    (("init", "--name", "No_Name", "../new"), "--name sets it"),
    (("init", "inventory/new"), "is inside the fleet repo"),
    (("init", "--engine", "flux"), "fleet.yaml says engine argocd"),
    (("demo", "fleet.yaml"), "is a file"),
    (("completion", "csh"), "'csh' is not one of"),
]


@pytest.mark.parametrize(("arguments", "expected"), USAGE)
def test_what_cannot_be_meant_is_a_usage_error(arguments: tuple[str, ...], expected: str, top: Path) -> None:
    with unchanged(top):
        said = skyray(*arguments, cwd=top)
        assert (said.status, said.out) == ((1 if arguments == ("explain", "a/b/c/") else 2), "")
        assert expected in said.err
    assert not (top.parent / "new").exists()


CANNOT = [
    (("--repo", ".."), "is not in a git repository"),
    (("--repo", "no-such-folder"), "is not a directory"),
    (("--repo", "fleet.yaml"), "is not a directory"),
    (("--repo", "https://127.0.0.1:9/fleet.git"), "check the network"),
    (("--repo", "http://git.example.com/fleet.git"), "use https"),
    (("--repo", "ext::sh -c id"), "remote helpers"),
    (("--repo", "ssh://-oProxyCommand=id/fleet"), "is refused"),
    (("--repo", "ftp://git.example.com/fleet"), "'ftp' is not allowed"),
    (("--rev", "no-such-branch"), "name a commit, branch or tag"),
    (("--rev", "--output=x"), "is not a revision"),
    (("--rev", "a..b"), "is not a revision"),
    (("--rev", ""), "is not a revision"),
    (("--base", "no-such-branch"), "name a commit, branch or tag"),
]


@pytest.mark.parametrize(("arguments", "expected"), CANNOT)
def test_a_repository_or_revision_that_is_not_there_cannot_be_read(
    arguments: tuple[str, ...], expected: str, top: Path
) -> None:
    said = skyray("plan", *arguments, cwd=top)
    assert said.status == 3
    assert expected in one_error(said)


def test_a_snapshot_file_of_another_kind_is_refused_with_the_remedy(top: Path) -> None:
    for path, data in {"pods.json": b'{"kind": "List", "items": []}', "x.yaml": b"kind: [", "empty": b""}.items():
        write(top.parent, {path: data})
        said = skyray("plan", "--snapshot", f"../{path}", cwd=top)
        assert said.status == 1
        assert one_error(said).startswith(f"error: ../{path}:"), said.err
        assert "`skyray snapshot` makes such a file" in said.err


def test_a_new_repository_with_nothing_committed_can_be_validated_and_planned(tmp_path: Path) -> None:
    assert skyray("init", "fleet", cwd=tmp_path).status == 0
    top = tmp_path / "fleet"
    said = skyray("validate", cwd=top)
    assert (said.status, said.out) == (0, "6 files: all valid\n")
    files = {path: data for path, data in fleet_with_job().files.items() if not path.startswith("fleet.yaml")}
    write(top, files)
    said = skyray("plan", cwd=top)
    assert said.status == 0
    assert "nothing is committed yet" in said.err
    assert "team1/rayjob-train  place   static" in said.out
    for command in (("reconcile",), ("get", "clusters"), ("log",), ("plan", "--rev", "HEAD")):
        said = skyray(*command, cwd=top)
        assert said.status == 3
        assert "commit" in one_error(said)
    assert git(top, "for-each-ref") == ""
    commit_files(top, {}, "a fleet")
    assert skyray("reconcile", cwd=top).status == 0


def test_an_unborn_branch_beside_others_reads_its_files(top: Path) -> None:
    git(top, "checkout", "-q", "--orphan", "fresh")
    assert skyray("validate", cwd=top).status == 0
    assert skyray("plan", cwd=top).status == 0
    assert skyray("reconcile", cwd=top).status == 3


def test_an_empty_bare_repository_says_so(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "bare.git")
    (tmp_path / "x").mkdir()
    for command in ("validate", "plan", "reconcile"):
        said = skyray(command, "--repo", "../bare.git", cwd=tmp_path / "x")
        assert said.status == 3
        assert "no branch 'main' with a commit" in one_error(said)


@pytest.mark.parametrize("where", ["/proc/fleet", "fleet.yaml/sub"])
@pytest.mark.parametrize("command", ["init", "demo"])
def test_a_place_that_cannot_be_written_is_one_line(command: str, where: str, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/fleet.yaml").write_text("")
    said = program(command, where, cwd=tmp_path / "x")
    assert said.status == 3
    assert "Traceback" not in said.err
    assert [line for line in said.err.splitlines() if line.startswith("error: ")] != []


def test_init_twice_changes_nothing_and_a_third_time_adds_what_is_missing(tmp_path: Path) -> None:
    first = skyray("init", "My Fleet", cwd=tmp_path)
    assert first.status == 0
    top = tmp_path / "My Fleet"
    assert "name: my-fleet" in (top / "fleet.yaml").read_text()
    (top / "fleet.yaml").write_text((top / "fleet.yaml").read_text() + "# mine\n")
    files = {path: path.read_bytes() for path in top.rglob("*") if path.is_file()}
    again = skyray("init", cwd=top)
    assert again.status == 0
    assert "  + " not in again.out
    assert "stay as they are" in again.err
    assert {path: path.read_bytes() for path in top.rglob("*") if path.is_file()} == files
    (top / "CODEOWNERS").unlink()
    assert "  + CODEOWNERS" in skyray("init", cwd=top).out
    assert {path: path.read_bytes() for path in top.rglob("*") if path.is_file()} == files


def test_init_for_flux_writes_a_file_for_each_cluster_and_stays_with_flux(tmp_path: Path) -> None:
    said = skyray("init", "fleet", "--engine", "flux", "--url", "https://git.example.com/a/b.git", cwd=tmp_path)
    assert said.status == 0
    top = tmp_path / "fleet"
    assert "url: https://git.example.com/a/b.git" in (top / "flux/git-repository.yaml").read_text()
    assert not (top / "flux/clusters").exists()
    write(top, {path: data for path, data in fleet_with_job().files.items() if path.startswith("inventory/")})
    again = skyray("init", cwd=top)
    assert again.status == 0
    assert sorted(path.name for path in (top / "flux/clusters").iterdir()) == ["dynamic.yaml", "static.yaml"]
    assert not (top / "argocd").exists()
    write(top, {"inventory/bad.yaml": b"kind: ["})
    said = skyray("init", cwd=top)
    assert said.status == 1
    assert one_error(said).startswith("error: inventory/bad.yaml:")


def test_init_inside_another_project_makes_a_repository_of_its_own(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", "project")
    head = commit_files(tmp_path / "project", {"a": "a"}, "first")
    assert skyray("init", "fleet", cwd=tmp_path / "project").status == 0
    assert (tmp_path / "project/fleet/.git").is_dir()
    assert git(tmp_path / "project", "rev-parse", "HEAD") == head
