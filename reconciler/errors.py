"""Every error that SkyRay raises on purpose, as one tree.

SkyRayError                  the message says what is wrong, where, and what to do
├── InputError               a file is wrong: stop (or reject that workload alone) until the file changes
│   ├── ManifestError        not readable as Kubernetes YAML or JSON
│   └── InvalidObject        readable, yet not what its kind allows (`InvalidField` knows the field's path,
│                            `InvalidFields` all that is wrong)
├── UsageError               the command line asks for something that is not possible
└── CannotNow                an outside condition prevents it: the same call may work later
    ├── RepoError            git could not do it
    │   └── PushRejected     the branch moved: read again, plan again, push again
    ├── Unreachable          the capacity of a cluster could not be read in time
    └── GuardTripped         the plan would remove more than the configured share: stop and ask

The type decides what the loop does next: `InputError` waits for a change of the file, `PushRejected` re-plans at once,
any other `CannotNow` retries later. The command line turns them into exit statuses 1, 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a user's file. `line` and `column` count from 1; 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return `file:line:column`, leaving out what is unknown."""
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"


class SkyRayError(Exception):
    """Base of all deliberate errors. `str()` is one clear line for the user."""

    exit_status = 3


class InputError(SkyRayError):
    """A user's file is wrong. `place` says where."""

    exit_status = 1

    def __init__(self, message: str, place: Place | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place

    def __str__(self) -> str:
        """Return `file:line:column: message`."""
        return f"{self.place}: {self.message}" if self.place else self.message


class ManifestError(InputError):
    """The bytes are not readable as the YAML or JSON that kubectl would accept, or are unsafe to read."""


class InvalidObject(InputError):
    """The object is readable, but its kind, SkyRay or KubeRay does not allow what it says."""


class UsageError(SkyRayError):
    """The command line asks for something that is not possible."""

    exit_status = 2


class CannotNow(SkyRayError):
    """An outside condition prevents it; the same call may work later."""


class RepoError(CannotNow):
    """Git could not do what was asked."""


class PushRejected(RepoError):
    """The branch moved between reading and pushing: another push came first."""


class Unreachable(CannotNow):
    """The capacity of a cluster could not be read in time."""


class GuardTripped(CannotNow):
    """The plan would remove more placements than the fleet's guard allows."""
