"""What a RayJob asks for: validated and sized, beside merely reading it."""

from __future__ import annotations

from benchmarks.measuring import Table, race, show
from benchmarks.synthetic import ray_job
from reconciler.manifests.loader import load
from reconciler.ray.workload import demand_of
from reconciler.workloads.files import read_file

TIMES = 30


def main() -> list[Table]:
    text = ray_job("train", groups=3).encode()
    body = load(text, "train.yaml").documents[0].body

    def parse() -> object:
        return [load(text, "train.yaml") for _ in range(TIMES)]

    rows = [
        race(
            "sized",
            lambda: [demand_of(body, "team") for _ in range(TIMES)],
            "parse",
            parse,
            each=TIMES,
        ),
        race(
            "read, checked, sized, digested",
            lambda: [
                read_file("workloads/team/train.yaml", text) for _ in range(TIMES)
            ],
            "parse",
            parse,
            each=TIMES,
        ),
    ]
    return [show("size: one RayJob of 179 lines", rows)]
