"""A cycle: read the branch's tip, read the fleet's capacity, plan, commit, push; after a lost race all of it again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from reconciler.errors import SkyRayError
from reconciler.fleet.snapshot import FleetSnapshot
from reconciler.fleet.snapshot_file import write_fleet_snapshot
from reconciler.planning.pipeline import plan
from reconciler.planning.plan import Plan, joined
from reconciler.planning.plan_cache import PlanCache
from reconciler.planning.state import RepoState
from reconciler.repo.publish import Proposal, Published, publish_loop
from reconciler.repo.repository import GitRepo
from reconciler.repo.writer import Author
from reconciler.service.reading import read_revision

AUTHOR = Author("SkyRay", "skyray@users.noreply.skyray.dev")


@dataclass(frozen=True, slots=True)
class Cycle:
    """The result of a cycle: the plan that was published, the state it was made on, and the tip of the branch."""

    plan: Plan
    state: RepoState
    published: Published

    def followed_by(self, later: Cycle) -> Cycle:
        """Return what this cycle and the one after it did together, on the state that the later one read."""
        plan = joined(self.plan, later.plan)
        attempts = self.published.attempts + later.published.attempts
        published = Published(self.published.base, later.published.tip, attempts)
        return Cycle(plan, later.state, published)


@dataclass(frozen=True, slots=True)
class _Rest:
    """A plan that changed nothing, with what it was made of."""

    state: RepoState
    snapshot: FleetSnapshot
    plan: Plan

    def holds(self, revision: str, now: float) -> bool:
        """Tell whether the same plan would be made of this revision now, if the capacity is the same."""
        if self.state.revision != revision:
            return False
        return self.plan.next_at is None or now < self.plan.next_at


@dataclass(slots=True)
class Reconciler:
    """Runs cycles on a repo. `capacity` reads the clusters, `now` returns unix seconds, `notice` gets progress."""

    repo: GitRepo
    capacity: Callable[[RepoState, float], FleetSnapshot]
    now: Callable[[], float] = time.time
    sleep: Callable[[float], object] = time.sleep
    notice: Callable[[str], None] = field(default=lambda _: None)
    _cache: PlanCache = field(default_factory=PlanCache, init=False, repr=False)
    _rest: _Rest | None = field(default=None, init=False, repr=False)

    def run(self, *, allow_removals: bool = False) -> Cycle:
        """Run cycles until nothing is left over; return what they did together.

        Raises `InputError`, `GuardTripped` or `RepoError`; the cycle in which that happens writes nothing.
        """
        done = self.cycle(allow_removals=allow_removals)
        last = done
        # A cycle that changes nothing leaves over what the next one would leave over again.
        while last.plan.left and last.published.changed:
            self.notice(f"{last.plan.left:,} groups are left for the next cycle")
            last = self.cycle()
            done = done.followed_by(last)
        return done

    def cycle(self, *, allow_removals: bool = False) -> Cycle:
        """Run one cycle. Raises `InputError`, `GuardTripped` or `RepoError`; nothing is written then."""
        made: list[tuple[Plan, RepoState]] = []

        def propose(base: str) -> Proposal:
            planned, state, snapshot = self._plan(base)
            if not allow_removals:
                planned.guard.check()
            made.append((planned, state))
            return Proposal(planned.drafts, _kept(snapshot, planned))

        published = publish_loop(
            self.repo, propose, AUTHOR, now=self.now, sleep=self.sleep
        )
        planned, state = made[-1]
        return Cycle(planned, state, published)

    def _plan(self, base: str) -> tuple[Plan, RepoState, FleetSnapshot]:
        """Return the plan for a revision, and what it is made of; nothing is planned again where nothing changed."""
        self.notice(f"reading {self.repo.shown} at {base[:10]}")
        now = self.now()
        rest = self._rest
        if rest is not None and rest.holds(base, now):
            state = rest.state
        else:
            rest = None
            self._cache.start_generation()
            state = read_revision(self.repo, base, self._cache)
        self.notice(f"looking at {len(state.clusters)} clusters")
        snapshot = self.capacity(state, now)
        if rest is not None and snapshot.digest == rest.snapshot.digest:
            return rest.plan, state, snapshot
        if rest is not None:
            self._cache.start_generation()
            state = read_revision(self.repo, base, self._cache)
        planned = plan(state, snapshot, now, self._cache)
        self._rest = None if planned.drafts else _Rest(state, snapshot, planned)
        return planned, state, snapshot

    def watch(
        self,
        interval: float,
        report: Callable[[Cycle | SkyRayError], None],
    ) -> None:
        """Run a cycle every `interval` seconds until interrupted; `report` gets each cycle, or its error.

        The next one follows at once where groups are left over.
        """
        while True:
            left = 0
            try:
                done = self.cycle()
                report(done)
                left = done.plan.left if done.published.changed else 0
            except SkyRayError as error:
                report(error)
            if not left:
                self.sleep(interval)


def _kept(snapshot: FleetSnapshot, planned: Plan) -> dict[str, Callable[[], bytes]]:
    """Return what writes the snapshot as a file, by the file's name, if something was decided on it."""
    if not planned.decided_anything:
        return {}
    name = f"{snapshot.digest.removeprefix('sha256:')}.json"
    return {name: partial(write_fleet_snapshot, snapshot)}
