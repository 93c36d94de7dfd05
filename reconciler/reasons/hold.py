"""Capacity that is reserved on a cluster for a group that has waited long. Times are unix seconds."""

from __future__ import annotations

from reconciler.reasons.reason import Caused, Reason
from reconciler.reasons.wording import utc_text

HELD_FOR_OLDER = "HeldForOlder"
"""The code of a group that would delay an older one."""


class CapacityReserved(Reason, frozen=True):
    """Capacity is reserved for `group`, which has waited since `since`, until `until`."""

    code = HELD_FOR_OLDER
    group: str
    since: float
    until: float

    def _words(self) -> str:
        waited = f"waiting since {utc_text(self.since)}"
        return f"capacity is reserved until {utc_text(self.until)} for {self.group} ({waited})"


class FitsButReserved(Reason, frozen=True):
    """The group would fit, by `fit`, but would delay the group for which capacity is reserved."""

    code = HELD_FOR_OLDER
    fit: Reason
    reserved: CapacityReserved

    def _words(self) -> str:
        return f"{self.fit.text}, but {self.reserved.text}"


class WaitsWithHold(Caused, frozen=True):
    """The group waits by `cause`, and has capacity reserved on `clusters` meanwhile, until `until`."""

    clusters: tuple[str, ...]
    since: float
    until: float

    def _words(self) -> str:
        reserved = f"Capacity is reserved for it until {utc_text(self.until)} on {', '.join(self.clusters)}"
        others = "later groups may use only what it does not need"
        return f"{self.cause.text}. Waiting since {utc_text(self.since)}. {reserved}; {others}"
