"""`skyray reconcile`: run the loop once, or keep running it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from reconciler.cli.output import note, output_option, print_data, progress
from reconciler.cli.repo_options import open_repo, repo_option, snapshot_option

if TYPE_CHECKING:
    from reconciler.service.cycle import Cycle, Reconciler


@click.command(
    "reconcile", short_help="Place what was committed: decide, render, commit, push."
)
@repo_option
@snapshot_option
@click.option("--watch", is_flag=True, help="Go on, a cycle every --interval seconds.")
@click.option(
    "--interval",
    default=15.0,
    show_default=True,
    type=click.FloatRange(min=1),
    metavar="SECONDS",
)
@click.option(
    "--push",
    is_flag=True,
    help="From a checkout: also push the branch to where it comes from.",
)
@click.option(
    "--allow-removals",
    is_flag=True,
    help="Once, let a plan remove more than guards in fleet.yaml allow.",
)
@click.option(
    "--profile",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write where the time goes: until it ends, with --watch until interrupted.",
)
@output_option
def command(
    repo: str,
    snapshot: str | None,
    watch: bool,
    interval: float,
    push: bool,
    allow_removals: bool,
    profile: str | None,
    output: str,
) -> None:
    """Place what was committed: decide, render, commit, push.

    With a URL or a bare repository SkyRay works on its branch and pushes there. In a checkout it commits on the current
    branch and the files follow; uncommitted files are neither read nor touched.

    \b
    skyray reconcile                              once, in the checkout in this directory
    skyray reconcile --push                       and push
    skyray reconcile --repo https://git.example.com/fleet.git --watch

    \b
    skyray reconcile --profile cycle.pstats       and write where the time went; read it with
    python -m pstats cycle.pstats                 (sort cumulative, then stats 30), or with snakeviz
    """
    from reconciler.cli.profile import profiled
    from reconciler.errors import SkyRayError
    from reconciler.service.capacity import CapacityReader
    from reconciler.service.cycle import Reconciler

    if watch and allow_removals:
        raise click.UsageError(
            "--allow-removals is for one cycle: run it without --watch"
        )
    git = open_repo(repo)
    if push and git.work_tree is None:
        raise click.UsageError("--push is for a checkout; a URL is pushed to anyway")
    if push:
        git.check_upstream()
    reconciler = Reconciler(git, CapacityReader(snapshot), notice=progress)
    if not watch:
        with profiled(profile):
            cycle = reconciler.run(allow_removals=allow_removals)
        status = _report(cycle, output)
        if push:
            _push(reconciler)
        sys.exit(status)

    def report(result: Cycle | SkyRayError) -> None:
        if isinstance(result, SkyRayError):
            note(f"error: {result}")
            return
        if result.published.changed:
            _report(result, output)
        if push:
            _push(reconciler)

    with profiled(profile):
        reconciler.watch(interval, report)


def _push(reconciler: Reconciler) -> None:
    from reconciler.repo.ownership import SNAPSHOT_REF

    reconciler.repo.push_upstream([SNAPSHOT_REF])


def _report(cycle: Cycle, output: str) -> int:
    """Print what a cycle did; return the exit status."""
    from reconciler.service.report import errors_of, plan_document

    errors = errors_of(cycle.plan, cycle.state)
    document = {**plan_document(cycle.plan, errors), "published": cycle.published.tip}
    print_data(output, document, lambda: _table(cycle))
    if output == "table":
        for line in (*cycle.plan.warnings, *errors):
            note(line)
    return 1 if errors else 0


def _table(cycle: Cycle) -> str:
    from reconciler.cli.output import columns
    from reconciler.cli.plan import decision_row, left_text

    rows = [
        decision_row(decision) for decision in cycle.plan.decisions if decision.changed
    ]
    lines = []
    if rows:
        lines.append(columns(("GROUP", "ACTION", "CLUSTER", "REASON", "WHY"), rows))
    kept = len(cycle.plan.decisions) - len(rows)
    unchanged = f"{kept} group{'s' * (kept != 1)} as before"
    if cycle.published.changed:
        commits = len(cycle.plan.drafts)
        done = (
            f"{commits} commit{'s' * (commits != 1)}, now at {cycle.published.tip[:10]}"
        )
        lines.append(f"{done}; {unchanged}")
    else:
        lines.append(f"nothing to do: {unchanged}")
    if cycle.plan.left:
        lines.append(left_text(cycle.plan.left))
    return "\n".join(lines)
