"""Turns drafts into commits without a worktree or an index.

One `git fast-import` writes a chain of commits onto a given base. It makes objects only: no branch moves until
`publish` compares and swaps, so a crash here leaves the repository as it was. The same drafts on the same base with the
same author and time give the same commit ids.

Commits are not signed: fast-import cannot sign. The place for it is between `write_commits` and `publish`, where the
finished chain can be made again with `git commit-tree -S` on the same trees.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.errors import RepoError
from reconciler.repo.address import check_sha, path_fault
from reconciler.repo.command import GitCommand
from reconciler.repo.contents import HeldContents
from reconciler.repo.ownership import TRAILER_PREFIX, is_own_path
from reconciler.repo.tree import NO_COMMIT, Tree

TEMPORARY_REFS = "refs/skyray/tmp/"
_FILE_MODE = "100644"
_TRAILER_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Author:
    """Who commits."""

    name: str = "SkyRay"
    email: str = "skyray@localhost"


@dataclass(frozen=True, slots=True)
class CommitDraft:
    """One commit to be made: its message, and per path the new content, or None to delete that file."""

    subject: str
    body: str = ""
    trailers: tuple[tuple[str, str], ...] = ()
    changes: Mapping[str, bytes | None] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """The whole message. Nothing in it but `trailers` can be read as one of SkyRay's trailers."""
        subject = _one_line(self.subject)
        if not subject:
            raise RepoError("a commit needs a subject")
        lines = _CONTROL_BUT_LINES.sub(" ", self.body.replace("\r\n", "\n")).split("\n")
        body = "\n".join(_no_trailer(line.rstrip()) for line in lines).strip("\n")
        for key, _ in self.trailers:
            if not _TRAILER_KEY.fullmatch(key):
                raise RepoError(f"{key!r} is not a trailer key")
        trailers = "\n".join(
            f"{key}: {_one_line(value)}" for key, value in self.trailers
        )
        return "\n\n".join(part for part in (subject, body, trailers) if part) + "\n"


def _one_line(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()


def _no_trailer(line: str) -> str:
    return f"  {line}" if line.lower().startswith(TRAILER_PREFIX.lower()) else line


@dataclass(frozen=True, slots=True)
class _Step:
    """What a draft changes on the files before it: (path, content or None), deletions first."""

    message: bytes
    changes: tuple[tuple[str, bytes | None], ...]


def write_commits(
    command: GitCommand,
    base: Tree,
    drafts: Sequence[CommitDraft],
    author: Author,
    now: float,
    allowed_prefixes: Iterable[str] | None,
) -> str:
    """Write one commit per draft on top of `base.revision` and return the last commit's id.

    `now` is seconds since 1970. A draft that would change nothing makes no commit; when none is left, the base comes
    back.
    `allowed_prefixes` None allows every path (only for refs of SkyRay's own). Raises `RepoError` for a path that is not
    allowed or that would bury other files.
    """
    if not drafts:
        return base.revision
    prefixes = None if allowed_prefixes is None else tuple(allowed_prefixes)
    files = _Files(base)
    steps = []
    for draft in drafts:
        step = files.apply(draft, prefixes)
        if step is not None:
            steps.append(step)
    if not steps:
        return base.revision
    return import_chain(command, check_sha(base.revision), steps, author, now)


def write_orphan(
    command: GitCommand, draft: CommitDraft, author: Author, now: float
) -> str:
    """Write `draft` as a first commit without a parent and return its id."""
    nothing = Tree.of(NO_COMMIT, (), (), HeldContents({}))
    step = _Files(nothing).apply(draft, None)
    return import_chain(
        command, None, [step or _Step(draft.message.encode(), ())], author, now
    )


class _Files:
    """The files as the drafts applied so far leave them: those of the base, and what the drafts changed of them."""

    def __init__(self, base: Tree) -> None:
        self._new_hash = hashlib.sha256 if len(base.revision) == 64 else hashlib.sha1
        self._base = base
        self._changed: dict[str, tuple[str, str] | None] = {}
        # How many files each folder on the way to a changed one has more, or fewer, than in the base.
        self._more: dict[str, int] = {}

    def apply(
        self, draft: CommitDraft, prefixes: tuple[str, ...] | None
    ) -> _Step | None:
        """Apply a draft and return what of it is a real change; None when nothing is."""
        for path in draft.changes:
            if fault := path_fault(path):
                raise RepoError(f"refusing to write {path!r}: the path {fault}")
            if prefixes is not None and not is_own_path(path, prefixes):
                raise RepoError(
                    f"refusing to write {path!r}: only {', '.join(prefixes)} may be written"
                )
        ordered = sorted(draft.changes.items())
        changes: list[tuple[str, bytes | None]] = []
        for path, content in ordered:
            if content is None and self._at(path) is not None:
                self._set(path, None)
                changes.append((path, None))
        for path, content in ordered:
            if content is not None and self._write(path, content):
                changes.append((path, content))
        if not changes:
            return None
        return _Step(draft.message.encode("utf-8", "replace"), tuple(changes))

    def _write(self, path: str, content: bytes) -> bool:
        present = self._at(path)
        if present is None:
            self._check_place(path)
        blob = self._new_hash(b"blob %d\0" % len(content) + content).hexdigest()
        if present == (_FILE_MODE, blob):
            return False
        self._set(path, (_FILE_MODE, blob))
        return True

    def _check_place(self, path: str) -> None:
        """Raise `RepoError` where a new file at `path` would bury others."""
        if self._is_folder(path):
            raise RepoError(
                f"refusing to write {path!r}: a directory of that name holds files that would be lost"
            )
        for parent in _parents(path):
            if self._at(parent) is not None:
                raise RepoError(
                    f"refusing to write {path!r}: {parent!r} is a file, link or submodule; remove it first"
                )

    def _at(self, path: str) -> tuple[str, str] | None:
        """Return mode and blob of what is at `path`; None where there is no file."""
        if path in self._changed:
            return self._changed[path]
        entry = self._base.entry(path)
        return None if entry is None else (entry.mode, entry.blob)

    def _is_folder(self, path: str) -> bool:
        more = self._more.get(path, 0)
        if more > 0:
            return True
        folder = self._base.root.folder(path)
        if folder is None:
            return False
        return more == 0 or -more < sum(1 for _ in folder.walk())

    def _set(self, path: str, to: tuple[str, str] | None) -> None:
        by = (to is not None) - (self._at(path) is not None)
        self._changed[path] = to
        for parent in _parents(path) if by else ():
            self._more[parent] = self._more.get(parent, 0) + by


def _parents(path: str) -> Iterable[str]:
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)


