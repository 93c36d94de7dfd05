"""The results of a race: a table for people, a JSON file of ratios, and the figures in docs/performance.md."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.against.samples import Samples

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
HEADER = (
    "",
    "ours",
    "theirs",
    "faster",
    "less cpu",
    "floor",
    "x floor",
    "n",
    "the floor is",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `unit`: s, ms, MB, or nothing for a plain number, such as a slope."""

    scenario: str
    what: str
    unit: str
    ours: Samples
    theirs: Samples
    floor: Samples = field(default_factory=Samples)
    floor_name: str = ""
    note: str = ""

    @property
    def times_faster(self) -> float | None:
        """Return theirs / ours; None where one is missing, and for slopes, which are compared by eye."""
        if not self.unit:
            return None
        return _ratio(self.theirs.median, self.ours.median)

    @property
    def times_less_cpu(self) -> float | None:
        """Return the CPU seconds of theirs / ours; None where they are not known."""
        return _ratio(self.theirs.median_cpu, self.ours.median_cpu)

    @property
    def times_floor(self) -> float | None:
        """Return ours / floor; None where one is missing."""
        return _ratio(self.ours.median, self.floor.median)

    @property
    def remarks(self) -> str:
        """Return the note, and for each side that has no figure, why."""
        parts = [self.note] if self.note else []
        for side, samples in (("ours", self.ours), ("theirs", self.theirs)):
            if samples.why:
                parts.append(f"{side}: {samples.why}")
        return "; ".join(parts)

    def document(self) -> dict[str, object]:
        """Return the row as it stands in the JSON file."""
        return {
            "scenario": self.scenario,
            "row": self.what,
            "unit": self.unit,
            "ours": self.ours.median,
            "theirs": self.theirs.median,
            "floor": self.floor.median,
            "timesFaster": self.times_faster,
            "timesLessCpu": self.times_less_cpu,
            "timesFloor": self.times_floor,
            "floorName": self.floor_name,
            "note": self.remarks,
            "samples": {
                "ours": self.ours.values,
                "theirs": self.theirs.values,
                "floor": self.floor.values,
            },
            "cpuSamples": {"ours": self.ours.cpu, "theirs": self.theirs.cpu},
        }

    def cells(self) -> tuple[str, ...]:
        """Return the row as it stands in the table, in the order of `HEADER`."""
        return (
            self.what,
            amount(self.ours.median, self.unit),
            amount(self.theirs.median, self.unit),
            number(self.times_faster),
            number(self.times_less_cpu),
            amount(self.floor.median, self.unit),
            number(self.times_floor),
            f"{len(self.ours.values)}/{len(self.theirs.values)}",
            self.floor_name,
        )


def _ratio(above: float | None, below: float | None) -> float | None:
    if above is None or not below:
        return None
    return above / below


def amount(value: float | None, unit: str) -> str:
    """Return a value with its unit and three digits or so; a dash where there is none."""
    if value is None:
        return "-"
    if unit == "s" and value < 1:
        return amount(value * 1000, "ms")
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def number(value: float | None) -> str:
    """Return a ratio; a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def show(rows: Sequence[Row]) -> str:
    """Return the rows of one scenario as a table in plain text."""
    lines = [HEADER, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    texts = [f"\n{rows[0].scenario}"] if rows else []
    remarks = ["", *(row.remarks for row in rows)]
    for line, remark in zip(lines, remarks, strict=True):
        cells = [line[0].ljust(widths[0])]
        for cell, width in zip(line[1:-1], widths[1:-1], strict=True):
            cells.append(cell.rjust(width))
        cells.append(line[-1])
        texts.append("  " + "  ".join(cells).rstrip())
        if remark:
            texts.append(f"      {remark}")
    return "\n".join(texts)


def result(
    ours: str,
    theirs: str,
    options: str,
    sizes: Mapping[str, object],
    rows: Sequence[Row],
) -> dict[str, object]:
    """Return the whole race as the JSON file has it.

    `ours` and `theirs` are revisions; `options` is what followed REV on the command line.
    """
    return {
        "ours": ours,
        "theirs": theirs,
        "options": options,
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "sizes": dict(sizes),
        "rows": [row.document() for row in rows],
    }


def said(document: Mapping[str, Any]) -> str:
    """Return what was raced, on which machine, and the command that does it again."""
    machine = document["machine"]
    return (
        f"Ours is {document['ours']}, theirs is {document['theirs']}; {machine['cores']} cores of"
        f" {machine['processor'] or 'an unknown processor'}, Python {machine['python']}.\n"
        f'By `make bench-against REV={document["theirs"]} ARGS="{document["options"]}"`.'
    )


def write(path: Path, document: Mapping[str, object]) -> None:
    """Write a result as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")


def with_figures(page: str, said: str, rows: Sequence[Row]) -> str:
    """Return a Markdown page with the figures between its two marks replaced; `said` stands above the table.

    Raises `ValueError` for a page without the marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} ... {END}")
    table = ["| | " + " | ".join(HEADER[1:7]) + " | |", "|---" * 8 + "|"]
    for row in rows:
        figures = row.cells()[1:7]
        name = f"{row.scenario}: {row.what}"
        table.append("| " + " | ".join((name, *figures, row.remarks)) + " |")
    return "\n".join(
        [f"{before}{BEGIN}", said, "", *table, f"{END}{after}".rstrip("\n"), ""]
    )


def _processor() -> str:
    """Return the processor's model; empty where the system does not tell."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    for line in info.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return ""
