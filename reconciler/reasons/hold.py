"""Capacity that is reserved on a cluster for a group that has waited long. Times are unix seconds."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.reasons.reason import Reason
from reconciler.reasons.wording import utc_text

HELD_FOR_OLDER = "HeldForOlder"
"""The code of a group that would delay an older one."""


@dataclass(frozen=True, slots=True)
class RoomHeld(Reason):
    """Room is held for `group`, which has waited since `since`, until `until`."""

    code = HELD_FOR_OLDER
    group: str
    since: float
    until: float

    def _words(self) -> str:
        waited = f"which has waited since {utc_text(self.since)}"
        return f"room is held for {self.group}, {waited}, until {utc_text(self.until)}"


@dataclass(frozen=True, slots=True)
class FitsButHeld(Reason):
    """The group would fit, by `offer`, but would delay the group for which room is held."""

    code = HELD_FOR_OLDER
    offer: Reason
    held: RoomHeld

    def _words(self) -> str:
        return f"{self.offer.text}, but {self.held.text}"
