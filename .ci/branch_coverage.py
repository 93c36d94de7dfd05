"""Holds the branch coverage of each pure package against its floor, so that it cannot fall.

`make check` measures it, by coverage.py with the tests of examples, into a JSON report. The floors are in
`.ci/branch_coverage.toml`, in percent of all branches of a package. A floor is lowered only by hand, where a
reviewer sees it.
"""

import argparse
import json
import math
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLOORS = Path(__file__).with_suffix(".toml")
RAISE = ".venv/bin/python .ci/branch_coverage.py --raise"
SLACK = 0.1  # percentage points; floors are written with one decimal
MOST_SHOWN = 10  # branches that no test takes, named for a package that fell
HEADER = f"""\
# The least branch coverage of each pure package, in percent. To raise all floors to what was last measured:
#   {RAISE}
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """The branches of one package; `missing` names those that no test takes, as file:line -> line."""

    taken: int
    branches: int
    missing: tuple[str, ...]

    @property
    def percent(self) -> float:
        """Return the share that tests take, in percent, rounded down to one decimal; 100 without branches."""
        if not self.branches:
            return 100.0
        return math.floor(1000 * self.taken / self.branches) / 10


def measured(report: Mapping[str, Any]) -> dict[str, Measured]:
    """Return the branches of each package in a JSON report of coverage.py."""
    found: dict[str, Measured] = {}
    for file, coverage in sorted(report["files"].items()):
        package = Path(file).parts[1]  # reconciler/PACKAGE/module.py
        before = found.get(package, Measured(0, 0, ()))
        summary = coverage["summary"]
        missing = tuple(
            f"{file}:{start} -> {_target(end)}"
            for start, end in coverage["missing_branches"]
        )
        found[package] = Measured(
            before.taken + summary["covered_branches"],
            before.branches + summary["num_branches"],
            before.missing + missing,
        )
    return found


def findings(
    packages: Mapping[str, Measured], floors: Mapping[str, float]
) -> list[str]:
    """Return a line for each package that fell under its floor, has no floor, or was not measured."""
    lines = []
    for name, package in packages.items():
        if name not in floors:
            lines.append(f"{name}: measured, but without a floor; set one: {RAISE}")
        elif package.percent < floors[name] - SLACK:
            lines.append(
                f"{name}: {package.percent} % of its branches, floor {floors[name]} %; not taken by any test:"
            )
            lines += [f"  {branch}" for branch in package.missing[:MOST_SHOWN]]
    for name in sorted(floors.keys() - packages.keys()):
        lines.append(
            f"{name}: has a floor, but was not measured; list it in [tool.coverage.run] of pyproject.toml"
        )
    return lines


def raised(packages: Mapping[str, Measured], floors: Mapping[str, float]) -> str:
    """Return the text of the floors' file with each floor at what was measured, where that is higher."""
    lines = []
    for name, package in sorted(packages.items()):
        lines.append(f"{name} = {max(package.percent, floors.get(name, 0.0))}\n")
    return HEADER + "".join(lines)


def main() -> int:
    """Print each package with its floor; return 1 if there is a finding."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("report", nargs="?", type=Path, default=Path(".coverage.json"))
    options.add_argument(
        "--raise",
        dest="lift",
        action="store_true",
        help="raise all floors to what was measured",
    )
    asked = options.parse_args()
    packages = measured(json.loads(asked.report.read_text()))
    floors = tomllib.loads(FLOORS.read_text()) if FLOORS.exists() else {}
    if asked.lift:
        FLOORS.write_text(raised(packages, floors))
        return 0
    found = findings(packages, floors)
    shown = ", ".join(f"{name} {package.percent}" for name, package in packages.items())
    sys.stdout.write(f"branch coverage in percent: {shown}\n")
    sys.stdout.writelines(f"{line}\n" for line in found)
    return bool(found)


def _target(line: int) -> str:
    """Name where a branch goes; coverage.py writes the exit of a function or module as a negative line."""
    return "exit" if line < 0 else str(line)


if __name__ == "__main__":
    sys.exit(main())
