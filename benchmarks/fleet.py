"""Cycles on 1,000 clusters of 20 nodes, 500 groups and 2,000 workload files; long, so it runs only when named."""

from __future__ import annotations

from benchmarks.cycle import run
from benchmarks.measuring import Table
from benchmarks.synthetic import Fleet


def main() -> list[Table]:
    return [run(Fleet(clusters=1000, nodes=20, groups=500, extra=1000), new=5)]
