"""`skyray explain NAMESPACE/GROUP`: why is it where it is?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from reconciler.cli.output import columns, output_option, print_data
from reconciler.cli.repo_options import look_at_fleet, open_repo, read_repo, repo_option, rev_option, snapshot_option

if TYPE_CHECKING:
    from reconciler.placement.decision import Decision


@click.command("explain", short_help="Tell why a group is where it is.")
@click.argument("group", metavar="NAMESPACE/GROUP")
@repo_option
@rev_option
@snapshot_option
@output_option
def command(group: str, repo: str, rev: str | None, snapshot: str | None, output: str) -> None:
    """Tell why a group is where it is, or why it waits: policy, clusters considered, and the numbers.

    For a placed group these are the reasons at the time of the decision, as they were committed; for one that waits or
    is new they are what a cycle would find now.

    \b
    skyray explain team1/rayjob-train
    """
    import time

    from reconciler.planning.pipeline import decide_groups
    from reconciler.service.report import explanation_document
    from reconciler.workloads.group import GroupKey

    namespace, slash, name = group.partition("/")
    if not (namespace and slash and name):
        raise click.UsageError(f"{group!r} is not NAMESPACE/GROUP; `skyray get groups` lists them")
    git = open_repo(repo)
    state = read_repo(git, rev, uncommitted=True)
    now = time.time()
    decisions, _ = decide_groups(state, look_at_fleet(state, snapshot, now), now)
    by_group = {decision.group: decision for decision in decisions}
    found = by_group.get(GroupKey(namespace, name))
    if found is None:
        _unknown(group, [str(key) for key in by_group])
        return
    print_data(output, explanation_document(found), lambda: _text(found))


def _unknown(group: str, known: list[str]) -> None:
    import difflib

    close = difflib.get_close_matches(group, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    click.echo(f"error: there is no group {group}: {hint}`skyray get groups` lists them", err=True)
    sys.exit(1)


def _text(decision: Decision) -> str:
    record = decision.placement
    where = ", ".join(decision.clusters) or "-"
    facts = [
        ("group", str(decision.group)),
        ("cluster", where),
        ("phase", str(decision.phase)),
        ("reason", decision.reason),
        ("policy", decision.policy or "-"),
        ("source", (record.source_commit[:10] if record else "") or "not committed yet"),
        ("files", ", ".join(record.sources) if record else "-"),
    ]
    width = max(len(name) for name, _ in facts)
    lines = [f"{name.ljust(width)}  {value}" for name, value in facts]
    lines += ["", decision.message]
    if decision.candidates:
        rows = [(c.cluster, str(c.verdict), c.reason, c.message) for c in decision.candidates]
        lines += ["", columns(("CLUSTER", "VERDICT", "REASON", "WHY"), rows)]
    return "\n".join(lines)
