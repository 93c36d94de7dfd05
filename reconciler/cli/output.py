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


def columns(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()
) -> str:
    """Align `rows` under `header`, two spaces between columns; the columns named in `right` are flush right.

    On a terminal a row that is too long goes on below, indented; in pipes and files a row is one line.
    """
    lines = aligned(header, rows, right=right)
    if not sys.stdout.isatty():
        return "\n".join(lines)
    width = shutil.get_terminal_size().columns
    margin = sum(_widths(header, rows)[:-1]) + len(_GAP) * (len(header) - 1)
    return "\n".join(_wrapped(line, margin, width) for line in lines)


_GAP = "  "


def aligned(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()
) -> list[str]:
    """Return the header and each row as one line, however long, with the columns aligned."""
    widths = _widths(header, rows)
    lines = []
    for row in [header, *rows]:
        cells = []
        for cell, width, name in zip(row, widths, header, strict=True):
            cells.append(cell.rjust(width) if name in right else cell.ljust(width))
        lines.append(_GAP.join(cells).rstrip())
    return lines


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [
        max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)
    ]


_NARROW = 40
"""A last column of fewer characters is not worth being kept: what is too long goes below the whole row."""


def _wrapped(line: str, margin: int, width: int) -> str:
    """Break a line that is wider than the terminal in its last column, which begins at `margin`."""
    if len(line) <= width or not line[margin:]:
        return line
    beside = width - margin >= _NARROW
    indent = margin if beside else 4
    below = paragraph(line[margin:], max(width, indent + _NARROW), indent)
    if beside:
        return line[:margin] + below.lstrip()
    return line[:margin].rstrip() + "\n" + below


def paragraph(text: str, width: int, indent: int = 0) -> str:
    """Break `text` into lines of at most `width` characters, all of them indented; long words stay whole."""
    import textwrap

    margin = " " * indent
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines)


_LONGEST_LINE = 90


def text_width() -> int:
    """Return how wide sentences are printed, in characters: as the terminal, but at most 90."""
    if not sys.stdout.isatty():
        return _LONGEST_LINE
    return min(_LONGEST_LINE, shutil.get_terminal_size().columns)


def note(text: str) -> None:
    """Print one line for people on standard error."""
    click.echo(text, err=True)


def progress(text: str) -> None:
    """Say what is going on, on standard error, where a person watches; silent in pipes and logs."""
    if sys.stderr.isatty():
        click.echo(text, err=True)
