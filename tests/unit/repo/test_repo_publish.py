"""The loop around a push: what is tried again, how often, and after which pause."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import PushRejected, RepoError
from reconciler.repo.command import GitCommand
from reconciler.repo.publish import Proposal, Published, RetryPolicy, publish_loop
from reconciler.repo.repository import GitRepo
from reconciler.repo.writer import Author, CommitDraft


@given(st.integers(1, 60), st.floats(0, 1, exclude_max=True))
def test_first_pauses_are_tiny_then_they_grow_spread_and_stay_under_the_cap(failures: int, jitter: float) -> None:
    policy = RetryPolicy()
    pause = policy.pause(failures, jitter)
    if failures <= policy.at_once:
        assert 0 <= pause < 0.02
        return
    longest = min(30.0, 1.5 ** (failures - policy.at_once - 1))
    assert longest / 2 <= pause <= longest


class _Branch(GitRepo):
    """A repository that loses the first so many races."""

    def __init__(self, losses: int, error: Exception | None = None) -> None:
        super().__init__(GitCommand(None), "main", clone=None, shown="a test")
        self.losses = losses
        self.error = error
        self.tips = 0
        self.fetches = 0
        self.planned_on: list[str] = []

    def fetch(self) -> None:
        self.fetches += 1
        self.tips += 1

    def head(self, rev: str | None = None) -> str:
        assert rev is None
        return f"base{self.tips}"

    def plan(self, base: str) -> Proposal:
        self.planned_on.append(base)
        return Proposal((CommitDraft("s"),))

    def write_commits(self, base_sha: str, drafts: Sequence[CommitDraft], *_: object) -> str:
        return f"{base_sha}+{len(drafts)}" if drafts else base_sha

    def publish(self, *_: object, **__: object) -> None:
        if self.error:
            raise self.error
        if self.losses:
            self.losses -= 1
            # A rejected push reads the remote again.
            self.tips += 1
            raise PushRejected("moved")


def _loop(branch: Any, make_drafts: Any = None, attempts: int = 10) -> tuple[Published, list[float]]:
    slept: list[float] = []
    done = publish_loop(
        branch,
        make_drafts or branch.plan,
        Author(),
        policy=RetryPolicy(attempts=attempts),
        now=lambda: 1.0,
        sleep=slept.append,
        jitter=lambda: 0.5,
    )
    return done, slept


def test_a_lost_push_is_planned_again_on_the_new_tip() -> None:
    branch = _Branch(losses=2)
    done, slept = _loop(branch)
    assert done == Published("base3", "base3+1", 3)
    assert done.changed
    assert branch.planned_on == ["base1", "base2", "base3"]
    assert branch.fetches == 1, "what a lost push has read is planned on at once"
    assert slept == [0.01, 0.01]


def test_after_many_lost_races_it_waits_and_reads_again() -> None:
    branch = _Branch(losses=14)
    done, slept = _loop(branch, attempts=20)
    assert done.attempts == 15
    assert slept == [0.01] * 12 + [0.75, 1.125]
    assert branch.fetches == 3


def test_after_the_last_attempt_the_loss_is_reported() -> None:
    branch = _Branch(losses=99)
    with pytest.raises(PushRejected, match="lost the race for main 3 times"):
        _loop(branch, attempts=3)
    assert len(branch.planned_on) == 3


def test_only_a_lost_race_is_tried_again() -> None:
    branch = _Branch(losses=0, error=RepoError("permission denied"))
    with pytest.raises(RepoError, match="permission denied"):
        _loop(branch)
    assert len(branch.planned_on) == 1


def test_without_drafts_nothing_is_pushed() -> None:
    branch = _Branch(losses=0, error=AssertionError("pushed"))
    done, _ = _loop(branch, make_drafts=lambda _: Proposal(()))
    assert not done.changed
