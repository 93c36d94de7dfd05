"""Why a file is not read, or a group is not placed: its namespace has more than fleet.yaml allows one."""

from __future__ import annotations

from reconciler.reasons.reason import Reason

NAMESPACE_LIMIT = "NamespaceLimit"

_REMEDY = "remove some or move them to another namespace, or have the limit raised"


class TooManyFiles(Reason, frozen=True):
    """The file `path` is behind the first `allowed` of the `files` of its namespace, in order of path."""

    code = NAMESPACE_LIMIT
    waiting_helps = False
    path: str
    namespace: str
    files: int
    allowed: int

    def _words(self) -> str:
        return (
            f"{self.path} is not read: namespace {self.namespace} has {self.files:,} files, and "
            f"limits.perNamespace.files in fleet.yaml allows {self.allowed:,}: {_REMEDY}"
        )


class TooManyBytes(Reason, frozen=True):
    """The file `path` ends behind the first `allowed` of the bytes of its namespace's files, in order of path.

    `size`: the bytes of all that are no more than the namespace may have files.
    """

    code = NAMESPACE_LIMIT
    waiting_helps = False
    path: str
    namespace: str
    size: int
    allowed: int

    def _words(self) -> str:
        return (
            f"{self.path} is not read: the files of namespace {self.namespace} have {self.size:,} bytes, and "
            f"limits.perNamespace.bytes in fleet.yaml allows {self.allowed:,}: {_REMEDY}"
        )


class TooManyGroups(Reason, frozen=True):
    """The group is behind the first `allowed` of the `groups` of its namespace; `place` is its first object's."""

    code = NAMESPACE_LIMIT
    waiting_helps = False
    place: str
    namespace: str
    groups: int
    allowed: int

    def _words(self) -> str:
        return (
            f"{self.place}: namespace {self.namespace} has {self.groups:,} groups, and "
            f"limits.perNamespace.groups in fleet.yaml allows {self.allowed:,}: {_REMEDY}"
        )


class PartBeyondLimit(Reason, frozen=True):
    """A new group waits, since `part` of it may be in a file that is not read by `problem`."""

    code = NAMESPACE_LIMIT
    waiting_helps = False
    part: str
    problem: str

    def _words(self) -> str:
        return f"{self.part} may be in a file beyond a limit: {self.problem}"
