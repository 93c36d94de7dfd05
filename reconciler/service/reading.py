"""Reads a revision, or a checkout with its uncommitted files, into a `RepoState`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

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


def read_revision(repo: GitRepo, sha: str, cache: PlanCache | None = None) -> RepoState:
    """Return the state of the fleet repo at commit `sha`; `cache` is that of earlier cycles.

    Raises `InputError` as `read_state` does.
    """
    return _read(repo, repo.tree(sha), files_of(repo.tree(sha)), cache=cache)


def read_worktree(
    repo: GitRepo, change: Callable[[Files], Files] = lambda files: files
) -> RepoState:
    """Return the state of a checkout as its files are now, with `change` made to them.

    What is not committed comes last in the queue.
    """
    tree = repo.worktree()
    return _read(repo, tree, change(files_of(tree)))


def read_merged(repo: GitRepo, sha: str, base: str) -> RepoState:
    """Return the workloads of `sha` on the settings of `base`, since a pull request must not change its own rules."""
    proposed, settled = files_of(repo.tree(sha)), files_of(repo.tree(base))
    files = {p: d for p, d in settled.contents.items() if not _is_workload(p)}
    files |= {p: d for p, d in proposed.contents.items() if _is_workload(p)}
    links = {p: r for p, r in settled.unusable.items() if not _is_workload(p)}
    links |= {p: r for p, r in proposed.unusable.items() if _is_workload(p)}
    return replace(_read(repo, repo.tree(base), Files(files, links), sha), revision=sha)


def read_changed(
    repo: GitRepo, sha: str, change: Callable[[Files], Files]
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
    state = read_state(
        revision, files, lambda paths: _sources(repo, revision, paths), cache
    )
    committed_at = 0.0 if revision == NO_COMMIT else repo.log(revision, limit=1)[0].time
    return replace(
        state,
        pictures=snapshot_files_of(tree, state.clusters),
        committed_at=committed_at,
    )


def _is_workload(path: str) -> bool:
    return path == WORKLOADS or path.startswith(f"{WORKLOADS}/")


def snapshot_files_of(tree: Tree, clusters: Iterable[Cluster]) -> dict[str, bytes]:
    """Return the snapshot files that the inventory names, by path, as far as they exist."""
    named = {
        cluster.access.file
        for cluster in clusters
        if isinstance(cluster.access, SnapshotAccess)
    }
    files = [
        path
        for path in sorted(named)
        if path in tree.entries and tree.entries[path].is_file
    ]
    return tree.read(files)


def configured_branch(repo: GitRepo) -> str | None:
    """Return the branch that fleet.yaml on the repo's default branch names; None where it cannot be read."""
    try:
        tree = repo.tree(repo.head())
        if FLEET_FILE not in tree.paths(FLEET_FILE):
            return None
        return read_fleet(tree.read([FLEET_FILE])[FLEET_FILE]).branch
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
        if folder != prefix and folder in tree:
            unusable[folder] = "is not a folder"
    return Files(tree.read(paths), unusable)


def _sources(repo: GitRepo, sha: str, paths: Iterable[str]) -> dict[str, Source]:
    """Return the commit that last changed each path, with a number that orders commits from old to new."""
    if sha == NO_COMMIT:
        return {}
    commits = repo.last_change(sha, set(paths))
    newest_first = list(dict.fromkeys(commits.values()))
    order = {commit: number for number, commit in enumerate(reversed(newest_first))}
    return {path: Source(commit, order[commit]) for path, commit in commits.items()}
