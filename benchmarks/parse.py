"""Reading one RayJob of 179 lines: the strict loader beside loaders that check nothing, and beside kubectl."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import orjson
import yaml

from benchmarks.measuring import Table, race, show
from benchmarks.synthetic import ray_job
from reconciler.manifests.emitter import emit_all
from reconciler.manifests.loader import load

TIMES = 40
MANY = 100


def main() -> list[Table]:
    text = ray_job("train", groups=3).encode()
    body = load(text, "train.yaml").documents[0].body
    json = orjson.dumps(body)

    def again(work: Callable[[bytes], object], data: bytes) -> Callable[[], object]:
        return lambda: [work(data) for _ in range(TIMES)]

    ours, csafe = (
        again(lambda t: load(t, "f"), text),
        again(lambda t: yaml.load(t, yaml.CSafeLoader), text),
    )
    rows = [
        race("a YAML document", ours, "PyYAML CSafeLoader", csafe, each=TIMES),
        race(
            "a YAML document",
            ours,
            "orjson of it as JSON",
            again(orjson.loads, json),
            each=TIMES,
        ),
        race(
            "a JSON document",
            again(lambda t: load(t, "f"), json),
            "orjson",
            again(orjson.loads, json),
            each=TIMES,
        ),
    ]
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "many.yaml"
        bodies = [
            {**body, "metadata": {"name": f"train-{number}"}} for number in range(MANY)
        ]
        file.write_bytes(emit_all(bodies))
        data = file.read_bytes()
        command: list[Path | str] = [
            Path(sys.executable).parent / "kubectl",
            "annotate",
            "--local",
            "-f",
            file,
            "a=b",
            "-o",
            "json",
        ]
        kubectl = lambda: subprocess.run(command, capture_output=True, check=True)  # noqa: E731
        rows.append(
            race(
                f"{MANY} in a file",
                lambda: load(data, "f"),
                "kubectl annotate --local",
                kubectl,
                runs=3,
            )
        )
    return [show("parse: one RayJob of 179 lines", rows)]
