"""`skyray explain NAMESPACE/GROUP`: why a group is on its cluster, or why it waits."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from reconciler.cli.output import (
    aligned,
    output_option,
    paragraph,
    print_data,
    text_width,
)
from reconciler.cli.repo_options import (
    look_at_fleet,
    open_repo,
    read_repo,
    repo_option,
    rev_option,
    snapshot_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.placement.decision import Decision
    from reconciler.placement.model import Candidate


@click.command(
    "explain", short_help="Say why a group is on its cluster, or why it waits."
)
@click.argument("group", metavar="NAMESPACE/GROUP")
@repo_option
@rev_option
@snapshot_option
@output_option
def command(
    group: str, repo: str, rev: str | None, snapshot: str | None, output: str
) -> None:
    """Say why a group is on its cluster, or why it waits: policy, reason, and each candidate cluster with numbers.

    For a placed group these are the reasons at the time of the decision, as they were committed. For a group that waits
    or is new they are what a cycle would find now. `*` marks the clusters that the group is on.

    \b
    skyray explain team1/rayjob-train
    """
    import time

    from reconciler.planning.pipeline import decide_groups
    from reconciler.service.report import explanation_document
    from reconciler.workloads.group import GroupKey

    namespace, slash, name = group.partition("/")
    if not (namespace and slash and name):
        raise click.UsageError(
            f"{group!r} is not NAMESPACE/GROUP; `skyray get groups` lists them"
        )
    git = open_repo(repo)
    state = read_repo(git, rev, uncommitted=True)
    now = time.time()
    decisions = decide_groups(state, look_at_fleet(state, snapshot, now), now).decisions
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
    click.echo(
        f"error: there is no group {group}: {hint}`skyray get groups` lists them",
        err=True,
    )
    sys.exit(1)


def _text(decision: Decision) -> str:
    width = text_width()
    facts = _facts(decision)
    margin = max(len(name) for name, _ in facts) + 2
    lines = []
    for name, values in facts:
        below = "\n".join(paragraph(value, width, margin) for value in values)
        lines.append(name.ljust(margin) + below.lstrip())
    if decision.candidates:
        lines += ["", *_candidates(decision, width)]
    return "\n".join(lines)


def _facts(decision: Decision) -> list[tuple[str, Sequence[str]]]:
    """Return what is known of the group: the name of each fact, and its values, one a line."""
    placement = decision.placement
    commit = placement.source_commit[:10] if placement else ""
    files = placement.sources if placement else ()
    return [
        ("group", [str(decision.group)]),
        ("phase", [str(decision.phase)]),
        ("cluster", [_clusters(decision)]),
        ("reason", [decision.reason, decision.message]),
        ("policy", [decision.policy or "-"]),
        ("source", [commit or "not committed yet", *files]),
    ]


def _clusters(decision: Decision) -> str:
    if len(decision.clusters) < 2:
        return "".join(decision.clusters) or "-"
    return ", ".join(f"{copy.cluster} {copy.share}%" for copy in decision.copies)


def _candidates(decision: Decision, width: int) -> list[str]:
    """Return a table of the candidates, with each one's numbers and cost below its row, a clause a line."""
    chosen = set(decision.clusters)
    rows = [_row(candidate, chosen) for candidate in decision.candidates]
    header, *found = aligned(("", "CLUSTER", "VERDICT", "REASON"), rows)
    lines = [header]
    for line, candidate in zip(found, decision.candidates, strict=True):
        lines.append(line)
        lines += [
            paragraph(clause, width, indent=5)
            for clause in candidate.message.split("; ")
        ]
    return lines


def _row(candidate: Candidate, chosen: set[str]) -> tuple[str, str, str, str]:
    mark = "*" if candidate.cluster in chosen else ""
    verdict = str(candidate.verdict)
    # A cluster that fits has its verdict as its reason.
    reason = "-" if candidate.reason == verdict else candidate.reason
    return mark, candidate.cluster, verdict, reason
