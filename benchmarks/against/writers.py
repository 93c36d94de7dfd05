"""Writers that push to one remote without pause, and a service that must land its commits between theirs.

At the end no accepted push may be missing from the branch, and no new group may be without its place.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.against.fleets import (
    jobs,
    make_bare,
    placed,
    settings,
    write_snapshot,
)
from benchmarks.against.processes import NotDone
from benchmarks.against.report import Row
from benchmarks.against.running import Running
from benchmarks.against.samples import Samples, one
from benchmarks.against.setting import Setting
from benchmarks.synthetic import config_map, git, stream

NAME = "writers"
CLUSTERS, NODES = 20, 20
BLOCKS = 4
"""The sides take turns so many times, each with its own writers on its own remote."""
PATIENCE = 5
"""A side whose landings have lasted so many limits together is not asked for more."""
LONGEST_PAUSE = 60.0
"""More than a service ever waits between two attempts."""


@dataclass(slots=True)
class Writer:
    """A user with a clone, who commits and pushes one file, and rests `pause` seconds after each push.

    `accepted`: ids of the commits that the remote took.
    """

    remote: Path
    clone: Path
    pause: float = 0.0
    accepted: list[str] = field(default_factory=list)
    lost: int = 0

    def push(self, files: dict[str, bytes]) -> bool:
        """Fetch, commit, push once; return whether the push won."""
        address = f"file://{self.remote}"
        git(self.clone, "fetch", "--quiet", address, "+main:main")
        commit = stream(files, parent="refs/heads/main^0")
        git(self.clone, "fast-import", "--quiet", stdin=commit)
        try:
            git(self.clone, "push", "--quiet", address, "main")
        except subprocess.CalledProcessError:
            self.lost += 1
            return False
        self.accepted.append(git(self.clone, "rev-parse", "main").decode().strip())
        return True

    def push_until(self, stop: threading.Event, name: str) -> None:
        """Push a new version of one file after the other, until `stop` is set."""
        while not stop.is_set():
            number = len(self.accepted) + self.lost
            text = config_map("note") + f"  number: '{number}'\n"
            self.push({f"workloads/{name}/note.yaml": text.encode()})
            stop.wait(self.pause)


@dataclass(slots=True)
class _Remote:
    """One side's remote with its service and writers.

    `limit`: a landing that takes longer than so many seconds ends when the writers rest. `landed` and `plain`: the
    seconds of the service's landings, and of the user's pushes with plain git before each of them. `why`: why there
    are no more.
    """

    service: Running
    writers: list[Writer]
    user: Writer
    limit: float
    landed: list[float] = field(default_factory=list)
    attempts: int = 0
    rested: int = 0
    plain: list[float] = field(default_factory=list)
    busy: float = 0.0
    why: str = ""

    def land(self, groups: int) -> None:
        """Let the service land `groups` new groups, one after another."""
        for _ in range(groups):
            if self.busy > PATIENCE * self.limit:
                self.why = f"stopped after {self.busy:.0f} s"
                return
            started = time.perf_counter()
            try:
                self._land_one()
            finally:
                self.busy += time.perf_counter() - started

    def _land_one(self) -> None:
        files = jobs(self.service.groups, 1)
        with self._writing() as rest:
            started = time.perf_counter()
            while not self.user.push(files):
                pass  # The loser fetches and commits once more, as a person does.
            self.plain.append(time.perf_counter() - started)
            self.service.groups += 1
            timer = threading.Timer(self.limit, rest.set)
            timer.start()
            try:
                reply = self.service.cycle(self.limit + LONGEST_PAUSE)
            finally:
                timer.cancel()
            self.rested += rest.is_set()
        self.landed.append(reply.seconds)
        self.attempts += reply.attempts

    @contextmanager
    def _writing(self) -> Iterator[threading.Event]:
        """Let the writers push until the event is set."""
        rest = threading.Event()
        threads = [
            threading.Thread(target=writer.push_until, args=(rest, f"writer-{number}"))
            for number, writer in enumerate(self.writers)
        ]
        for thread in threads:
            thread.start()
        try:
            yield rest
        finally:
            rest.set()
            for thread in threads:
                thread.join()

    def lost(self) -> int:
        """Return how many accepted pushes are not in the branch's history, and new groups not placed."""
        remote = self.service.remote
        there = {*git(remote, "rev-list", "main").decode().split()}
        missing = sum(
            commit not in there
            for writer in (*self.writers, self.user)
            for commit in writer.accepted
        )
        return missing + self.service.groups - placed(remote)

    def note(self) -> str:
        """Return what happened: attempts, others' pushes, what was lost."""
        pushes = sum(len(writer.accepted) for writer in self.writers)
        rate = pushes / self.busy if self.busy else 0.0
        landed = len(self.landed)
        late = f", {self.rested} only once they rested" if self.rested else ""
        return (
            f"{self.service.side.name}: {landed} landings in {self.attempts} attempts,"
            f" {rate:.1f} pushes/s by others, {self.lost()} lost"
            f"{late}"
        )


