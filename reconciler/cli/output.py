"""What commands print: data to standard output, everything else to standard error.

Tables are plain aligned text without colour, so that they can be piped, diffed and pasted into a pull request.
"""

from __future__ import annotations

import shutil
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
    """Align `rows` under `header`, two spaces between columns; the columns named in `right` are flush right.

    On a terminal a row that is too long goes on below, indented; in pipes and files a row is one line.
    """
    table = [list(header), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = []
    for row in table:
        cells = [
            cell.rjust(width) if name in right else cell.ljust(width)
            for cell, width, name in zip(row, widths, header, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    if not sys.stdout.isatty():
        return "\n".join(lines)
    margin = sum(widths[:-1]) + 2 * (len(widths) - 1)
    return "\n".join(_wrapped(line, margin, shutil.get_terminal_size().columns) for line in lines)


_NARROW = 40
"""A last column of fewer characters is not worth being kept: what is too long goes below the whole row."""


def _wrapped(line: str, margin: int, width: int) -> str:
    """Break a line that is wider than the terminal in its last column, which begins at `margin`."""
    if len(line) <= width or not line[margin:]:
        return line
    import textwrap

    beside = width - margin >= _NARROW
    indent = margin if beside else 4
    room = max(width - indent, _NARROW)
    below = textwrap.wrap(line[margin:], room, break_long_words=False, break_on_hyphens=False)
    head = line[:margin] + below.pop(0) if beside else line[:margin].rstrip()
    return "\n".join([head, *(" " * indent + one for one in below)])


def note(text: str) -> None:
    """Print one line for people on standard error."""
    click.echo(text, err=True)


def progress(text: str) -> None:
    """Say what is going on, on standard error, where a person watches; silent in pipes and logs."""
    if sys.stderr.isatty():
        click.echo(text, err=True)
