"""Reads a repository's history: commits with their trailers, changed paths, and the last commit of each file.

Everything is read from the output of git's own commands, many commits in each run (docs/decisions/0011-gitpython.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from reconciler.errors import RepoError
from reconciler.repo.address import check_sha, path_fault
from reconciler.repo.command import GitCommand
from reconciler.repo.ownership import has_own_trailer, is_own_path
from reconciler.repo.tree import readable_path

_FIELDS = (
    "%H",
    "%P",
    "%an",
    "%ae",
    "%ct",
    "%s",
    "%b",
    "%(trailers:only=true,unfold=true)",
)
_FORMAT = "--format=tformat:" + "%x00".join(_FIELDS)
_TOUCHED = "--format=tformat:%x00%H"
_TOUCHED_WITH_PARENTS = "--format=tformat:%x00%H %P"

Action = Literal["add", "modify", "delete"]
_ACTIONS: Mapping[str, Action] = {"A": "add", "D": "delete"}


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit. `time` is when it was committed, in seconds since 1970; `body` is without the trailers."""

    sha: str
    parents: tuple[str, ...]
    author: str
    email: str
    time: int
    subject: str
    body: str
    trailers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PathChange:
    """What happened to one path between two revisions. A rename is a delete and an add."""

    path: str
    action: Action


@dataclass(frozen=True, slots=True)
class Ref:
    """Where a ref points, and when that commit was made, in seconds since 1970."""

    sha: str
    time: int


def list_refs(command: GitCommand, pattern: str) -> dict[str, Ref]:
    """Return the refs at or below `pattern` by their full names."""
    fields = "%(refname) %(objectname) %(committerdate:unix)"
    listed = command.run("for-each-ref", f"--format={fields}", "--", pattern).text
    found = {}
    for line in listed.splitlines():
        name, sha, time = line.split(" ")
        # What is no commit has no such time.
        found[name] = Ref(sha, int(time or 0))
    return found


def find_commit(command: GitCommand, name: str) -> tuple[str, int] | None:
    """Return the full id of the commit that `name` means and when it was made; None when it means none.

    Its parents are not read, so that a damaged history is found by what needs it.
    """
    asked = f"{name}^{{commit}}"
    found = command.run(
        "rev-list",
        "--no-walk",
        "--format=%ct",
        "--end-of-options",
        asked,
        "--",
        check=False,
    )
    if found.status:
        return None
    # `commit <id>`, then the line in the format.
    head, _, time = found.text.partition("\n")
    return check_sha(head.removeprefix("commit ")), int(time)


def read_log(
    command: GitCommand,
    revision: str,
    *,
    after: str | None = None,
    paths: Iterable[str] = (),
    trailer: tuple[str, str] | None = None,
    limit: int | None = None,
) -> tuple[Commit, ...]:
    """Return commits reachable from `revision`, newest first.

    `after` leaves out what is reachable from that commit, `paths` keeps commits that touch one of these files or
    directories, `trailer` those that carry exactly this key and value, and `limit` the newest so many of the rest.
    """
    arguments = ["log", "--stdin", "-z", _FORMAT, "--no-show-signature"]
    if trailer is not None:
        arguments += ["--fixed-strings", f"--grep={trailer[0]}: {trailer[1]}"]
    elif limit is not None:
        arguments.append(f"--max-count={limit}")
    revisions = (
        [check_sha(revision)]
        if after is None
        else [check_sha(revision), f"^{check_sha(after)}"]
    )
    output = command.run(*arguments, stdin=_asked(revisions, paths)).stdout
    fields = [field.decode("utf-8", "replace") for field in output.split(b"\0")[:-1]]
    commits = [
        _commit(fields[at : at + len(_FIELDS)])
        for at in range(0, len(fields), len(_FIELDS))
    ]
    if trailer is not None:
        # --grep finds the text anywhere in the message.
        key, value = trailer
        commits = [commit for commit in commits if commit.trailers.get(key) == value]
    return tuple(commits[:limit])