def run(setting: Setting) -> list[Row]:
    sizes = setting.sizes
    folder = setting.folder / NAME
    folder.mkdir()
    files = {**settings(CLUSTERS, NODES), **jobs(0, sizes.writer_groups)}
    base = make_bare(folder / "base.git", files)
    snapshot = write_snapshot(folder / "capacity.json", CLUSTERS, NODES)
    remotes = {
        side.name: _remote(
            Running(
                side,
                folder / side.name / "fleet.git",
                snapshot,
                folder / side.name / "home",
                jobs,
                sizes.limit,
                sizes.writer_groups,
            ),
            base,
            sizes.writers,
            sizes.landing_limit,
            sizes.writer_pause,
        )
        for side in setting.sides
    }
    try:
        for remote in remotes.values():
            remote.service.start()
            try:
                remote.service.grow(sizes.writer_groups, sizes.setup_limit)
            except NotDone as stopped:
                remote.why = f"first reconcile: {stopped}"
        _race(setting, remotes)
        return _rows(sizes.writers, remotes)
    finally:
        for remote in remotes.values():
            remote.service.stop()
        shutil.rmtree(folder)


def _remote(
    service: Running, base: Path, writers: int, limit: float, pause: float
) -> _Remote:
    shutil.copytree(base, service.remote)
    clones = []
    for number in range(writers + 1):
        clone = service.remote.parent / f"writer-{number}.git"
        shutil.copytree(base, clone)
        clones.append(Writer(service.remote, clone, pause))
    *others, user = clones
    return _Remote(service, others, user, limit)


def _race(setting: Setting, remotes: dict[str, _Remote]) -> None:
    landings = setting.sizes.landings
    blocks = min(BLOCKS, landings)
    for number in range(blocks):
        for name, remote in remotes.items():
            if remote.why:
                continue
            setting.tell(f"writers: {name}, block {number + 1} of {blocks}")
            try:
                remote.land(math.ceil(landings / blocks))
            except NotDone as stopped:
                remote.why = str(stopped)


def _rows(writers: int, remotes: dict[str, _Remote]) -> list[Row]:
    ours, theirs = remotes["ours"], remotes["theirs"]
    note = f"{ours.note()}; {theirs.note()}"
    rows = []
    for share in (0.5, 0.99):
        row = Row(
            NAME,
            f"{writers:,} writer{'s' * (writers != 1)}, p{share * 100:.0f} to land",
            "s",
            _quantile(ours.landed, share, ours.why),
            _quantile(theirs.landed, share, theirs.why),
            _quantile([*ours.plain, *theirs.plain], share, ""),
            "git fetch, fast-import, push, under the same writers",
            note if share < 0.9 else "",
        )
        rows.append(row)
    return rows


def _quantile(values: Sequence[float], share: float, why: str) -> Samples:
    """Return the smallest value that at least `share` of the values do not exceed."""
    if not values:
        return Samples(why=why)
    at = math.ceil(share * len(values)) - 1
    samples = one(sorted(values)[at])
    samples.why = why
    return samples
