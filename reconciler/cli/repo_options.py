"""The options that commands on a fleet repo share, and opening that repo."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from reconciler.fleet.snapshot import FleetSnapshot
    from reconciler.planning.state import RepoState
    from reconciler.repo.repository import GitRepo


def repo_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--repo PATH|URL` as the argument `repo`."""
    return click.option(
        "--repo",
        default=".",
        show_default=True,
        metavar="PATH|URL",
        help="The fleet repo: a checkout, a bare repository, or an https, ssh or file URL.",
    )(command)


def rev_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--rev REV` as the argument `rev`."""
    return click.option(
        "--rev",
        metavar="REV",
        help="Read this commit, branch or tag; uncommitted files are left out.",
    )(command)


def snapshot_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--snapshot FILE` as the argument `snapshot`."""
    return click.option(
        "--snapshot",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Use this capacity (what `skyray snapshot` printed) instead of reading the clusters.",
    )(command)


def open_repo(repo: str) -> GitRepo:
    """Open the fleet repo that `--repo` names: a checkout on its current branch, others on fleet.yaml's branch.

    Raises `RepoError`.
    """
    from reconciler.repo.repository import GitRepo
    from reconciler.service.reading import configured_branch

    git = GitRepo.open(repo)
    branch = configured_branch(git) if git.work_tree is None else None
    return git if branch in {None, git.branch} else GitRepo.open(repo, branch)


def read_repo(
    repo: GitRepo, rev: str | None, *, uncommitted: bool = False
) -> RepoState:
    """Read the state at `rev`, or at the branch's tip; with `uncommitted` a checkout's files as they are now."""
    from reconciler.cli.output import note
    from reconciler.repo.tree import NO_COMMIT
    from reconciler.service.reading import read_revision, read_worktree

    if rev is None and uncommitted and repo.work_tree is not None:
        tree = repo.worktree()
        state = read_worktree(repo, tree=tree)
        if state.revision == NO_COMMIT:
            note("reading uncommitted files; nothing is committed yet")
        elif tree.entries != repo.tree(state.revision).entries:
            note(
                f"reading uncommitted files too (on {state.revision[:10]}); --rev HEAD leaves them out"
            )
        return state
    return read_revision(repo, repo.head(rev))


def look_at_fleet(state: RepoState, snapshot: str | None, now: float) -> FleetSnapshot:
    """Return the capacity that `--snapshot` names, else look at the clusters; `now` is in unix seconds."""
    from reconciler.cli.output import progress
    from reconciler.service.capacity import CapacityReader

    if snapshot is None:
        progress(f"looking at {len(state.clusters)} clusters")
    return CapacityReader(snapshot)(state, now)
