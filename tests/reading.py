"""Contents that note what is read of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from reconciler.repo.contents import HeldContents
from reconciler.repo.folder import Entry


class NotedContents:
    """Contents in memory, by path; `note` gets the paths of each read."""

    def __init__(self, held: Mapping[str, bytes], note: Callable[[list[str]], object]) -> None:
        self._held = HeldContents(held)
        self._note = note

    def __call__(self, entries: Iterable[Entry]) -> dict[str, bytes]:
        found = self._held(entries)
        self._note(list(found))
        return found

    def sizes(self, entries: Iterable[Entry]) -> dict[str, int]:
        return self._held.sizes(entries)

    def at_most(self, entries: Iterable[Entry], limit: int) -> dict[str, bytes] | None:
        found = self._held.at_most(entries, limit)
        self._note(list(found or ()))
        return found
