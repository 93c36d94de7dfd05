"""`skyray log`: the decisions, from Git's history."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from reconciler.cli.output import columns, output_option, print_data
from reconciler.cli.repo_options import open_repo, repo_option


@click.command("log", short_help="Show the decisions, newest first.")
@click.argument("group", required=False, metavar="[NAMESPACE/GROUP]")
@repo_option
@click.option("--rev", metavar="REV", help="Look back from this commit, branch or tag.")
@click.option(
    "-n",
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many.",
)
@output_option
def command(
    group: str | None, repo: str, rev: str | None, limit: int, output: str
) -> None:
    """Show the decisions, newest first: all of them, or those on one group.

    \b
    skyray log -n 5
    skyray log team1/rayjob-train -o yaml
    """
    if group is not None and group.count("/") != 1:
        raise click.UsageError(
            f"{group!r} is not NAMESPACE/GROUP; `skyray get groups` lists them"
        )
    git = open_repo(repo)
    if group is not None:
        commits = git.log(rev, trailer=("SkyRay-Group", group), limit=limit)
    else:
        commits = git.log(rev, paths=("placements/",))
    data = [
        _document(commit) for commit in commits if "SkyRay-Group" in commit.trailers
    ][:limit]
    print_data(output, data, lambda: _table(data, group))


def _document(commit: Any) -> dict[str, str]:
    trailers = commit.trailers
    return {
        "commit": commit.sha,
        "time": datetime.fromtimestamp(commit.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "group": trailers.get("SkyRay-Group", ""),
        "action": trailers.get("SkyRay-Action", ""),
        "cluster": trailers.get("SkyRay-Cluster", ""),
        "reason": trailers.get("SkyRay-Reason", ""),
        "policy": trailers.get("SkyRay-Policy", ""),
        "source": trailers.get("SkyRay-Source", ""),
        "snapshot": trailers.get("SkyRay-Snapshot", ""),
        "message": commit.body,
    }


def _table(data: list[dict[str, str]], group: str | None) -> str:
    if not data:
        return f"no decisions on {group}" if group else "no decisions yet"
    rows = [
        (
            d["commit"][:10],
            d["time"],
            d["group"],
            d["action"],
            d["cluster"] or "-",
            d["reason"],
            d["source"][:10] or "-",
        )
        for d in data
    ]
    return columns(
        ("COMMIT", "TIME", "GROUP", "ACTION", "CLUSTER", "REASON", "SOURCE"), rows
    )
