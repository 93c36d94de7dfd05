"""`skyray snapshot`: save the fleet's capacity as a snapshot."""

from __future__ import annotations

import time

import click

from reconciler.cli.output import note
from reconciler.cli.repo_options import (
    look_at_fleet,
    open_repo,
    read_repo,
    repo_option,
    rev_option,
)


@click.command("snapshot", short_help="Save the fleet's capacity as a snapshot.")
@repo_option
@rev_option
@click.option(
    "--cluster", metavar="NAME", help="Only this cluster, as a file for the inventory."
)
def command(repo: str, rev: str | None, cluster: str | None) -> None:
    """Print a snapshot of the fleet's capacity as JSON, for `plan --snapshot` and the inventory's snapshot files.

    \b
    skyray snapshot > fleet.json && skyray plan --snapshot fleet.json
    skyray snapshot --cluster gpu-west > snapshots/gpu-west.json
    """
    from reconciler.errors import Unreachable
    from reconciler.fleet.snapshot import Unreadable
    from reconciler.fleet.snapshot_file import write_cluster, write_fleet_snapshot

    git = open_repo(repo)
    state = read_repo(git, rev)
    names = [c.name for c in state.clusters]
    if cluster is not None and cluster not in names:
        raise click.UsageError(
            f"the inventory has no cluster {cluster!r}; it has {', '.join(names) or 'none'}"
        )
    fleet = look_at_fleet(state, None, time.time())
    for name, capacity in fleet.clusters.items():
        if isinstance(capacity, Unreadable) and cluster in {None, name}:
            note(f"{name}: {capacity.reason}")
    if cluster is None:
        click.echo(write_fleet_snapshot(fleet).decode())
        return
    chosen = fleet.clusters[cluster]
    if isinstance(chosen, Unreadable):
        raise Unreachable(f"{cluster} cannot be read: {chosen.reason}")
    click.echo(write_cluster(chosen).decode())