def _commit(fields: Sequence[str]) -> Commit:
    sha, parents, author, email, time, subject, body, raw_trailers = fields
    pairs = [line.partition(": ") for line in raw_trailers.splitlines()]
    trailers = {key: value for key, separator, value in pairs if separator}
    text = body.strip("\n").removesuffix(raw_trailers.strip("\n")).strip("\n")
    return Commit(
        sha.strip("\n"),
        tuple(parents.split()),
        author,
        email,
        int(time),
        subject,
        text,
        MappingProxyType(trailers),
    )


def _asked(revisions: Iterable[str], paths: Iterable[str]) -> bytes:
    lines = [*revisions, "--"]
    for path in paths:
        if fault := path_fault(path.removesuffix("/")):
            raise RepoError(f"{path!r} is not a path in a repository: it {fault}")
        lines.append(path)
    return "".join(f"{line}\n" for line in lines).encode()


def changed_paths(command: GitCommand, old: str, new: str) -> tuple[PathChange, ...]:
    """Return how the tree at `new` differs from the tree at `old`, in path order, whatever lies between them."""
    output = command.run(
        "diff-tree", "-r", "-z", "--raw", "--no-renames", check_sha(old), check_sha(new)
    ).stdout
    tokens = output.split(b"\0")[:-1]
    changes = []
    for head, raw_path in zip(tokens[::2], tokens[1::2], strict=True):
        status = head.rsplit(b" ", 1)[1].decode("ascii")
        changes.append(
            PathChange(readable_path(raw_path)[0], _ACTIONS.get(status, "modify"))
        )
    return tuple(changes)


def only_own_commits(
    command: GitCommand, old: str, new: str, prefixes: Iterable[str]
) -> bool:
    """Say whether everything from `old` to `new` is SkyRay's own work, so that nothing needs planning again.

    False when `old` is not an ancestor of `new`: history was rewritten.
    """
    if not is_ancestor(command, old, new):
        return False
    for commit in read_log(command, new, after=old):
        # SkyRay makes no merges.
        if len(commit.parents) != 1 or not has_own_trailer(commit.trailers):
            return False
    prefixes = tuple(prefixes)
    arguments = ("log", "--stdin", "-z", "--name-only", "--no-renames", _TOUCHED)
    touched = command.run(*arguments, stdin=_asked([new, f"^{old}"], ())).stdout
    return all(is_own_path(path, prefixes) for _, path in _touches([touched]))


def is_ancestor(command: GitCommand, old: str, new: str) -> bool:
    """Say whether `old` is `new` or one of its ancestors. An `old` that the repository does not have is not."""
    result = command.run(
        "merge-base", "--is-ancestor", check_sha(old), check_sha(new), check=False
    )
    if result.status in {0, 1}:
        return result.status == 0
    if command.run("cat-file", "-e", old, check=False).status:
        # The repository does not have `old`, for example after a forced push.
        return False
    raise command.failure("merge-base", result.stderr)


@dataclass(frozen=True, slots=True)
class LastChanges:
    """The commit that last changed each file of a folder, up to `revision`.

    `commits` is by path, and may have paths that are gone. `numbers` orders the commits from old to new. `versions`
    counts the commits that touched each folder inside, by its name.
    """

    revision: str
    commits: Mapping[str, str]
    numbers: Mapping[str, int]
    versions: Mapping[str, int]

    def of(self, paths: Iterable[str]) -> dict[str, str]:
        """Return the commit of each of `paths` that any commit changed."""
        return {path: self.commits[path] for path in paths if path in self.commits}


