"""`skyray policy list|show|add|test`: the ready-made policies, and trying a policy out before it is committed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.output import columns, note, output_option, print_data
from reconciler.cli.repo_options import (
    look_at_fleet,
    open_repo,
    repo_option,
    rev_option,
    snapshot_option,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.planning.files import Files
    from reconciler.planning.state import RepoState
    from reconciler.repo.repository import GitRepo
    from reconciler.service.policy_trial import Change, Trial, Tried


@click.group("policy", short_help="List, show, add and try out policies.")
def command() -> None:
    """List, show and add the policies that come with SkyRay, and try one out before it is committed.

    \b
    skyray policy list                   a policy for each scenario, with when to use it
    skyray policy show fill-and-spill    the file, with its comments
    skyray policy add fill-and-spill     write it into the checkout in this directory
    skyray policy test policies/a.yaml   what it selects, and what would change
    """


@command.command("list", short_help="List the policies that come with SkyRay.")
@output_option
def list_ready_made(output: str) -> None:
    """List the policies that come with SkyRay, with when to use each.

    \b
    skyray policy list
    """
    from reconciler.service.ready_made import ready_made

    found = ready_made()
    rows = [
        {"name": policy.name, "title": policy.title, "use": policy.use}
        for policy in found
    ]
    lines = []
    for policy in found:
        # A table has room for the first clause; `show` prints all of it.
        use = policy.use.split(": ")[0].split(". ")[0].rstrip(".")
        lines.append((policy.name, f"{policy.title}. {use}."))
    print_data(output, rows, lambda: columns(("NAME", "WHAT FOR"), lines))


@command.command("show", short_help="Print a policy that comes with SkyRay.")
@click.argument("name")
@output_option
def show(name: str, output: str) -> None:
    """Print a policy that comes with SkyRay: as the file that `add` writes, or what it says as data.

    \b
    skyray policy show divide
    skyray policy show divide -o json
    """
    from reconciler.manifests.loader import load
    from reconciler.service.ready_made import find

    policy = find(name)
    documents = load(policy.data, policy.path).documents
    print_data(
        output,
        [document.body for document in documents],
        lambda: policy.data.decode().rstrip("\n"),
    )


@command.command("add", short_help="Write one of these policies into a checkout.")
@click.argument("name")
@repo_option
def add(name: str, repo: str) -> None:
    """Write a policy that comes with SkyRay to policies/NAME.yaml of a checkout, and say what to edit.

    A file that is there already is never changed. Nothing is committed.

    \b
    skyray policy add fill-and-spill
    skyray policy add cost --repo ~/my-fleet
    """
    from reconciler.errors import UsageError
    from reconciler.service import ready_made
    from reconciler.service.reading import read_worktree

    policy = ready_made.find(name)
    git = open_repo(repo)
    if git.work_tree is None:
        raise UsageError(
            f"{git.shown} has no checkout to write to: clone it, and run this in the clone"
        )
    state = read_worktree(git)
    ready_made.add(policy, git.work_tree, state)
    click.echo(f"wrote {policy.path}\n\nCheck that it is what you mean:")
    for line in ready_made.advice(policy.policies, state):
        click.echo(f"  {line}")
    click.echo(f"\nNext: edit it, `skyray policy test {policy.path}`, and commit it.")


@command.command("test", short_help="Show what a policy matches and would change.")
@click.argument("file", metavar="FILE|NAME")
@repo_option
@rev_option
@snapshot_option
@output_option
def test(
    file: str, repo: str, rev: str | None, snapshot: str | None, output: str
) -> None:
    """Show which workloads and clusters a policy matches, and what would change if it were committed.

    FILE is compared with what is committed, or with a checkout's files where nothing is committed yet; a policy of the
    same name is replaced. NAME is a policy that comes with SkyRay. Nothing is written. Exit status 1 when a workload
    under the policy would not be placed.

    \b
    skyray policy test policies/fill-and-spill.yaml
    skyray policy test cost
    """
    import time

    from reconciler.service.policy_trial import attempt, policies_in, with_file

    git = open_repo(repo)
    shown, path, data = _source(file, git)
    policies = policies_in(shown, data)
    replaced = {policy.name for policy in policies} if path is None else set()
    target = path or f"policies/{Path(shown).name}"
    before, after = _both(
        git, rev, path, lambda files: with_file(files, target, data, replaced)
    )
    now = time.time()
    trial = attempt(before, after, policies, look_at_fleet(before, snapshot, now), now)
    print_data(output, _document(trial), lambda: _text(trial))
    if output == "table":
        for line in trial.warnings:
            note(line)
    sys.exit(1 if trial.unplaced else 0)


def _both(
    git: GitRepo, rev: str | None, path: str | None, change: Callable[[Files], Files]
) -> tuple[RepoState, RepoState]:
    """Return what is committed, and that with `change` made; the file `path` of the checkout is what is tried.

    Before the first commit all files of the checkout but `path` count as committed.
    """
    from reconciler.repo.tree import NO_COMMIT
    from reconciler.service.reading import read_changed, read_revision, read_worktree

    tree = git.worktree() if rev is None and git.work_tree is not None else None
    if tree is not None and tree.revision == NO_COMMIT:
        note("reading uncommitted files; nothing is committed yet")
        return read_worktree(git, lambda files: files.without(path)), read_worktree(
            git, change
        )
    sha = git.head(rev)
    if tree is not None:
        uncommitted = dict(tree.entries)
        committed = dict(git.tree(sha).entries)
        # The file that is tried is compared in any case.
        for entries in (uncommitted, committed):
            entries.pop(path or "", None)
        if uncommitted != committed:
            note(
                f"comparing with what is committed ({sha[:10]}); uncommitted files are left out"
            )
    return read_revision(git, sha), read_changed(git, sha, change)


def _source(file: str, git: GitRepo) -> tuple[str, str | None, bytes]:
    """Return what to call the file that the user means, its path if it lies under the repo's policies/, its bytes."""
    from reconciler.errors import UsageError
    from reconciler.service import ready_made

    given = Path(file)
    if not given.is_file() and given.name == file and not given.suffix:
        policy = ready_made.find(file)
        return policy.path, None, policy.data
    if not given.is_file():
        raise UsageError(
            f"there is no file {file}: name a file, or a policy that `skyray policy list` lists"
        )
    top = git.work_tree
    inside = top is not None and given.resolve().is_relative_to(
        top.resolve() / "policies"
    )
    path = (
        str(given.resolve().relative_to(top.resolve()))
        if top is not None and inside
        else None
    )
    return path or file, path, given.read_bytes()


