"""`skyray init`: make a new fleet repo."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.output import note
from reconciler.render.engines import ENGINES


@click.command(
    "init", short_help="Make a new fleet repo, or add what is missing to one."
)
@click.argument(
    "directory", default=".", type=click.Path(file_okay=False, path_type=Path)
)
@click.option("--name", help="The fleet's name. [default: the directory's]")
@click.option(
    "--engine",
    type=click.Choice(list(ENGINES)),
    help="What syncs clusters/ to the clusters. [default: what fleet.yaml says, else argocd]",
)
@click.option(
    "--url",
    default="https://git.example.com/fleet.git",
    show_default=True,
    help="Where the engine will find this repo; it is written into argocd/ or flux/.",
)
def command(directory: Path, name: str | None, engine: str | None, url: str) -> None:
    """Make a new fleet repo in DIRECTORY, or add what is missing to one. Files that exist are never changed.

    \b
    skyray init my-fleet
    cd my-fleet && skyray validate
    """
    from reconciler.errors import UsageError
    from reconciler.repo.start import enclosing_checkout, start_repo
    from reconciler.service.scaffold import lay_down

    top = enclosing_checkout(directory)
    if top is not None and top != directory.resolve() and (top / "fleet.yaml").exists():
        raise UsageError(
            f"{directory} is inside the fleet repo {top}: run `skyray init` there, or elsewhere"
        )
    name = name or directory.resolve().name.lower().replace("_", "-").replace(" ", "-")
    done = lay_down(directory, name, engine, url)
    fresh = start_repo(directory)
    for path in done.written:
        click.echo(f"  + {directory / path}")
    if done.kept:
        note(f"{len(done.kept)} files exist already and stay as they are")
    click.echo("")
    if fresh:
        click.echo(f"A new git repository is in {directory}; nothing is committed yet.")
    click.echo(
        "Next: add a file per cluster to inventory/, then `skyray validate`, commit, and `skyray plan`."
    )
    if (directory / "flux").is_dir():
        click.echo(
            "For Flux, run `skyray init` again after that: it adds a file per cluster to flux/clusters/."
        )
