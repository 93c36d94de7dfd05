"""Runs the benchmarks that are named, or all but the largest; each prints tables, and their ratios are kept as JSON."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from benchmarks.measuring import Table

NAMES = (
    "parse",
    "size",
    "render",
    "commit",
    "startup",
    "plan",
    "cycle",
    "fit",
    "capacity",
    "openb",
)
LARGE = ("fleet",)
RATIOS = Path(__file__).parents[1] / ".bench/bench.json"


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - {*NAMES, *LARGE})
    if unknown:
        print(
            f"no benchmark {', '.join(unknown)}: choose from {', '.join((*NAMES, *LARGE))}",
            file=sys.stderr,
        )
        return 2
    done: dict[str, list[Table]] = {}
    for name in names or NAMES:
        sys.argv = [name]
        done[name] = importlib.import_module(f"benchmarks.{name}").main()
    document = {
        name: [table.document() for table in tables] for name, tables in done.items()
    }
    RATIOS.parent.mkdir(exist_ok=True)
    RATIOS.write_text(json.dumps(document, indent=1) + "\n")
    print(f"\nratios: {RATIOS}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
