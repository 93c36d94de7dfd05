"""Reading trees that people (or attackers) made, and writing trees as a plain dict would have them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import RepoError
from reconciler.repo.folder import Folder
from reconciler.repo.repository import GitRepo
from reconciler.repo.writer import Author, CommitDraft
from tests.integration.git_http import commit_files, contents, git, make_bare

ROBOT = Author("SkyRay", "skyray@example.com")
NOW = 1_700_000_000


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trees") / "fleet.git"
    make_bare(path, {"fleet.yaml": "kind: Fleet", "workloads/a/job.yaml": "a"})
    return path


@pytest.fixture
def repo(bare: Path) -> GitRepo:
    return GitRepo.open(bare)


def write(repo: GitRepo, *changes: Mapping[str, bytes | None], base: str | None = None) -> str:
    drafts = [CommitDraft(f"change {number}", changes=change) for number, change in enumerate(changes)]
    return repo.write_commits(base or repo.head(), drafts, ROBOT, NOW)


def hostile_commit(bare: Path, entries: list[tuple[str, bytes, str]]) -> str:
    """Make a commit whose root tree has these raw entries: (mode, name bytes, object id)."""
    raw = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(sha) for mode, name, sha in entries)
    (bare / "raw-tree").write_bytes(raw)
    tree = git(bare, "hash-object", "-t", "tree", "--literally", "-w", str(bare / "raw-tree"))
    return git(bare, "commit-tree", tree, "-m", "hostile")


def test_links_and_submodules_are_reported_and_never_followed(bare: Path, repo: GitRepo) -> None:
    blob = git(bare, "hash-object", "-w", "--stdin", stdin="/etc/passwd")
    commit = hostile_commit(
        bare,
        [("100644", b"file", blob), ("120000", b"link", blob), ("100755", b"run", blob), ("160000", b"sub", "1" * 40)],
    )
    tree = repo.tree(commit)
    assert tree.paths() == ("file", "run")
    assert [(entry.path, entry.mode) for entry in tree.under()] == [
        ("file", "100644"),
        ("link", "120000"),
        ("run", "100755"),
        ("sub", "160000"),
    ]
    assert {(item.path, item.reason) for item in tree.unusable()} == {
        ("link", "is a symbolic link"),
        ("sub", "is a submodule"),
    }
    for path in ("link", "sub"):
        with pytest.raises(RepoError, match="not followed"):
            tree.read([path])


def test_unsafe_names_are_reported_and_not_listed(bare: Path, repo: GitRepo) -> None:
    blob = git(bare, "hash-object", "-w", "--stdin", stdin="x")
    names = [b"..", b".GIT", b"\xff.yaml", b"a\nb", b"a\\b", b"fine \xc3\xbc"]
    tree = repo.tree(hostile_commit(bare, [("100644", name, blob) for name in sorted(names)]))
    assert tree.paths() == ("fine ü",)
    assert {item.path for item in tree.unusable()} == {"..", ".GIT", "\\xff.yaml", "a\\nb", "a\\\\b"}


def test_contents_come_back_byte_for_byte(repo: GitRepo) -> None:
    odd = {
        "clusters/empty": b"",
        "clusters/newlines": b"\n\n",
        "clusters/no-newline": b"x",
        "clusters/binary": bytes(range(256)) * 300,
        "clusters/crlf": b"a\r\nb\r\n",
        'clusters/q"uote d/ü': b"quoted",
        "clusters/looks like\\ a header".replace("\\", ""): b"0" * 40 + b" blob 5\nhello",
    }
    tree = repo.tree(write(repo, odd))
    assert tree.read(odd) == odd
    assert tree.read(odd) == odd  # from the cache as well
    fresh = GitRepo.open(repo.shown)
    assert fresh.tree(tree.revision).read(reversed(list(odd))) == odd


PATHS = st.sampled_from(
    [
        f"{top}/{name}"
        for top in ("clusters/a", "clusters/b/c", "placements")
        for name in ("x", "y y", "z/1", "z/2", "ü")
    ]
)


def ids_of(folder: Folder, path: str = "") -> dict[str, str]:
    found = {path: folder.id}
    for name, inner in folder.folders.items():
        found |= ids_of(inner, f"{path}/{name}")
    return found


CONTENT = st.one_of(st.none(), st.binary(max_size=20))
DRAFTS = st.lists(st.dictionaries(PATHS, CONTENT, max_size=6), max_size=6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DRAFTS)
def test_any_drafts_give_the_tree_that_a_dict_gives(
    repo: GitRepo, bare: Path, drafts: list[dict[str, bytes | None]]
) -> None:
    base = repo.head()
    model = repo.tree(base).read(repo.tree(base).paths())
    steps = 0
    for draft in drafts:
        before = dict(model)
        for path, content in draft.items():
            if content is None:
                model.pop(path, None)
            else:
                model[path] = content
        steps += model != before
    tip = write(repo, *drafts)
    assert repo.tree(tip).read(repo.tree(tip).paths()) == model
    assert int(git(bare, "rev-list", "--count", f"{base}..{tip}")) == steps
    assert write(repo, *drafts) == tip
    fresh = GitRepo.open(bare).tree(tip)
    assert fresh.entries == repo.tree(tip).entries
    # What was made from the tree before is the same as what is read whole, folder by folder.
    assert ids_of(fresh.root) == ids_of(repo.tree(tip).root)


def test_the_same_input_gives_the_same_commit_and_another_time_another(repo: GitRepo) -> None:
    drafts = [CommitDraft("s", "b", (("SkyRay-Group", "g"),), {"clusters/a": b"1"})]
    base = repo.head()
    one = repo.write_commits(base, drafts, ROBOT, NOW)
    assert repo.write_commits(base, drafts, ROBOT, NOW) == one
    assert repo.write_commits(base, drafts, ROBOT, NOW + 1) != one


def test_a_file_that_stands_already_makes_no_commit_but_a_link_in_its_place_does(bare: Path, repo: GitRepo) -> None:
    first = write(repo, {"clusters/a": b"target"})
    assert write(repo, {"clusters/a": b"target"}, base=first) == first
    assert write(repo, {"clusters/never": None}, base=first) == first
    blob = repo.tree(first).entries["clusters/a"].blob
    inner = git(bare, "mktree", stdin=f"120000 blob {blob}\ta")
    outer = git(bare, "mktree", stdin=f"040000 tree {inner}\tclusters")
    linked = git(bare, "commit-tree", outer, "-m", "a person made a link of it")
    healed = write(repo, {"clusters/a": b"target"}, base=linked)
    assert repo.tree(healed).entries["clusters/a"].mode == "100644"


@pytest.mark.parametrize(
    "path",
    [
        "workloads/a/job.yaml",
        "fleet.yaml",
        "clusters",
        "clusters/../fleet.yaml",
        "/clusters/a",
        "clusters/.git/config",
        "clusters//a",
        "clusters/a\nM 100644 inline fleet.yaml",
        "clustersx/a",
        "",
    ],
)
@pytest.mark.parametrize("content", [b"x", None])
def test_only_own_paths_are_written(repo: GitRepo, path: str, content: bytes | None) -> None:
    with pytest.raises(RepoError, match="refusing to write"):
        write(repo, {path: content})


def test_a_command_that_is_asked_to_edit_may_write_elsewhere(repo: GitRepo) -> None:
    drafts = [CommitDraft("edit", changes={"inventory/c.yaml": b"c"})]
    tip = repo.write_commits(repo.head(), drafts, ROBOT, NOW, allowed_prefixes=("inventory/",))
    assert "inventory/c.yaml" in repo.tree(tip)


def test_a_file_never_buries_a_directory_nor_a_directory_a_file(repo: GitRepo) -> None:
    base = write(repo, {"clusters/a/b": b"1", "clusters/f": b"2"})
    with pytest.raises(RepoError, match="would be lost"):
        write(repo, {"clusters/a": b"x"}, base=base)
    with pytest.raises(RepoError, match="'clusters/f' is a file"):
        write(repo, {"clusters/f/x": b"x"}, base=base)
    turned = repo.tree(write(repo, {"clusters/a/b": None, "clusters/a": b"x"}, base=base))
    assert turned.read(["clusters/a"]) == {"clusters/a": b"x"}


def test_fast_import_commands_in_contents_and_messages_stay_text(repo: GitRepo, bare: Path) -> None:
    evil = "x\n\nM 100644 inline fleet.yaml\ndata 4\nevil\ndone\n"
    draft = CommitDraft("s", evil, (("SkyRay-Reason", evil),), {"clusters/a": evil.encode()})
    tip = repo.write_commits(repo.head(), [draft], Author("A <x>\ndone", "e>\nfrom 0"), NOW)
    assert contents(bare, tip)["fleet.yaml"] == "kind: Fleet"
    assert repo.tree(tip).read(["clusters/a"]) == {"clusters/a": evil.encode()}


def test_own_refs_alone_take_files_without_a_prefix(repo: GitRepo) -> None:
    for ref in ("refs/heads/main", "refs/skyray/tmp/x", "main"):
        with pytest.raises(RepoError):
            repo.write_ref_files(ref, {"a": b"1"}, "keep", ROBOT, NOW)


@pytest.mark.parametrize("rev", ["--all", "nowhere", "main..main", "HEAD^{tree}", "1" * 40])
def test_what_is_no_commit_is_an_error(repo: GitRepo, rev: str) -> None:
    with pytest.raises(RepoError):
        repo.head(rev)


def test_revisions_are_found_by_name_and_relation(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", "work")
    first = commit_files(tmp_path / "work", {"a": "1"}, "one")
    second = commit_files(tmp_path / "work", {"a": "2"}, "two")
    git(tmp_path / "work", "tag", "-a", "v1", "-m", "tag", first)
    repo = GitRepo.open(tmp_path / "work")
    assert repo.head() == second
    assert repo.head("HEAD~1") == repo.head("v1") == repo.head(first[:10]) == first


def test_sizes_are_told_and_no_more_is_read_than_is_allowed(bare: Path) -> None:
    big = 3 * 2**16
    commit = write(GitRepo.open(bare), {"clusters/big": b"x" * big, "clusters/small": b"s", "clusters/empty": b""})
    tree = GitRepo.open(bare).tree(commit)
    entries = tree.under("clusters/")
    sizes = {"clusters/big": big, "clusters/empty": 0, "clusters/small": 1}
    assert tree.fetch.sizes(entries) == sizes
    assert tree.fetch.at_most(entries, big) is None
    found = tree.fetch.at_most(entries, big + 1)
    assert found == {"clusters/big": b"x" * big, "clusters/empty": b"", "clusters/small": b"s"}
    # What is in memory counts as well.
    assert tree.fetch.at_most(entries, big) is None
    assert tree.fetch.sizes(entries) == sizes


def test_a_blob_that_is_missing_is_an_error_whichever_way_it_is_read(repo: GitRepo) -> None:
    tree = repo.tree(repo.head())
    (entry,) = tree.under("fleet.yaml")
    missing = replace(entry, blob="1" * 40)
    with pytest.raises(RepoError, match="missing from the repository"):
        tree.fetch.sizes([missing])
    with pytest.raises(RepoError, match="missing from the repository"):
        tree.fetch.at_most([missing], 100)
