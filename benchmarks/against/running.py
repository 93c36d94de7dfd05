"""A running service of one side, on a remote of its own, that is asked for one cycle after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.against.fleets import add_commit
from benchmarks.against.floors import tip
from benchmarks.against.processes import NotDone, Reply, Script
from benchmarks.against.sides import Side
from benchmarks.synthetic import NOW

SETTLING = 5
"""So many cycles are enough for a fleet that does not change."""

_BETWEEN_STARTS = 3600


def start_cycles(
    side: Side, repo: str, snapshot: Path, home: Path, now: float = NOW
) -> Script:
    """Start `run_cycles.py` on a repository; `home` gets its clone."""
    arguments = [repo, f"--snapshot={snapshot}", f"--cache={home / 'clones'}"]
    return Script(side, "run_cycles.py", [*arguments, f"--now={now}"], home)


@dataclass(slots=True)
class Running:
    """A service on the bare repository `remote`, which it reaches by its file:// address.

    `more(first, count)` returns the files of further groups, numbered from `first`. `groups`: how many there are.
    """

    side: Side
    remote: Path
    snapshot: Path
    home: Path
    more: Callable[[int, int], Mapping[str, bytes]]
    limit: float
    groups: int = 0
    last: Reply = field(default=Reply(0.0, 0.0, 0))
    pushed: str = ""
    """The user's commit that the last cycle found."""
    _script: Script | None = None
    _starts: int = 0

    def start(self) -> None:
        """Start a new process in the place of the last one."""
        self.stop()
        now = NOW + _BETWEEN_STARTS * self._starts
        self._starts += 1
        address = f"file://{self.remote}"
        self._script = start_cycles(self.side, address, self.snapshot, self.home, now)

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._script is not None:
            self._script.close()
            self._script = None

    def cycle(self, limit: float | None = None) -> Reply:
        """Run one cycle; a lost race goes on with another one, and the seconds are added up. Raises `NotDone`."""
        assert self._script is not None
        left = self.limit if limit is None else limit
        seconds = cpu = 0.0
        attempts = 0
        while True:
            reply = self._script.do(left)
            seconds += reply.seconds
            cpu += reply.cpu
            attempts += reply.attempts
            left -= reply.seconds
            if not reply.error:
                break
            if left <= 0:
                raise NotDone(reply.error)
        self.last = Reply(seconds, cpu, reply.peak, reply.changed, attempts)
        return self.last

    def grow(self, groups: int, limit: float) -> float:
        """Commit groups until there are `groups`; return the seconds until they are placed and nothing changes."""
        new = groups - self.groups
        if new > 0:
            add_commit(self.remote, self.more(self.groups, new))
            self.groups = groups
        seconds = 0.0
        for _ in range(SETTLING):
            reply = self.cycle(limit - seconds)
            seconds += reply.seconds
            if not reply.changed:
                return seconds
        raise NotDone(f"still changes files after {SETTLING} cycles")

    def restart(self) -> Reply:
        """Measure the first cycle of a new process."""
        self.start()
        return self.cycle()

    def idle(self) -> Reply:
        """Measure a cycle in which there is nothing to do."""
        reply = self.cycle()
        if reply.changed:
            raise NotDone("it changed files, though nothing had changed")
        return reply

    def one_more(self) -> Reply:
        """Commit one group more; measure the cycle that places it and pushes."""
        add_commit(self.remote, self.more(self.groups, 1))
        self.groups += 1
        self.pushed = tip(self.remote)
        reply = self.cycle()
        if not reply.changed:
            raise NotDone("it did not place the new group")
        return reply
