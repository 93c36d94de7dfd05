"""The words of a decision: verdicts of clusters, phases of groups, actions of a plan. Plain data.

Their values are part of the contract with users (docs/contract.md): they are written into commits, Placement files and
the Plan JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache

from reconciler.kube_scheduler.gang import Fit
from reconciler.reasons.reason import Reason
from reconciler.reasons.written import Written


class Verdict(StrEnum):
    """What a candidate cluster can do for a group, best first; declaration order is the order of preference."""

    FITS_NOW = "FitsNow"
    FITS_AFTER_SCALE_UP = "FitsAfterScaleUp"
    FITS_AFTER_RESUME = "FitsAfterResume"
    FITS_AFTER_CREATE = "FitsAfterCreate"
    NO_FIT = "NoFit"
    NEVER_FITS = "NeverFits"
    NOT_ELIGIBLE = "NotEligible"
    UNREACHABLE = "Unreachable"

    @property
    def fits(self) -> bool:
        """Tell whether a group may be placed on this verdict."""
        return self.value.startswith("Fits")


def verdict_of(fit: Fit) -> Verdict:
    """Return what the outcome of a fit is called."""
    if not fit.ok:
        return Verdict.NEVER_FITS if fit.never else Verdict.NO_FIT
    # Pods that wait are bound once the autoscaler has added their nodes.
    return Verdict.FITS_AFTER_SCALE_UP if fit.waits else Verdict.FITS_NOW


class Phase(StrEnum):
    """Where a group is in its life."""

    PENDING = "Pending"
    PLACED = "Placed"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    MOVING = "Moving"
    RETIRED = "Retired"
    REJECTED = "Rejected"


class Action(StrEnum):
    """What a cycle does with a group."""

    PLACE = "place"
    KEEP = "keep"
    MOVE = "move"
    RETIRE = "retire"
    WAIT = "wait"
    REJECT = "reject"


@dataclass(frozen=True)
class Candidate:
    """One cluster considered for a group, what it can do for it, and why.

    Most are losers whose words are never read, so the words are made when they are asked for, and kept: as long as
    nothing changes on its cluster, one candidate serves all groups that ask for the same.
    """

    cluster: str
    verdict: Verdict
    why: Reason

    @cached_property
    def reason(self) -> str:
        """The code of the reason, a CamelCase word."""
        return self.why.code

    @cached_property
    def message(self) -> str:
        """The reason in words, with its numbers."""
        return self.why.text

    @cached_property
    def in_words(self) -> Candidate:
        """The candidate as a file has it: with the words of the reason, and not the amounts that these are made of."""
        if isinstance(self.why, Written):
            # It was read from a file, or has been put into words before.
            return self
        return written_candidate(self.cluster, self.verdict, self.reason, self.message)


@lru_cache(maxsize=1 << 16)
def written_candidate(
    cluster: str, verdict: Verdict, reason: str, message: str
) -> Candidate:
    """Return a candidate with words alone; most groups of a fleet were refused by a cluster in the same words."""
    return Candidate(cluster, verdict, Written(reason, message))


@dataclass(frozen=True, slots=True)
class Unplaced:
    """Why a copy is not as it should be: `where` is its cluster, or the topology value that has none yet."""

    where: str
    why: Reason

    @property
    def reason(self) -> str:
        """Return the code of the reason, a CamelCase word."""
        return self.why.code

    @property
    def message(self) -> str:
        """Return the reason in words."""
        return self.why.text
