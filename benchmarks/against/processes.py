"""Runs a side's processes and measures them: a script that answers line by line, or a whole command.

A process that takes longer than its limit is ended together with the git processes that it started.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.against.sides import Side

HERE = Path(__file__).parent
MB = 1_000_000


class NotDone(Exception):
    """A side did not finish a piece of work; the message says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a script measured. `peak`: the most memory that its process has had so far, in bytes."""

    seconds: float
    cpu: float
    peak: int
    changed: bool = False
    attempts: int = 1
    error: str = ""


class Script:
    """A script of this package that a side's Python runs, and that does its work once for each line it gets."""

    def __init__(
        self, side: Side, name: str, arguments: Sequence[str], home: Path
    ) -> None:
        """`name`: the script's file; `home`: the folder of its caches."""
        home.mkdir(parents=True, exist_ok=True)
        self._complaints = home / f"{Path(name).stem}.stderr"
        with self._complaints.open("wb") as complaints:
            # -P: the folder of this package is not searched for modules.
            self._process = subprocess.Popen(
                [str(side.python), "-P", str(HERE / name), *arguments],
                env=side.environment(home),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def do(self, limit: float) -> Reply:
        """Let it work once, at most `limit` seconds. Raises `NotDone`, and the process is gone then."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with _at_most(self._process.pid, limit) as late:
            try:
                self._process.stdin.write(b"go\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                raise NotDone(self._why()) from None
            line = self._process.stdout.readline()
        if late.is_set():
            raise NotDone(f"not done in {limit:.0f} s")
        if not line:
            raise NotDone(self._why())
        return Reply(**json.loads(line))

    def close(self) -> None:
        """Let it end, and wait for that."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            # What was written to a process that is gone cannot be flushed.
            try:
                pipe.close()
            except BrokenPipeError:
                continue
        self._process.wait()

    def _why(self) -> str:
        self._process.wait()
        lines = self._complaints.read_text(errors="replace").split("\n")
        last = [line for line in lines if line.strip()][-1:]
        return f"ended with status {self._process.returncode}: {' '.join(last)}"


def run_command(
    side: Side,
    arguments: Sequence[str],
    home: Path,
    limit: float,
    directory: Path | None = None,
) -> Reply:
    """Run `skyray` with `arguments` as a whole process. Raises `NotDone`, also for an exit status other than 0."""
    return run_program(
        [side.skyray, *arguments], side.environment(home), limit, directory or home
    )


def run_program(
    argv: Sequence[str], environment: dict[str, str], limit: float, directory: Path
) -> Reply:
    """Run a program to its end and measure it with all that it waited for. Raises `NotDone`."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            argv,
            env=environment,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with _at_most(process.pid, limit) as late:
            _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if late.is_set():
            raise NotDone(f"not done in {limit:.0f} s")
        if process.returncode:
            said.seek(0)
            last = said.read().decode(errors="replace").strip().split("\n")[-1]
            raise NotDone(f"ended with status {process.returncode}: {last}")
    return Reply(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


@contextmanager
def _at_most(pid: int, limit: float) -> Iterator[threading.Event]:
    """End the process group `pid` after `limit` seconds; the event is set then."""
    late = threading.Event()

    def end() -> None:
        late.set()
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    timer = threading.Timer(limit, end)
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
