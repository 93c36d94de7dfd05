"""Reads a revision, or a checkout with its uncommitted files, into a `RepoState`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from reconciler.errors import InputError, RepoError
from reconciler.fleet.inventory import Cluster, SnapshotAccess
from reconciler.fleet.settings import FILE as FLEET_FILE
from reconciler.fleet.settings import read_fleet
from reconciler.planning.memory import Memory
from reconciler.planning.state import READ, Files, RepoState, read_state
from reconciler.repo.repository import GitRepo
from reconciler.repo.tree import NO_COMMIT, Tree
from reconciler.workloads.files import ROOT as WORKLOADS
from reconciler.workloads.group import Source


def read_revision(repo: GitRepo, sha: str, memory: Memory | None = None) -> RepoState:
    """Return the state of the fleet repo at commit `sha`; `memory` is that of earlier cycles.

    Raises `InputError` as `read_state` does.
    """
    return _read(repo, repo.tree(sha), files_of(repo.tree(sha)), memory=memory)


def read_worktree(repo: GitRepo, change: Callable[[Files], Files] = lambda files: files) -> RepoState:
    """Return the state of a checkout as its files are now, with `change` made to them.

    What is not committed comes last in the queue.
    """
    tree = repo.worktree()
    return _read(repo, tree, change(files_of(tree)))


def read_merged(repo: GitRepo, sha: str, base: str) -> RepoState:
    """Return the workloads of `sha` on the settings of `base`: what a pull request proposes, and cannot bend."""
    proposed, settled = files_of(repo.tree(sha)), files_of(repo.tree(base))
    files = {p: d for p, d in settled.contents.items() if not _is_workload(p)}
    files |= {p: d for p, d in proposed.contents.items() if _is_workload(p)}
    links = {p: r for p, r in settled.unusable.items() if not _is_workload(p)}
    links |= {p: r for p, r in proposed.unusable.items() if _is_workload(p)}
    return replace(_read(repo, repo.tree(base), Files(files, links), sha), revision=sha)


def read_changed(repo: GitRepo, sha: str, change: Callable[[Files], Files]) -> RepoState:
    """Return the state of `sha` as it would be if a commit made `change` to its files."""
    tree = repo.tree(sha)
    return _read(repo, tree, change(files_of(tree)))


def _read(repo: GitRepo, tree: Tree, files: Files, sha: str = "", memory: Memory | None = None) -> RepoState:
    revision = sha or tree.revision
    state = read_state(revision, files, lambda paths: _sources(repo, revision, paths), memory)
    committed_at = 0.0 if revision == NO_COMMIT else repo.log(revision, limit=1)[0].time
    return replace(state, pictures=pictures_of(tree, state.clusters), committed_at=committed_at)


def _is_workload(path: str) -> bool:
    return path == WORKLOADS or path.startswith(f"{WORKLOADS}/")


def pictures_of(tree: Tree, clusters: Iterable[Cluster]) -> dict[str, bytes]:
    """Return the snapshot files that the inventory names, as far as they are there, by path."""
    wanted = {c.access.file for c in clusters if isinstance(c.access, SnapshotAccess)}
    return tree.read(p for p in sorted(wanted) if p in tree.entries and tree.entries[p].is_file)


def configured_branch(repo: GitRepo) -> str | None:
    """Return the branch that fleet.yaml on the repo's default branch names; None when it cannot tell."""
    try:
        tree = repo.tree(repo.head())
        return read_fleet(tree.read([FLEET_FILE])[FLEET_FILE]).branch if FLEET_FILE in tree.paths(FLEET_FILE) else None
    except (RepoError, InputError):
        return None  # whoever reads the repo next says what is wrong with it


def files_of(tree: Tree) -> Files:
    """Return everything in `tree` that a plan reads: contents, and what cannot be read (links, unsafe names)."""
    unusable = {item.path: item.reason for prefix in READ for item in tree.unusable(prefix)}
    for folder in (prefix.removesuffix("/") for prefix in READ if prefix.endswith("/")):
        if folder in tree:
            unusable[folder] = "is not a folder"
    return Files(tree.read(path for prefix in READ for path in tree.paths(prefix)), unusable)


def _sources(repo: GitRepo, sha: str, paths: Iterable[str]) -> dict[str, Source]:
    """Return the commit behind each path, and its place in history."""
    if sha == NO_COMMIT:
        return {}
    commits = repo.last_change(sha, set(paths))
    order = {commit: number for number, commit in enumerate(reversed(list(dict.fromkeys(commits.values()))))}
    return {path: Source(commit, order[commit]) for path, commit in commits.items()}
