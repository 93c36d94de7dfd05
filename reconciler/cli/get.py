"""`skyray get clusters|groups|placements|policies`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import click

from reconciler.cli.output import columns, output_option, print_data
from reconciler.cli.repo_options import (
    look_at_fleet,
    open_repo,
    read_repo,
    repo_option,
    rev_option,
    snapshot_option,
)


@click.command("get", short_help="List clusters, groups, placements or policies.")
@click.argument(
    "what", type=click.Choice(["clusters", "groups", "placements", "policies"])
)
@repo_option
@rev_option
@snapshot_option
@output_option
def command(
    what: str, repo: str, rev: str | None, snapshot: str | None, output: str
) -> None:
    """List clusters, groups, placements or policies.

    \b
    clusters     the inventory, with what is free now
    groups       every group, as a cycle would find it now
    placements   the decisions as they are committed
    policies     how many groups and clusters each policy selects

    \b
    skyray get clusters
    skyray get groups -o json | jq '.[] | select(.phase == "Pending")'
    """
    from reconciler.service import overview

    git = open_repo(repo)
    state = read_repo(git, rev)
    if what == "placements":
        rows = overview.placements(state)
    elif what == "policies":
        rows = overview.policies(state)
    else:
        now = time.time()
        list_rows = overview.clusters if what == "clusters" else overview.groups
        rows = list_rows(state, look_at_fleet(state, snapshot, now), now)
    print_data(output, rows, lambda: _TABLES[what](rows) if rows else f"no {what}")


def _clusters(rows: list[dict[str, Any]]) -> str:
    header = (
        "NAME",
        "K8S-VERSION",
        "K8S-CLUSTER",
        "REGION",
        "ZONE",
        "READY",
        "IDLE",
        "STANDBY",
        "GPUS-FREE",
        "GPUS",
    )
    table = columns(
        header, [_cluster(row) for row in rows], right=("GPUS-FREE", "GPUS")
    )
    messages = [f"{row['name']}: {row['message']}" for row in rows if row["message"]]
    return "\n".join([table, *messages])


def _cluster(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["name"],
        row["kubernetesVersion"] or "-",
        row["kubernetesCluster"] or "-",
        row["region"] or "-",
        row["zone"] or "-",
        "True" if row["ready"] else "False",
        "True" if row["idle"] else "False",
        row["standby"] or "-",
        _count(row["gpusFree"]),
        _count(row["gpus"]),
    )


def _count(number: int | None) -> str:
    """Return a number as text; of a cluster that cannot be read it is not known."""
    return "?" if number is None else str(number)


def _groups(rows: list[dict[str, Any]]) -> str:
    return columns(
        ("NAMESPACE", "GROUP", "PHASE", "CLUSTER", "POLICY", "PODS", "REASON"),
        [
            (
                r["namespace"],
                r["name"],
                r["phase"],
                _where(r),
                r["policy"] or "-",
                str(r["pods"]),
                r["reason"],
            )
            for r in rows
        ],
        right=("PODS",),
    )


def _placements(rows: list[dict[str, Any]]) -> str:
    return columns(
        ("NAMESPACE", "GROUP", "PHASE", "CLUSTER", "REASON", "SOURCE", "DECIDED"),
        [
            (
                r["namespace"],
                r["name"],
                r["phase"],
                _where(r),
                r["reason"],
                r["sourceCommit"][:10] or "-",
                _time(r),
            )
            for r in rows
        ],
    )


def _policies(rows: list[dict[str, Any]]) -> str:
    return columns(
        ("NAME", "PRIORITY", "GROUPS", "CLUSTERS", "REQUIRE", "GROUP-BY"),
        [
            (
                r["name"],
                str(r["priority"]),
                str(r["groups"]),
                ",".join(r["clusters"]) or "none",
                r["require"],
                r["groupBy"] or "-",
            )
            for r in rows
        ],
        right=("PRIORITY", "GROUPS"),
    )


def _where(row: dict[str, Any]) -> str:
    return ",".join(row["clusters"]) or "-"


def _time(row: dict[str, Any]) -> str:
    return datetime.fromtimestamp(row["decidedAt"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_TABLES = {
    "clusters": _clusters,
    "groups": _groups,
    "placements": _placements,
    "policies": _policies,
}
