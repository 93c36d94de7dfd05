"""The `skyray` command: a table of commands, each in a module of its own that is imported only when it is used.

That keeps `skyray --help` and `skyray size` at a quarter of a second (docs/decisions/0004-click-and-plain-tables.md).
Each error of SkyRay ends here as a line on standard error, and as the exit status of its kind: 0 success, 1 findings, 2
wrong usage, 3 not possible now.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import sys
from typing import Any

import click

from reconciler import __version__
from reconciler.errors import SkyRayError

COMMANDS: dict[str, str] = {
    "init": "Make a new fleet repo, or add what is missing to one.",
    "validate": "Check every file of the fleet repo, also uncommitted ones.",
    "size": "Show the pods and requests that manifests ask for.",
    "plan": "Show where each group would run, why, and what would change.",
    "reconcile": "Place what was committed: decide, render, commit, push.",
    "get": "List clusters, groups, placements or policies.",
    "explain": "Say why a group is on its cluster, or why it waits.",
    "log": "Show the decisions, newest first.",
    "policy": "List, show, add and try out policies.",
    "snapshot": "Save the fleet's capacity as a snapshot.",
    "demo": "Play a story, such as fill-and-spill, on a new fleet repo.",
    "completion": "Print the shell's completion script.",
}


class LazyGroup(click.Group):
    """Looks a command up in `COMMANDS` and imports `reconciler.cli.<name>` when it is run."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the commands in the order in which a new user needs them."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Import the command's module and return its `command`; None when there is no such command."""
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(
            f"reconciler.cli.{name}"
        ).command
        return command

    def format_commands(
        self, _ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """List the commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command, and suggest the nearest one for a typing slip."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = (
                f"Did you mean {close[0]!r}?"
                if close
                else "`skyray --help` lists them."
            )
            raise click.UsageError(f"There is no command {args[0]!r}. {hint}", ctx)
        return super().resolve_command(ctx, args)


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="skyray")
def cli() -> None:
    """Run Ray on many Kubernetes clusters through Git.

    Commit a RayJob, RayCluster or RayService to workloads/NAMESPACE/ of a fleet repo; SkyRay places it by policy on a
    cluster that has room for all of its pods, and commits the overlay that Argo CD or Flux syncs.

    Start with `skyray demo`, or with `skyray init my-fleet`.
    """


def main() -> None:
    """Run the command line; never return."""
    _collect_garbage_seldom()
    try:
        status = cli.main(standalone_mode=False)
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except SkyRayError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_status)
    except OSError as error:
        click.echo(
            f"error: {error.filename or 'this machine'}: {error.strerror or error}",
            err=True,
        )
        sys.exit(3)
    sys.exit(status if isinstance(status, int) else 0)


def _collect_garbage_seldom() -> None:
    """Let Python look for garbage seldom while the command runs, and not at all when it ends.

    Nearly all objects of a command live until it ends. By default Python looks through the youngest of them after every
    700 new ones, and through all of them at the end, where their memory is given back anyway.
    """
    gc.set_threshold(200_000)
    atexit.register(gc.freeze)
