"""What commands print: data to standard output, everything else to standard error.

Tables are plain aligned text without colour, so that they can be piped, diffed and pasted into a pull request.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

FORMATS = ("table", "json", "yaml")


def output_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the shared option `-o table|json|yaml` as the argument `output`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="How to print: for people (table) or for programs (json, yaml).",
    )(command)


def print_data(output: str, data: Any, table: Callable[[], str]) -> None:
    """Print `data` as JSON or YAML, or the text that `table` makes. Nothing is printed for an empty table."""
    if output == "json":
        import orjson

        click.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())
    elif output == "yaml":
        from reconciler.manifests.emitter import emit

        click.echo(emit(data).decode(), nl=False)
    elif text := table():
        click.echo(text)


def columns(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> str:
    """Align `rows` under `header`, two spaces between columns; the columns named in `right` are flush right."""
    table = [list(header), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = []
    for row in table:
        cells = [
            cell.rjust(width) if name in right else cell.ljust(width)
            for cell, width, name in zip(row, widths, header, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def note(text: str) -> None:
    """Print one line for people on standard error."""
    click.echo(text, err=True)


def progress(text: str) -> None:
    """Say what is going on, on standard error, where a person watches; silent in pipes and logs."""
    if sys.stderr.isatty():
        click.echo(text, err=True)
