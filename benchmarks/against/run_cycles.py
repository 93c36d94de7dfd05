"""Runs cycles of a running service in the Python of one side, one for each line on standard input.

It prints a JSON object a cycle: seconds, cpu seconds (with git's), peak bytes. It imports only what every revision
since 037e108 has.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

from reconciler.errors import PushRejected
from reconciler.fleet.snapshot_file import read_fleet_snapshot
from reconciler.repo.repository import GitRepo
from reconciler.service.cycle import Reconciler

CYCLE_SECONDS = 15


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("repo", help="a path, or a file:// address")
    parser.add_argument("--snapshot", required=True, help="a FleetSnapshot file")
    parser.add_argument("--cache", required=True, help="where clones are kept")
    parser.add_argument("--now", type=float, required=True, help="unix seconds")
    options = parser.parse_args()
    file = Path(options.snapshot)
    snapshot = read_fleet_snapshot(file.read_bytes(), file.name)
    repo = GitRepo.open(options.repo, cache_dir=Path(options.cache))
    clock = Clock(options.now)
    reconciler = Reconciler(repo, lambda _state, _now: snapshot, now=clock.now)
    for _ in sys.stdin:
        print(json.dumps(one_cycle(reconciler)), flush=True)


class Clock:
    """A clock that goes on by a cycle's interval each time it is read."""

    def __init__(self, start: float) -> None:
        self._time = start

    def now(self) -> float:
        self._time += CYCLE_SECONDS
        return self._time


def one_cycle(reconciler: Reconciler) -> dict[str, object]:
    cpu = cpu_seconds()
    started = time.perf_counter()
    try:
        published = reconciler.run().published
        told: dict[str, object] = {
            "changed": published.changed,
            "attempts": published.attempts,
        }
    except PushRejected as lost:
        # A service tries again in its next cycle; the driver asks for that, and adds the seconds up.
        told = {"error": str(lost)}
    return {
        "seconds": time.perf_counter() - started,
        "cpu": cpu_seconds() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        **told,
    }


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the git processes that have ended."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        total += used.ru_utime + used.ru_stime
    return total


if __name__ == "__main__":
    main()
