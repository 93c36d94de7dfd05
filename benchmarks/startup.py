"""A whole command from start to end, beside Python that does nothing."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.measuring import Table, race, show
from benchmarks.synthetic import ray_job


def main() -> list[Table]:
    skyray = str(Path(sys.executable).parent / "skyray")
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "train.yaml"
        file.write_text(ray_job("train", groups=3))
        commands = {
            "skyray --help": [skyray, "--help"],
            "skyray size F": [skyray, "size", str(file)],
            "skyray plan --help": [skyray, "plan", "--help"],
        }
        bare = partial(_run, [sys.executable, "-c", "pass"])
        rows = [
            race(what, partial(_run, argv), "python -c pass", bare)
            for what, argv in commands.items()
        ]
    return [show("startup: whole commands", rows)]


def _run(argv: list[str]) -> None:
    subprocess.run(argv, capture_output=True, check=True)
