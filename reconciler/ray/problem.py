"""A problem of a Ray resource: where it is, what is wrong, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.manifests.fields import Path, dotted


class Severity(StrEnum):
    """`ERROR`: KubeRay or Kubernetes would refuse or ignore it. `WARNING`: it works, but probably not as meant."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """`path` leads to the field in the object; `message` names the field, what is wrong, and what to write."""

    path: Path
    message: str
    severity: Severity = Severity.ERROR


def problem(path: Path, text: str) -> Problem:
    """Return an error whose message is the field's name and `text`."""
    return Problem(path, f"{dotted(path)} {text}")


def warning(path: Path, text: str) -> Problem:
    """Return a warning whose message is the field's name and `text`."""
    return Problem(path, f"{dotted(path)} {text}", Severity.WARNING)
