"""`skyray plan`: what a cycle would do, without doing it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.output import columns, note, output_option, print_data
from reconciler.cli.repo_options import (
    look_at_fleet,
    open_repo,
    read_repo,
    repo_option,
    rev_option,
    snapshot_option,
)

if TYPE_CHECKING:
    from reconciler.planning.plan import Plan


@click.command(
    "plan", short_help="Show where each group would run, why, and what would change."
)
@repo_option
@rev_option
@click.option(
    "--base",
    metavar="REV",
    help="Take policies and inventory from this revision (a pull request's target).",
)
@snapshot_option
@output_option
def command(
    repo: str, rev: str | None, base: str | None, snapshot: str | None, output: str
) -> None:
    """Show where each group would run, why, and what would change. Nothing is written.

    In a checkout the uncommitted files count too. Exit status 1 when a workload is invalid.

    \b
    skyray plan                         the checkout in this directory
    skyray plan --rev my-branch --base main    what a pull request would do
    skyray plan -o json | jq .decisions
    """
    import time

    from reconciler.planning.pipeline import preview
    from reconciler.service.report import errors_of, plan_document

    git = open_repo(repo)
    if base is not None:
        from reconciler.service.reading import read_merged

        state = read_merged(git, git.head(rev), git.head(base))
    else:
        state = read_repo(git, rev, uncommitted=True)
    now = time.time()
    made = preview(state, look_at_fleet(state, snapshot, now), now)
    errors = errors_of(made, state)
    print_data(output, plan_document(made, errors), lambda: _table(made))
    if output == "table":
        for line in (*made.warnings, *errors):
            note(line)
    sys.exit(1 if errors else 0)


def _table(made: Plan) -> str:
    rows = [decision_row(decision) for decision in made.decisions]
    table = "nothing to place: workloads/ has no object that a policy matches"
    if rows:
        table = columns(("GROUP", "ACTION", "CLUSTER", "REASON", "WHY"), rows)
    elif not made.drafts:
        return table
    files = f"{len(made.changes)} file{'s' * (len(made.changes) != 1)} would change"
    commits = f"{len(made.drafts)} commit{'s' * (len(made.drafts) != 1)}"
    lines = [table, ""]
    lines.append(f"{files}, in {commits}." if made.drafts else "Nothing would change.")
    if made.left:
        lines.append(left_text(made.left))
    return "\n".join(lines)


def left_text(left: int) -> str:
    """Return the sentence about the groups that wait for the next cycle."""
    groups = "group is" if left == 1 else "groups are"
    return f"{left:,} {groups} left for the next cycle (limits.decisionsPerCycle)."


def decision_row(decision: Any) -> tuple[str, str, str, str, str]:
    """Return one decision as a table row: group, action, cluster, reason, message."""
    where = ",".join(decision.clusters) or "-"
    return (
        str(decision.group),
        str(decision.action),
        where,
        decision.reason,
        decision.message,
    )