def import_chain(
    command: GitCommand,
    base: str | None,
    steps: Sequence[_Step],
    author: Author,
    now: float,
) -> str:
    """Feed the steps to `git fast-import` on a private ref, drop the ref, and return the id of the last commit."""
    ref = f"{TEMPORARY_REFS}{uuid.uuid4().hex}"
    who = f"{_name(author.name)} <{_name(author.email)}> {int(now)} +0000"
    # A file, since the first cycle of a large fleet writes hundreds of megabytes.
    with tempfile.TemporaryFile() as stream:
        stream.writelines(_stream(ref, base, steps, who))
        stream.seek(0)
        try:
            printed = command.run(
                "fast-import",
                "--quiet",
                "--done",
                "--date-format=raw",
                stdin=stream,
            ).text
        finally:
            if base is None:
                command.run("update-ref", "-d", ref, check=False)
    return check_sha(printed)


def _stream(
    ref: str, base: str | None, steps: Sequence[_Step], who: str
) -> Iterator[bytes]:
    """Yield what `git fast-import` reads: a commit on `ref` for each step, and the question for the last one's id."""
    for number, step in enumerate(steps, 1):
        yield f"commit {ref}\nmark :{number}\nauthor {who}\ncommitter {who}\n".encode()
        yield b"data %d\n%s\n" % (len(step.message), step.message)
        parent = f":{number - 1}" if number > 1 else base
        if parent is not None:
            yield f"from {parent}\n".encode()
        for path, content in step.changes:
            if content is None:
                yield f"D {_quoted(path)}\n".encode()
            else:
                yield f"M {_FILE_MODE} inline {_quoted(path)}\n".encode()
                yield b"data %d\n" % len(content)
                yield content
                yield b"\n"
        yield b"\n"
    yield f"get-mark :{len(steps)}\n".encode()
    if base is not None:
        # From an id of zeros the ref is never made, so that no further run of git has to delete it.
        yield f"reset {ref}\nfrom {'0' * len(base)}\n\n".encode()
    yield b"done\n"


def _name(text: str) -> str:
    return re.sub(r"[<>\x00-\x1f\x7f]+", " ", text).strip() or "SkyRay"


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def sweep_temporary_refs(command: GitCommand) -> None:
    """Delete private refs that a crashed writer left. Safe beside a running writer, which never reads its ref back."""
    found = command.run(
        "for-each-ref", "--format=delete %(refname)", TEMPORARY_REFS
    ).stdout
    if found:
        command.run("update-ref", "--stdin", stdin=found, check=False)