class LastChange:
    """Finds the commit that last changed each file of one folder, in one walk along the branch.

    The walk follows first parents, so a merged pull request counts as its merge commit: the moment it took effect. What
    one walk found is kept, and the next walk covers only what came since.
    """

    def __init__(self, command: GitCommand, folder: str) -> None:
        self._command = command
        self._folder = folder
        self._known: LastChanges | None = None

    def __call__(
        self, revision: str, paths: Callable[[], Iterable[str]]
    ) -> LastChanges:
        """Return the last changes up to `revision`; `paths` returns the files that the folder has then."""
        known = self._known
        if known is not None and known.revision == revision:
            return known
        since = self._walk_on(known.revision, revision) if known is not None else None
        if known is None or since is None:
            # The first walk, or a branch that was rewritten.
            commits = self._walk(revision, set(paths()))
            earlier = LastChanges("", {}, {}, known.versions if known else {})
        else:
            commits = since
            earlier = known
        self._known = self._joined(revision, earlier, commits)
        return self._known

    def _joined(
        self, revision: str, earlier: LastChanges, found: Mapping[str, str]
    ) -> LastChanges:
        if not found and earlier.revision:
            return replace(earlier, revision=revision)
        numbers = dict(earlier.numbers)
        for commit in reversed(dict.fromkeys(found.values())):
            numbers[commit] = len(numbers)
        versions = dict(earlier.versions)
        touched = {path.removeprefix(self._folder).partition("/")[0] for path in found}
        if not earlier.revision:
            # Whatever was known of a folder is from another history.
            touched |= versions.keys()
        for name in touched:
            versions[name] = versions.get(name, 0) + 1
        return LastChanges(revision, {**earlier.commits, **found}, numbers, versions)

    def _walk_on(self, old: str, new: str) -> dict[str, str] | None:
        """Return the commit by path, newest first, of what came after `old`.

        None where `old` is not on the line of first parents of `new`.
        """
        # With --sparse commits that touch nothing of the folder are listed too, so the parent of the last one is seen.
        with self._log([check_sha(new), f"^{check_sha(old)}"], sparse=True) as pieces:
            found: dict[str, str] = {}
            parent = ""
            try:
                for commit, parents, path in _touches_with_parents(pieces):
                    parent = parents[0] if parents else ""
                    if path:
                        found.setdefault(path, commit)
            except RepoError:
                # A forced push may have taken `old` out of the repository.
                return None
        return found if parent == old else None

    def _walk(self, revision: str, wanted: set[str]) -> dict[str, str]:
        """Return the commit by path, newest first, of the paths that are `wanted`."""
        if not wanted:
            return {}
        found: dict[str, str] = {}
        with self._log([check_sha(revision)], sparse=False) as pieces:
            for commit, _, path in _touches_with_parents(pieces):
                if path in wanted:
                    found.setdefault(path, commit)
                    if len(found) == len(wanted):
                        break
        return found

    def _log(
        self, revisions: list[str], *, sparse: bool
    ) -> AbstractContextManager[Iterator[bytes]]:
        """Start the log of the folder along first parents."""
        return self._command.stream(
            "log",
            "--stdin",
            "-z",
            "--first-parent",
            "--diff-merges=first-parent",
            "--name-only",
            "--no-renames",
            "--no-show-signature",
            *(("--sparse",) if sparse else ()),
            _TOUCHED_WITH_PARENTS,
            stdin=_asked(revisions, [self._folder]),
        )


def _touches_with_parents(
    pieces: Iterable[bytes],
) -> Iterator[tuple[str, list[str], str]]:
    """Read `log -z --name-only --format=%x00%H %P` as (commit, parents, path).

    Each commit comes without a path first.
    """
    commit = ""
    parents: list[str] = []
    announced = False
    for word in _words(pieces):
        if not word:
            announced = True
        elif announced:
            commit, *parents = word.decode("ascii").split()
            announced = False
            yield commit, parents, ""
        else:
            path = word.removeprefix(b"\n").decode("utf-8", "replace")
            yield commit, parents, path


def _touches(pieces: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Read `log -z --name-only --format=%x00%H` as (commit, path): an empty word announces a commit."""
    commit, announced = "", False
    for word in _words(pieces):
        if not word:
            announced = True
        elif announced:
            commit, announced = word.decode("ascii").strip(), False
        else:
            yield commit, word.removeprefix(b"\n").decode("utf-8", "replace")


def _words(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\0")
        yield from whole
    if rest:
        yield rest
