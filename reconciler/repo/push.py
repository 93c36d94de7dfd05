"""Publishes a commit as a compare-and-swap: the branch moves from exactly the base that was read, or not at all.

A push has three outcomes. It was accepted; the branch had moved (`PushRejected`: read and plan again); or it cannot be
done (`RepoError` with the remedy). When the connection breaks after the server may have accepted the push, the remote's
refs are read again to find out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler.errors import PushRejected, RepoError
from reconciler.repo.command import REMOTE, GitCommand, last_words
from reconciler.repo.history import is_ancestor

_LOST_RACE = (  # what git and the forges print when a ref is not where the lease says
    "stale info",
    "fetch first",
    "non-fast-forward",
    "needs force",
    "cannot lock ref",
    "failed to update ref",
    "failed to lock",
    "reference already exists",
    "incorrect old value",
    "but expected",
    "atomic transaction failed",
)
_FOLLOWS_ANOTHER = ("atomic push fail", "atomic transaction fail")
_REMEDIES = (
    (("transport '",), "use https or ssh"),
    (
        (
            "could not read Username",
            "could not read Password",
            "Authentication failed",
            "error: 401",
        ),
        "check the credentials",
    ),
    (
        ("Permission denied", "publickey"),
        "check the ssh key and that it may use this repository",
    ),
    (("Host key verification failed",), "add the host's key to known_hosts"),
    (
        ("error: 403", "not allowed", "denied to", "insufficient permission"),
        "the account may not do this; grant it access",
    ),
    (
        ("protected branch", "hook declined", "GH006", "GL-HOOK-ERR"),
        "the server's rules refuse it; allow this account",
    ),
    (
        ("not found", "does not appear to be a git", "does not exist", "error: 404"),
        "check the address and the access to it",
    ),
    (
        ("couldn't find remote ref",),
        "create the branch, or set the right one in fleet.yaml",
    ),
    (
        ("Could not resolve host", "Name or service not known"),
        "check the host name and DNS",
    ),
    (
        ("Failed to connect", "Connection refused", "onnection timed out"),
        "check the network, and that the server is up",
    ),
    (
        ("SSL certificate", "server certificate", "TLS"),
        "check the server's certificate and the CA bundle",
    ),
    (
        ("does not support --atomic",),
        "the server is too old; SkyRay needs atomic pushes",
    ),
    (("No space left", "disk quota"), "free disk space"),
)


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """One ref to move: its full name, the commit it must point at now (None: must not exist), and the new commit."""

    ref: str
    old: str | None
    new: str


def push(
    command: GitCommand,
    updates: tuple[RefUpdate, ...],
    refetch: Callable[[], Mapping[str, str]],
) -> None:
    """Move all of `updates` on the remote in one atomic push, each only from its old value.

    `refetch` reads the remote again and returns where its refs are; it decides what an unclear outcome was.
    """
    leases = [
        f"--force-with-lease={update.ref}:{update.old or ''}" for update in updates
    ]
    moves = [f"{update.new}:{update.ref}" for update in updates]
    result = command.run(
        "push",
        "--atomic",
        "--porcelain",
        "--no-verify",
        *leases,
        "--",
        REMOTE,
        *moves,
        check=False,
        network=True,
    )
    if result.status == 0:
        return
    reasons = [
        line.split("\t", 2)[-1]
        for line in result.text.splitlines()
        if line.startswith("!\t")
    ]
    # In an atomic push the other refs fail only because of the first.
    own = [
        reason
        for reason in reasons
        if not any(sign in reason for sign in _FOLLOWS_ANOTHER)
    ] or reasons
    if not own:
        # No ref has a status: the connection broke, or the server never answered.
        _check_remote(
            command, updates, refetch, refused(command, "push", result.stderr)
        )
    elif all(_is_lost_race(reason) for reason in own):
        _check_remote(command, updates, refetch, lost_race(updates[0].ref))
    else:
        raise refused(command, "push", "\n".join([result.stderr, *own]))


def _is_lost_race(reason: str) -> bool:
    return any(sign in reason for sign in _LOST_RACE)


def _check_remote(
    command: GitCommand,
    updates: tuple[RefUpdate, ...],
    refetch: Callable[[], Mapping[str, str]],
    failure: RepoError,
) -> None:
    """Read what the remote has now, and raise `failure` or a lost race unless the push was accepted after all.

    That is needed even after a rejection: when an answer is lost, the HTTP library sends the same push again, and the
    second push is rejected because the first was accepted.
    """
    try:
        there = refetch()
    except RepoError:
        raise failure from None
    tips = [(there.get(update.ref), update.new) for update in updates]
    if all(
        tip is not None and (tip == new or is_ancestor(command, new, tip))
        for tip, new in tips
    ):
        return  # accepted; other commits may follow it already
    if any(there.get(update.ref) != update.old for update in updates):
        raise lost_race(updates[0].ref)
    raise failure


def lost_race(ref: str) -> PushRejected:
    """Return the error for a branch that moved since it was read."""
    name = ref.removeprefix("refs/heads/")
    return PushRejected(
        f"{name} moved since it was read; read it again, plan again and push again"
    )


def refused(command: GitCommand, verb: str, printed: str) -> RepoError:
    """Return the error for a failed fetch or push that needs a person, with the remedy for what git `printed`."""
    failure = command.failure(verb, command.redact(printed))
    for signs, remedy in _REMEDIES:
        if any(sign in printed for sign in signs):
            return type(failure)(f"{failure} ({remedy})")
    return failure


def swap_refs(command: GitCommand, updates: tuple[RefUpdate, ...]) -> None:
    """Move all of `updates` in the local repository in one transaction, each only from its old value."""
    moves = [
        f"create {update.ref} {update.new}"
        if update.old is None
        else f"update {update.ref} {update.new} {update.old}"
        for update in updates
    ]
    text = "\n".join(["start", *moves, "prepare", "commit", ""])
    result = command.run(
        "update-ref",
        "-m",
        "skyray: publish",
        "--stdin",
        stdin=text.encode(),
        check=False,
    )
    if result.status == 0:
        return
    if any(sign in result.stderr for sign in (*_LOST_RACE, "File exists")):
        raise PushRejected(
            f"{updates[0].ref} could not be moved: {last_words(result.stderr)}; read it again"
        )
    raise command.failure("update-ref", result.stderr)
