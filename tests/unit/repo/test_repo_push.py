"""How git's own words about a push are told apart; git's own as 2.39 prints them, and the forms that forges use."""

from dataclasses import dataclass, field

import pytest

from reconciler.errors import PushRejected, RepoError
from reconciler.repo.command import GitCommand, Result
from reconciler.repo.push import RefUpdate, push

OLD, NEW = "a" * 40, "b" * 40
UPDATE = RefUpdate("refs/heads/main", OLD, NEW)


@dataclass(frozen=True)
class _Said(GitCommand):
    """A git that only says something."""

    result: Result = field(kw_only=True)

    def run(self, *_: object, **__: object) -> Result:
        return self.result


def _push(line: str = "", stderr: str = "", there: dict[str, str] | None = None) -> None:
    command = _Said(None, result=Result(1, f"To x\n{line}\nDone\n".encode(), stderr))
    push(command, (UPDATE,), lambda: there or {UPDATE.ref: OLD})


@pytest.mark.parametrize(
    "reason",
    [
        "[rejected] (stale info)",
        "[rejected] (fetch first)",
        "[rejected] (non-fast-forward)",
        "[remote rejected] (cannot lock ref 'refs/heads/main': is at c but expected a)",
        "[remote rejected] (failed to update ref)",
        "[remote rejected] (failed to lock)",
        "[remote rejected] (reference already exists)",
        "[remote rejected] (incorrect old value provided)",
        "[remote rejected] (atomic transaction failed)",
    ],
)
def test_a_lost_race_is_recognised(reason: str) -> None:
    with pytest.raises(PushRejected, match="plan again"):
        _push(f"!\t{NEW}:refs/heads/main\t{reason}")


def test_a_ref_that_only_fell_with_another_does_not_hide_the_reason() -> None:
    follower = f"!\t{NEW}:refs/skyray/snapshots\t[rejected] (atomic push failed)"
    with pytest.raises(PushRejected):
        _push(f"{follower}\n!\t{NEW}:refs/heads/main\t[rejected] (stale info)")


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("[remote rejected] (pre-receive hook declined)", "server's rules"),
        ("[remote rejected] (protected branch hook declined)", "server's rules"),
        ("[remote rejected] (permission denied to update this branch)", "permission denied"),
    ],
)
def test_a_refusal_by_rule_is_final(reason: str, remedy: str) -> None:
    with pytest.raises(RepoError, match=remedy) as error:
        _push(f"!\t{NEW}:refs/heads/main\t{reason}")
    assert not isinstance(error.value, PushRejected)


@pytest.mark.parametrize(
    ("stderr", "remedy"),
    [
        ("fatal: Authentication failed for 'https://h/r/'", "credentials"),
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", "credentials"),
        ("fatal: unable to access 'https://h/r/': The requested URL returned error: 403", "grant it access"),
        ("git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.", "ssh key"),
        ("fatal: unable to access 'https://h/': Could not resolve host: h", "DNS"),
        ("fatal: the receiving end does not support --atomic push", "too old"),
    ],
)
def test_a_failure_without_a_verdict_names_the_remedy(stderr: str, remedy: str) -> None:
    with pytest.raises(RepoError, match=remedy) as error:
        _push(stderr=stderr, there={UPDATE.ref: OLD})
    assert not isinstance(error.value, PushRejected)


def test_a_lost_answer_counts_as_landed_when_the_remote_has_the_commit() -> None:
    _push(stderr="fatal: the remote end hung up unexpectedly", there={UPDATE.ref: NEW})


def test_a_rejection_because_the_first_try_of_the_same_push_landed_is_a_success() -> None:
    _push(f"!\t{NEW}:refs/heads/main\t[remote rejected] (failed to update ref)", there={UPDATE.ref: NEW})


def test_a_lost_answer_counts_as_lost_race_when_the_remote_has_something_else() -> None:
    with pytest.raises(PushRejected):
        _push(stderr="fatal: the remote end hung up unexpectedly", there={UPDATE.ref: "c" * 40})
