"""Reads a revision, or a checkout with its uncommitted files, into a `RepoState`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from reconciler.errors import InputError, RepoError
from reconciler.fleet.inventory import Cluster, SnapshotAccess
from reconciler.fleet.settings import FILE as FLEET_FILE
from reconciler.fleet.settings import read_fleet
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.state import READ, Files, RepoState, read_state
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
    return _read(repo, tree, files_of(tree), cache=cache)


def read_worktree(
    repo: GitRepo,
    change: Callable[[Files], Files] = lambda files: files,
) -> RepoState:
    """Return the state of a checkout as its files are now, with `change` made to them.

    What is not committed comes last in the queue.
    """
    tree = repo.worktree()
    return _read(repo, tree, change(files_of(tree)))


def read_merged(repo: GitRepo, sha: str, base: str) -> RepoState:
    """Return the workloads of `sha` on the settings of `base`, since a pull request must not change its own rules."""
    proposed = files_of(repo.tree(sha))
    base_tree = repo.tree(base)
    settled = files_of(base_tree)
    contents = _merged(settled.contents, proposed.contents)
    unusable = _merged(settled.unusable, proposed.unusable)
    state = _read(repo, base_tree, Files(contents, unusable), sha)
    return replace(state, revision=sha)


def _merged(settled: Mapping[str, T], proposed: Mapping[str, T]) -> dict[str, T]:
    """Return the entries of `settled` outside workloads/, and those of `proposed` in it, by path."""
    rules = {path: entry for path, entry in settled.items() if not _is_workload(path)}
    workloads = {path: entry for path, entry in proposed.items() if _is_workload(path)}
    return rules | workloads


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
    sources = partial(_sources, repo, revision)
    state = read_state(revision, files, sources, cache)
    committed_at = 0.0
    # Before the first commit nothing has an age.
    if revision != NO_COMMIT:
        newest = repo.log(revision, limit=1)[0]
        committed_at = newest.time
    pictures = snapshot_files_of(tree, state.clusters)
    return replace(state, pictures=pictures, committed_at=committed_at)


def _is_workload(path: str) -> bool:
    return path == WORKLOADS or path.startswith(f"{WORKLOADS}/")


def snapshot_files_of(tree: Tree, clusters: Iterable[Cluster]) -> dict[str, bytes]:
    """Return the snapshot files that the inventory names, by path, as far as they exist."""
    named = set()
    for cluster in clusters:
        if isinstance(cluster.access, SnapshotAccess):
            named.add(cluster.access.file)
    files = []
    for path in sorted(named):
        entry = tree.entries.get(path)
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
    paths: list[str] = []
    unusable: dict[str, str] = {}
    for prefix in READ:
        paths += tree.paths(prefix)
        for item in tree.unusable(prefix):
            unusable[item.path] = item.reason
    for prefix in READ:
        folder = prefix.removesuffix("/")
        is_folder_prefix = folder != prefix
        # A file or link in the place of a folder: the folder would pass for empty, and all in it for removed.
        if is_folder_prefix and folder in tree:
            unusable[folder] = "is not a folder"
    return Files(tree.read(paths), unusable)


def _sources(repo: GitRepo, sha: str, paths: Iterable[str]) -> dict[str, Source]:
    """Return the commit that last changed each path, with a number that orders commits from old to new."""
    if sha == NO_COMMIT:
        return {}
    commits = repo.last_change(sha, set(paths))
    # `last_change` returns the newest commits first.
    newest_first = list(dict.fromkeys(commits.values()))
    oldest_first = reversed(newest_first)
    order = {commit: number for number, commit in enumerate(oldest_first)}
    return {path: Source(commit, order[commit]) for path, commit in commits.items()}
