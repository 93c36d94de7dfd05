"""Reads a revision, or a checkout with its uncommitted files, into a `RepoState`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from reconciler.errors import InputError, RepoError
from reconciler.fleet.inventory import Cluster, SnapshotAccess
from reconciler.fleet.settings import FILE as FLEET_FILE
from reconciler.fleet.settings import read_fleet
from reconciler.planning.files import Files
from reconciler.planning.namespaces import Sources
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.read_ahead import read_ahead
from reconciler.planning.state import READ, RepoState, read_state
from reconciler.repo.folder import Folder
from reconciler.repo.repository import GitRepo
from reconciler.repo.tree import NO_COMMIT, Tree
from reconciler.workloads.files import ROOT as WORKLOADS
from reconciler.workloads.group import Source

T = TypeVar("T")


def read_revision(repo: GitRepo, sha: str, cache: PlanCache | None = None) -> RepoState:
    """Return the state of the fleet repo at commit `sha`; `cache` is that of earlier cycles.

    Raises `InputError` as `read_state` does.
    """
    tree = repo.tree(sha)
    files = files_of(tree)
    if cache is None or cache.is_new:
        read_ahead(files)
    return _read(repo, tree, files, cache=cache)


def read_worktree(
    repo: GitRepo,
    change: Callable[[Files], Files] = lambda files: files,
    tree: Tree | None = None,
) -> RepoState:
    """Return the state of a checkout as its files are now, with `change` made to them.

    What is not committed comes last in the queue. `tree` is what `repo.worktree()` gave, where it was read already.
    """
    tree = tree or repo.worktree()
    return _read(repo, tree, change(files_of(tree)))


def read_merged(repo: GitRepo, sha: str, base: str) -> RepoState:
    """Return the workloads of `sha` on the settings of `base`, since a pull request must not change its own rules."""
    proposed, settled = files_of(repo.tree(sha)), files_of(repo.tree(base))
    files = settled.with_folder(WORKLOADS, proposed)
    return replace(_read(repo, repo.tree(base), files, sha), revision=sha)


def read_changed(
    repo: GitRepo,
    sha: str,
    change: Callable[[Files], Files],
) -> RepoState:
    """Return the state of `sha` as it would be if a commit made `change` to its files."""
    tree = repo.tree(sha)
    return _read(repo, tree, change(files_of(tree)))


def _read(
    repo: GitRepo,
    tree: Tree,
    files: Files,
    sha: str = "",
    cache: PlanCache | None = None,
) -> RepoState:
    revision = sha or tree.revision
    sources = _sources(repo, revision, files)
    state = read_state(revision, files, sources, cache)
    committed_at = 0.0
    # Before the first commit nothing has an age.
    if revision != NO_COMMIT:
        committed_at = repo.committed_at(revision)
    pictures = snapshot_files_of(tree, state.clusters)
    return replace(state, pictures=pictures, committed_at=committed_at)


def snapshot_files_of(tree: Tree, clusters: Iterable[Cluster]) -> dict[str, bytes]:
    """Return the snapshot files that the inventory names, by path, as far as they exist."""
    named = set()
    for cluster in clusters:
        if isinstance(cluster.access, SnapshotAccess):
            named.add(cluster.access.file)
    files = []
    for path in sorted(named):
        entry = tree.entry(path)
        if entry is not None and entry.is_file:
            files.append(path)
    return tree.read(files)


def configured_branch(repo: GitRepo) -> str | None:
    """Return the branch that fleet.yaml on the repo's default branch names; None where it cannot be read."""
    try:
        tree = repo.tree(repo.head())
        if FLEET_FILE not in tree.paths(FLEET_FILE):
            return None
        contents = tree.read([FLEET_FILE])
        return read_fleet(contents[FLEET_FILE]).branch
    except (RepoError, InputError):
        return None  # reading the state next reports what is wrong, with its place


def files_of(tree: Tree) -> Files:
    """Return everything in `tree` that a plan reads: contents, and what cannot be read (links, unsafe names)."""
    unusable: dict[str, str] = {}
    for prefix in READ:
        for item in tree.unusable(prefix):
            unusable[item.path] = item.reason
    for prefix in READ:
        folder = prefix.removesuffix("/")
        is_folder_prefix = folder != prefix
        # A file or link in the place of a folder: the folder would pass for empty, and all in it for removed.
        if is_folder_prefix and folder in tree:
            unusable[folder] = "is not a folder"
    names = {prefix.removesuffix("/") for prefix in READ}
    top = Folder(
        tree.root.id,
        {name: tree.root.files[name] for name in names & tree.root.files.keys()},
        {name: tree.root.folders[name] for name in names & tree.root.folders.keys()},
    )
    return Files.lazy(top, unusable, tree.fetch)


def _sources(repo: GitRepo, sha: str, files: Files) -> Sources:
    """Return the commit that last changed each workload file, with a number that orders commits from old to new."""
    if sha == NO_COMMIT:
        return Sources(lambda _: {})

    def paths() -> list[str]:
        return [entry.path for entry in files.folder(WORKLOADS).walk()]

    changes = repo.last_changes(sha, f"{WORKLOADS}/", paths)

    def of(wanted: Iterable[str]) -> dict[str, Source]:
        found = {}
        for path, commit in changes.of(wanted).items():
            found[path] = Source(commit, changes.numbers[commit])
        return found

    return Sources(of, lambda namespace: changes.versions.get(namespace, 0))
