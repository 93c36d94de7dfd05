"""Computes the answers of the checkout that it runs in: `python -m tests.parity.driver OUT.json.gz [--cases N]`.

The answers are one JSON with sorted keys, so equal answers are equal bytes. Cases are split over two processes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.parity.adapter import NOW, Fleet, SkyRayError, gang, groups, stories, written
from tests.parity.cases import Case, Step, reasons, snapshots
from tests.parity.draw import random_case

SEED = 1
GANG_SEED = 7
GANGS = 300
JUST_AFTER = 5.0
"""Seconds from a cycle to the plan of the world that it left."""

Answer = dict[str, Any]


def answers(case: Case) -> list[Answer]:
    """Play a case, and return two answers a step: of its cycle, and of the plan of the unchanged world after it."""
    fleet = Fleet(dict(case.start))
    return [answer for step in case.steps for answer in _play(fleet, step)]


def _play(fleet: Fleet, step: Step) -> Iterator[Answer]:
    for path, data in step.edits.items():
        if data is not None:
            fleet.files[path] = data
        else:
            fleet.files.pop(path, None)
    fleet.files.update(snapshots(step, fleet.files))
    for path, data in step.commits:
        fleet.commit(path, data)
    now = NOW + 60.0 * step.minute
    stopped = ""
    if step.guarded:
        try:
            fleet.plan(unreadable=step.unreadable, now=now)
        except SkyRayError as error:
            stopped = str(error)
    try:
        made = fleet.cycle(unreadable=step.unreadable, allow_removals=True, now=now)
        yield {**_answer(made), "stopped": stopped}
        yield _answer(fleet.plan(unreadable=step.unreadable, allow_removals=True, now=now + JUST_AFTER))
    except SkyRayError as error:
        yield {"error": str(error)}


def _answer(plan: Any) -> Answer:
    return {
        "groups": groups(plan),
        "commits": [draft.subject for draft in plan.drafts],
        "files": [written(draft.changes) for draft in plan.drafts],
        "warnings": list(plan.warnings),
        "empty": not plan.drafts,
    }


def _one(what: tuple[str, int]) -> tuple[str, Any]:
    kind, number = what
    if kind == "gang":
        return f"gang-{number:04}", [{"gang": gang(GANG_SEED, number)}]
    case = random_case(SEED, number) if kind == "random" else list(stories())[number]
    try:
        return case.name, answers(case)
    except Exception as error:
        raise RuntimeError(f"case {case.name} cannot be played: {error!r}") from error


def main() -> None:
    """Write the answers to all cases, and print how often each reason occurs among them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cases", type=int, default=1000, help="how many random fleets (1000)")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    work = [("story", number) for number in range(len(list(stories())))]
    work += [("random", number) for number in range(chosen.cases)]
    work += [("gang", number) for number in range(min(GANGS, chosen.cases))]
    started = time.monotonic()
    with multiprocessing.get_context("fork").Pool(chosen.processes) as pool:
        found = dict(pool.imap(_one, work, chunksize=8))
    data = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_bytes(gzip.compress(data, 6, mtime=0))
    plans = [plan for case in found.values() for plan in case if "groups" in plan]
    print(reasons((one["action"], one["reason"]) for plan in plans for one in plan["groups"]))
    print(reasons(("candidate", one[2]) for plan in plans for group in plan["groups"] for one in group["candidates"]))
    after = [plan for case in found.values() for plan in case[1::2] if "groups" in plan]
    errors = sum("error" in plan for case in found.values() for plan in case)
    guarded = sum(bool(plan.get("stopped")) for plan in plans)
    print(f"{len(found)} cases, {len(plans)} plans in {time.monotonic() - started:.0f} s; {errors} refused as a whole, "
          f"{guarded} stopped by guards; {sum(not plan['empty'] for plan in after)} of {len(after)} second plans had "
          f"something left to do; {len(data) >> 20} MiB of answers")  # fmt: skip


if __name__ == "__main__":
    main()
