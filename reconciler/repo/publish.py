"""Publishes a plan: read, plan, push, and all of it again after a lost race.

Only `PushRejected` is tried again, and each attempt plans on the new tip, so that a lost race never overwrites the
commits that won it. The first retries follow almost at once: what makes a push win among constant writers is a short
time between the fetch that saw the tip and the push. Clock, sleep and random numbers are passed in.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from reconciler.errors import PushRejected
from reconciler.repo.ownership import OWN_PREFIXES, SNAPSHOT_REF
from reconciler.repo.push import RefUpdate
from reconciler.repo.repository import GitRepo
from reconciler.repo.writer import Author, CommitDraft


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how fast a lost push is tried again. Times in seconds.

    After each of the first `at_once` lost pushes the pause is random, and at most `spread`. Then it is `first`, grows
    by half each time and is never over 30 s. With the defaults twelve retries take little more than their own work; the
    seven after them wait out somebody who pushes for a minute.
    """

    attempts: int = 20
    at_once: int = 12
    spread: float = 0.02
    first: float = 1.0
    factor: float = 1.5
    cap: float = 30.0

    def pause(self, failures: int, jitter: float) -> float:
        """Return how many seconds to wait after the `failures`-th lost push.

        `jitter` in [0, 1) spreads writers that lost the same race over half to all of the pause.
        """
        if failures <= self.at_once:
            return self.spread * jitter
        waited = failures - self.at_once - 1
        longest = min(self.cap, self.first * self.factor**waited)
        return longest * (0.5 + jitter / 2)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to publish on a base: the commits, and what writes the snapshots that they were decided on, by file name."""

    commits: tuple[CommitDraft, ...]
    snapshots: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Published:
    """What `publish_loop` did: the commit it planned on, the tip it left (the same when there was nothing to do)."""

    base: str
    tip: str
    attempts: int

    @property
    def changed(self) -> bool:
        """Whether anything was pushed."""
        return self.base != self.tip


def publish_loop(
    repo: GitRepo,
    make_drafts: Callable[[str], Proposal],
    author: Author,
    *,
    policy: RetryPolicy = RetryPolicy(),
    allowed_prefixes: tuple[str, ...] = OWN_PREFIXES,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], object] = time.sleep,
    jitter: Callable[[], float] = random.random,
) -> Published:
    """Publish what `make_drafts` proposes for the branch's tip, planning again each time someone else pushed first.

    `make_drafts` gets the tip's commit id and must plan on exactly that. No commit, or none that changes anything,
    means no push. Raises `PushRejected` after the last attempt, and any other `RepoError` at once.
    """
    for attempt in range(1, policy.attempts + 1):
        # A push that was rejected has read the remote again, and that tip is planned on at once.
        if attempt == 1 or attempt > policy.at_once + 1:
            repo.fetch()
        base = repo.head()
        proposal = make_drafts(base)
        time_now = now()
        tip = repo.write_commits(
            base, proposal.commits, author, time_now, allowed_prefixes
        )
        if tip == base:
            return Published(base, base, attempt)
        kept = _kept_snapshots(repo, proposal.snapshots, author, time_now)
        try:
            repo.publish(base, tip, extra_refs=() if kept is None else (kept,))
        except PushRejected as lost:
            if attempt == policy.attempts:
                raise PushRejected(
                    f"lost the race for {repo.branch} {attempt} times: {lost}"
                ) from lost
            sleep(policy.pause(attempt, jitter()))
        else:
            return Published(base, tip, attempt)
    raise ValueError("a retry policy needs at least one attempt")


def _kept_snapshots(
    repo: GitRepo,
    snapshots: Mapping[str, Callable[[], bytes]],
    author: Author,
    now: float,
) -> RefUpdate | None:
    """Write the snapshots that are not kept yet; a snapshot's name stands for its contents."""
    missing = repo.missing_from_ref(SNAPSHOT_REF, snapshots)
    if not missing:
        return None
    files = {name: snapshots[name]() for name in missing}
    return repo.write_ref_files(
        SNAPSHOT_REF, files, "keep capacity snapshots", author, now
    )
