"""Long-running programs for the tests: started in their own process group, logged to a file, never left behind.

Every program started here is stopped at the latest when the interpreter exits, and only those are ever signalled.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_STOP_SECONDS = 10
_POLL_SECONDS = 0.02
# Below the ephemeral ranges of Linux and macOS: no outgoing connection can take the port of a stopped server.
_PORTS = range(20_000, 32_000)

_running: set[Program] = set()
_given_ports: set[int] = set()
_ports_lock = threading.Lock()


class NotReady(RuntimeError):
    """Something awaited did not come true in time, or the program that should bring it about has ended."""


def free_port() -> int:
    """Return a loopback port that nothing listens on and that this process has not been given before."""
    with _ports_lock:
        for port in random.SystemRandom().sample(_PORTS, k=200):
            if port in _given_ports:
                continue
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
                _given_ports.add(port)
                return port
    raise NotReady(f"no free loopback port between {_PORTS.start} and {_PORTS.stop}")


def wait_until(condition: Callable[[], T], *, seconds: float, what: str, programs: Sequence[Program] = ()) -> T:
    """Return `condition()` as soon as it is true.

    Raises `NotReady`, with the ends of the logs of `programs`, after `seconds` or when one of them has crashed.
    """
    deadline = time.monotonic() + seconds
    while True:
        met = condition()
        if met:
            return met
        for program in programs:
            if program.crashed:
                raise NotReady(f"{program.name} crashed while waiting for {what}\n{program.log_tail()}")
        if time.monotonic() > deadline:
            logs = "\n".join(program.log_tail() for program in programs)
            raise NotReady(f"{what}: not within {seconds:g} s\n{logs}".rstrip())
        time.sleep(_POLL_SECONDS)


class Program:
    """One program with its arguments, that can be started, stopped and started again. Its log is appended to."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, unless it runs."""
        if self.alive:
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=self.log.parent,
                start_new_session=True,
            )
        _running.add(self)

    def kill(self) -> None:
        """Kill it with its children, as a crash would, and wait until it is gone. Nothing here has work to finish."""
        _running.discard(self)
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_STOP_SECONDS)
            self._process = None

    @property
    def alive(self) -> bool:
        """Whether it runs now."""
        return self._process is not None and self._process.poll() is None

    @property
    def crashed(self) -> bool:
        """Whether it was started and has ended on its own."""
        return self._process is not None and self._process.poll() is not None

    @property
    def resident_bytes(self) -> int:
        """Resident memory in bytes; 0 when it does not run or the system does not tell (Linux does)."""
        process = self._process
        if process is None:
            return 0
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            for line in status.splitlines():
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    def log_tail(self, lines: int = 15) -> str:
        """Return the last lines of its log under a heading."""
        tail = self.log.read_text(errors="replace").splitlines()[-lines:] if self.log.exists() else []
        return "\n".join([f"--- {self.name} ({self.log})", *tail])


@atexit.register
def _stop_all() -> None:
    for program in list(_running):
        program.kill()
