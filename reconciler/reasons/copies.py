"""What became of the copies of a group: which have a place, which wait, and which updates do not fit."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.reasons.reason import Reason

PARTLY_PLACED = "PartlyPlaced"
"""The code of a group that has a copy on some of its clusters, and waits for capacity on the others."""

UPDATE_DOES_NOT_FIT = "UpdateDoesNotFit"
"""The code of a group that keeps what it has, since its update finds no capacity."""

NamedReason = tuple[str, Reason]
"""A cluster or a topology value, and a reason about the copy there; the name is empty for the whole group."""


class Copies(Reason, frozen=True):
    """Of `count` copies `placed` are as they should be.

    `granted` are new ones, `refused` those whose update does not fit, `waiting` those without a place. `decisive` is
    the reason whose code is that of the group; None: it is partly placed.
    """

    count: int
    placed: int
    granted: tuple[NamedReason, ...] = ()
    refused: tuple[Reason, ...] = ()
    waiting: tuple[NamedReason, ...] = ()
    decisive: Reason | None = None

    @property
    def code(self) -> str:
        """That of the decisive reason, else PartlyPlaced."""
        return self.decisive.code if self.decisive is not None else PARTLY_PLACED

    @property
    def waiting_helps(self) -> bool:
        """Whether any of the copies that wait, or of the updates, may still find capacity."""
        lacking = [*self.refused, *(why for _, why in self.waiting)]
        return not lacking or any(why.waiting_helps for why in lacking)

    def _words(self) -> str:
        said = [f"{self.placed} of {self.count} clusters"] if self.count > 1 else []
        said += [f"{where}: {why.text}" for where, why in self.granted]
        said += _lacking(self.refused, self.waiting)
        return "; ".join(said)


class UpdateDoesNotFit(Reason, frozen=True):
    """The update does not fit on `cluster`, by `cause`: what was admitted stays."""

    code = UPDATE_DOES_NOT_FIT
    cluster: str
    cause: Reason

    @property
    def waiting_helps(self) -> bool:
        """As of the cause."""
        return self.cause.waiting_helps

    def _words(self) -> str:
        return f"the update does not fit on {self.cluster}: {self.cause.text}"


class UpdateUnknown(Reason, frozen=True):
    """Whether the update fits is not known, since `cluster` does not report its capacity now; `problem` says why."""

    code = UPDATE_DOES_NOT_FIT
    cluster: str
    problem: str

    def _words(self) -> str:
        return f"{self.cluster} does not report its capacity now ({self.problem}), so the update waits"


class DivisionUnchanged(Reason, frozen=True):
    """A divided group is updated on all of its clusters or on none: it stays as it is by `refused` and `waiting`."""

    code = UPDATE_DOES_NOT_FIT
    refused: tuple[Reason, ...] = ()
    waiting: tuple[NamedReason, ...] = ()

    @property
    def waiting_helps(self) -> bool:
        """Whether all that is lacking may still be found."""
        return all(
            why.waiting_helps
            for why in (*self.refused, *(why for _, why in self.waiting))
        )

    def _words(self) -> str:
        return f"the division is not changed; {'; '.join(_lacking(self.refused, self.waiting))}"


class Undisturbed(Reason, frozen=True):
    """What was wrong with the group is not wrong any more: it is on `clusters` as its files request."""

    code = "Undisturbed"
    clusters: tuple[str, ...]

    def _words(self) -> str:
        return f"placed on {', '.join(self.clusters)} as requested"


def _lacking(refused: Iterable[Reason], waiting: Iterable[NamedReason]) -> list[str]:
    said = [why.text for why in refused]
    for where, why in waiting:
        # Where a domain is one cluster, the reason may begin with its name.
        said.append(f"{where or 'it'} waits: {why.text.removeprefix(f'{where}: ')}")
    return said
