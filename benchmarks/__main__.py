"""Runs the benchmarks that are named, or all but the largest; each prints a table."""

from __future__ import annotations

import importlib
import sys

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


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - {*NAMES, *LARGE})
    if unknown:
        print(
            f"no benchmark {', '.join(unknown)}: choose from {', '.join((*NAMES, *LARGE))}",
            file=sys.stderr,
        )
        return 2
    for name in names or NAMES:
        sys.argv = [name]
        if name in {"fit", "capacity"}:
            print()
        importlib.import_module(f"benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
