"""What a scenario gets: the two sides, the sizes, and a folder of its own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.against.sides import Side


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the scenarios are, and how often and how long they run.

    `limit`: seconds for one row of one side; `setup_limit`: for what must be there before a row can be measured;
    `landing_limit`: after so many seconds of a landing, the writers rest. `most`: no fleet gets more placed groups
    than this. `writer_pause`: seconds that each writer rests after a push. `shapes`, `curve`, `config_maps`: a row
    each.
    """

    runs: int = 5
    limit: float = 120.0
    setup_limit: float = 900.0
    most: int = 100_000
    jobs: int = 1_000
    shapes: tuple[int, ...] = (12, 200, 1_000)
    clusters: int = 100
    nodes: int = 50
    wide_clusters: int = 1_000
    wide_nodes: int = 20
    wide_jobs: int = 200
    groups: int = 5_000
    service_nodes: int = 200
    curve: tuple[int, ...] = (10, 100, 1_000, 10_000, 100_000)
    namespaces: int = 1_000
    fit_nodes: int = 1_000
    fit_tries: int = 20
    config_maps: tuple[int, ...] = (500, 1_000, 2_000, 5_000, 20_000)
    writers: int = 8
    writer_groups: int = 100
    writer_pause: float = 0.0
    landings: int = 40
    landing_limit: float = 120.0


SMALL = Sizes(
    runs=2,
    limit=30.0,
    setup_limit=30.0,
    jobs=40,
    shapes=(12, 40),
    clusters=10,
    nodes=10,
    wide_clusters=40,
    wide_nodes=5,
    wide_jobs=20,
    groups=60,
    service_nodes=20,
    curve=(10, 30, 100),
    fit_nodes=100,
    fit_tries=5,
    config_maps=(20, 50, 100),
    writers=2,
    writer_groups=10,
    landings=2,
    landing_limit=3.0,
)
"""All of it in about two minutes, to see that it runs. The ratios of such small fleets say little."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The sides, ours first; the sizes; a folder for repositories, which is removed afterwards."""

    ours: Side
    theirs: Side
    sizes: Sizes
    folder: Path

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both sides, ours first."""
        return self.ours, self.theirs

    def tell(self, text: str) -> None:
        """Print what is going on, apart from the results."""
        print(f"... {text}", file=sys.stderr, flush=True)
