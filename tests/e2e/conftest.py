"""Fixtures of the end-to-end tests: real control planes on loopback, stopped when the tests end.

The programs are built before the first test runs, so that a cold build counts against no test's time limit.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.e2e.harness.control_plane import ControlPlane
from tests.e2e.harness.parts import PARTS, PartError, build

_HERE = Path(__file__).parent
_MEASURES = pytest.StashKey[list[str]]()


class StartControlPlanes(Protocol):
    """Start control planes of the given names, all at once; the options are those of `ControlPlane`."""

    def __call__(self, *names: str, **options: Any) -> list[ControlPlane]: ...


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_MEASURES] = []
    # A test run that is told to end still has to stop what it started.
    signal.signal(signal.SIGTERM, lambda _number, _frame: pytest.exit("told to end", returncode=143))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    if session.config.option.collectonly or not any(item.path.is_relative_to(_HERE) for item in session.items):
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with ExitStack() as stack:
        if capture is not None:
            stack.enter_context(capture.global_and_fixture_disabled())
        try:
            for name in PARTS:
                build(name)
        except PartError as error:
            pytest.exit(str(error), returncode=3)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[_MEASURES]:
        terminalreporter.section("control planes")
        for line in config.stash[_MEASURES]:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def control_planes(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[StartControlPlanes]:
    """Starts further control planes; they live until the last test, unless stopped before."""
    with ExitStack() as stack:

        def start(*names: str, **options: Any) -> list[ControlPlane]:
            planes = [ControlPlane(name, tmp_path_factory.mktemp(name), **options) for name in names]
            for plane in planes:
                stack.callback(plane.stop)
            started = time.monotonic()
            with ThreadPoolExecutor() as pool:
                list(pool.map(ControlPlane.start, planes))
            seconds = time.monotonic() - started
            for plane in planes:
                stack.callback(_note_memory, pytestconfig.stash[_MEASURES], plane, seconds)
            return planes

        yield start


@pytest.fixture(scope="session")
def control_plane(control_planes: StartControlPlanes) -> ControlPlane:
    """One control plane with everything, shared by the tests: use names of your own in it."""
    return control_planes("shared")[0]


def _note_memory(measures: list[str], plane: ControlPlane, seconds: float) -> None:
    resident = {name: size >> 20 for name, size in plane.resident_bytes().items() if size}
    if resident:
        parts = ", ".join(f"{name} {size}" for name, size in resident.items())
        measures.append(f"{plane.name}: ready in {seconds:.1f} s, {sum(resident.values())} MiB at the end ({parts})")
