"""What reads the contents of entries: all of them, only their sizes, or all if they are no more than so many bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from reconciler.repo.folder import Entry


class Contents(Protocol):
    """The contents of a revision's entries."""

    def __call__(self, entries: Iterable[Entry]) -> dict[str, bytes]:
        """Return the contents of entries by path."""
        ...

    def sizes(self, entries: Iterable[Entry]) -> dict[str, int]:
        """Return the bytes of entries by path, without reading what they contain."""
        ...

    def at_most(self, entries: Iterable[Entry], limit: int) -> dict[str, bytes] | None:
        """Return the contents of entries by path; None, with no more than `limit` bytes read, where they are larger."""
        ...


@dataclass(frozen=True, slots=True)
class HeldContents:
    """Contents that are in memory, by path."""

    held: Mapping[str, bytes]

    def __call__(self, entries: Iterable[Entry]) -> dict[str, bytes]:
        """Return the contents of entries by path."""
        return {entry.path: self.held[entry.path] for entry in entries}

    def sizes(self, entries: Iterable[Entry]) -> dict[str, int]:
        """Return the bytes of entries by path."""
        return {entry.path: len(self.held[entry.path]) for entry in entries}

    def at_most(self, entries: Iterable[Entry], limit: int) -> dict[str, bytes] | None:
        """Return the contents of entries by path; None where they are larger than `limit` bytes."""
        wanted = list(entries)
        if sum(self.sizes(wanted).values()) > limit:
            return None
        return self(wanted)