def _document(trial: Trial) -> dict[str, Any]:
    from reconciler.service.report import decision_document

    changes = []
    for change in trial.changes:
        group = {"namespace": change.group.namespace, "name": change.group.name}
        before = decision_document(change.before) if change.before else None
        after = decision_document(change.after) if change.after else None
        changes.append({"group": group, "before": before, "after": after})
    return {
        "policies": [_policy_document(tried) for tried in trial.policies],
        "changes": changes,
        "files": [
            {"path": path, "action": action} for path, action in trial.files.items()
        ],
        "unplaced": [decision_document(decision) for decision in trial.unplaced],
        "warnings": list(trial.warnings),
    }


def _policy_document(tried: Tried) -> dict[str, Any]:
    allowed = tried.eligibility
    clusters = []
    for number, tier in enumerate(allowed.tiers, 1):
        clusters += [{"name": name, "tier": number} for name in tier.clusters]
    return {
        "name": tried.policy.name,
        "replaces": str(tried.replaces) if tried.replaces else None,
        "require": str(allowed.require),
        "clusters": clusters,
        "refused": [
            {"cluster": r.cluster, "reason": r.reason, "message": r.message}
            for r in allowed.refused
        ],
        "groups": [
            {"namespace": key.namespace, "name": key.name} for key in tried.groups
        ],
        "outranked": [
            {
                "kind": key.kind,
                "namespace": key.namespace,
                "name": key.name,
                "policy": policy,
            }
            for key, policy in tried.outranked
        ],
    }


_SHOWN = 8


def _text(trial: Trial) -> str:
    parts = [_policy_text(tried) for tried in trial.policies]
    rows = [_change_row(change) for change in trial.changes]
    if rows:
        parts.append(
            "If it were committed:\n" + columns(("GROUP", "NOW", "THEN", "WHY"), rows)
        )
    elif trial.files:
        parts.append("If it were committed, every group would stay where it is.")
    else:
        parts.append("If it were committed, nothing would change.")
    if trial.files:
        parts.append(f"Files that would be written: {_some(list(trial.files))}")
    if trial.unplaced:
        parts.append(
            "Without a place: "
            + _some([str(decision.group) for decision in trial.unplaced])
        )
    return "\n\n".join(parts)


def _change_row(change: Change) -> tuple[str, str, str, str]:
    return (
        str(change.group),
        _where(change.before),
        _where(change.after),
        _why(change.after),
    )


def _policy_text(tried: Tried) -> str:
    from reconciler.service.ready_made import applies_to

    status = f"instead of {tried.replaces}" if tried.replaces else "new"
    lines = [
        f"policy {tried.policy.name}, {status}",
        f"  applies to {applies_to(tried.policy)}",
    ]
    count = len(tried.groups)
    lines.append(f"  selects {count} group{'s' * (count != 1)}{_listed(tried.groups)}")
    if tried.outranked:
        objects = [str(key) for key, _ in tried.outranked]
        others = sorted({policy for _, policy in tried.outranked})
        lines.append(
            f"  would select, but policy {_some(others)} comes first: {_some(objects)}"
        )
    tiers = [" or ".join(tier.clusters) for tier in tried.eligibility.tiers]
    lines.append(f"  clusters: {', then '.join(tiers) if tiers else 'none'}")
    refused = tried.eligibility.refused
    lines += [
        f"  not {refusal.cluster}: {refusal.message}" for refusal in refused[:_SHOWN]
    ]
    if len(refused) > _SHOWN:
        lines.append(f"  and not {len(refused) - _SHOWN} more")
    return "\n".join(lines)


def _listed(groups: Any) -> str:
    return f": {_some([str(group) for group in groups])}" if groups else ""


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (
        f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    )


def _where(decision: Any) -> str:
    if decision is None:
        return "-"
    return ",".join(decision.clusters) or str(decision.phase)


def _why(decision: Any) -> str:
    return (
        f"{decision.reason}: {decision.message}"
        if decision
        else "no policy selects it any more"
    )
