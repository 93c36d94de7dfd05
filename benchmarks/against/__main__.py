"""`python -m benchmarks.against REV`: race this checkout against REV, print tables, write the ratios as JSON."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.against import (
    commands,
    curve,
    fit,
    namespace,
    place,
    report,
    service,
    writers,
)
from benchmarks.against.report import Row
from benchmarks.against.setting import SMALL, Setting, Sizes
from benchmarks.against.sides import BUILT, ROOT, older_checkout, this_checkout

PAGE = ROOT / "docs/performance.md"
SCENARIOS: dict[str, Callable[[Setting], list[Row]]] = {
    scenario.NAME: scenario.run
    for scenario in (place, service, curve, fit, namespace, commands, writers)
}


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    sizes = _sizes(options)
    ours, theirs = this_checkout(), older_checkout(options.rev)
    names = options.only or [*SCENARIOS]
    rows: list[Row] = []
    output = options.json or BUILT / f"against-{theirs.revision}.json"
    # The folder stands beside the older checkout: on the disk, where a temporary folder may be in memory.
    BUILT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="repos-", dir=BUILT) as folder:
        setting = Setting(ours, theirs, sizes, Path(folder))
        print(f"ours is {ours.revision}, theirs is {theirs.revision}")
        for name in names:
            found = SCENARIOS[name](setting)
            print(report.show(found), flush=True)
            rows += found
            # After each scenario, so that a race that is stopped leaves what it has measured.
            document = report.result(
                ours.revision,
                theirs.revision,
                shlex.join(one for one in arguments if one != options.rev),
                dataclasses.asdict(sizes),
                rows,
            )
            report.write(output, document)
    print(f"\nratios: {output}")
    if options.page:
        page = report.with_figures(PAGE.read_text(), report.said(document), rows)
        PAGE.write_text(page)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.against", description=__doc__
    )
    parser.add_argument("rev", help="the older revision; it is built on first use")
    parser.add_argument(
        "--only",
        action="append",
        choices=[*SCENARIOS],
        metavar="NAME",
        help=f"a scenario, may be repeated: {', '.join(SCENARIOS)}",
    )
    parser.add_argument(
        "--small", action="store_true", help="small fleets, to see that it runs"
    )
    parser.add_argument("--json", type=Path, help="where the ratios are written")
    parser.add_argument(
        "--page", action="store_true", help=f"put the figures into {PAGE.name}"
    )
    for size in dataclasses.fields(Sizes):
        parser.add_argument(
            f"--{size.name.replace('_', '-')}",
            type=_type_of(size.name),
            help=f"default {_shown(getattr(Sizes(), size.name))}",
        )
    return parser


def _sizes(options: argparse.Namespace) -> Sizes:
    """Return the sizes that the options ask for, the others from the defaults, or from those of `--small`."""
    given = {}
    for size in dataclasses.fields(Sizes):
        value = getattr(options, size.name)
        if value is not None:
            given[size.name] = value
    return dataclasses.replace(SMALL if options.small else Sizes(), **given)


def _type_of(name: str) -> Callable[[str], object]:
    default = getattr(Sizes(), name)
    return _numbers if isinstance(default, tuple) else type(default)


def _numbers(text: str) -> tuple[int, ...]:
    """Read `12,200,1000`."""
    return tuple(int(part) for part in text.split(","))


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
