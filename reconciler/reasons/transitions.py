"""Why a group is kept, held, rejected or removed whatever capacity there is (`lifecycle.transitions`)."""

from __future__ import annotations

from msgspec import Struct

from reconciler.manifests.identity import ObjectKey
from reconciler.reasons.reason import Reason
from reconciler.reasons.wording import objects_text

_SOURCE_UNREADABLE = "SourceUnreadable"


class UnreadableFile(Reason, frozen=True):
    """A file of `workloads/` cannot be read; `problem` says where and why."""

    code = "UnreadableFile"
    waiting_helps = False
    problem: str

    def _words(self) -> str:
        return self.problem


class CannotDeploy(Reason, frozen=True):
    """The group cannot be deployed as its files are, by `problem`; `admitted`: what was admitted before stays.

    `refused_as` is the code: InvalidObject, or one of `tenancy`.
    """

    waiting_helps = False
    refused_as: str
    problem: str
    admitted: bool = False

    @property
    def code(self) -> str:
        """What kind of rule it breaks."""
        return self.refused_as

    def _words(self) -> str:
        return (
            f"{self.problem}. What was admitted stays as it is"
            if self.admitted
            else self.problem
        )


class SourceUnreadable(Reason, frozen=True):
    """The file `path`, from which a placed group comes, cannot be read: the group may still be in it."""

    code = _SOURCE_UNREADABLE
    waiting_helps = False
    path: str

    def _words(self) -> str:
        return f"{self.path} cannot be read and may still request this group, so the group stays as it is"


class PartUnreadable(Reason, frozen=True):
    """A new group waits, since `part` of it may be in the file `path`, which cannot be read by `problem`."""

    code = _SOURCE_UNREADABLE
    waiting_helps = False
    part: str
    path: str
    problem: str

    def _words(self) -> str:
        return f"{self.part} may be in {self.path}, which cannot be read: repair that file ({self.problem})"


class NoPolicy(Reason, frozen=True):
    """No policy matches an object of a placed group any more."""

    code = "NoPolicy"
    waiting_helps = False
    item: ObjectKey

    def _words(self) -> str:
        names = objects_text([self.item])
        return f"no policy matches {names} any more, so it stays as it is; to remove it, delete its manifest"


class TransferRefused(Struct, frozen=True):
    """The group that requests an object cannot take it over; `code` and `message` are of the reason."""

    group: str
    code: str
    message: str

    def __str__(self) -> str:
        """Return the words that follow `is requested by`."""
        return f"group {self.group}, which cannot take it over ({self.code}: {self.message})"


class ObjectHeldHere(Reason, frozen=True):
    """Objects of a placed group are requested by other groups that cannot take them over yet."""

    code = "ObjectHeldHere"
    kept: tuple[tuple[ObjectKey, TransferRefused], ...]

    def _words(self) -> str:
        said = "; ".join(
            f"{objects_text([item])} is requested by {refused}"
            for item, refused in self.kept
        )
        return f"{said}: it stays in this group until that one can; to remove it, delete its manifest"


class JobHeldHere(Reason, frozen=True):
    """A job of a placed group is requested under another group now."""

    code = "JobHeldHere"
    waiting_helps = False
    item: ObjectKey

    def _words(self) -> str:
        names = objects_text([self.item])
        return f"{names} is requested by another group now, but was placed with this one: a job is not placed twice"


class JobEditHeld(Reason, frozen=True):
    """Jobs were edited after they were started: the edit would run them twice or not at all."""

    code = "JobEditHeld"
    waiting_helps = False
    jobs: tuple[ObjectKey, ...]

    def _words(self) -> str:
        names = objects_text(self.jobs)
        if len(self.jobs) == 1:
            edit, again = (
                f"{names} was already started, so this edit is not applied",
                "it under a new name",
            )
        else:
            edit, again = (
                f"{names} were already started, so these edits are not applied",
                "them under new names",
            )
        return f"{edit}. To run the new version, add {again}"


class HeldByAnotherGroup(Reason, frozen=True):
    """An object of a new group is still deployed as part of `group`."""

    code = "HeldByAnotherGroup"
    item: ObjectKey
    group: str

    def _words(self) -> str:
        return f"{self.item} is still deployed by group {self.group}: this group waits until that one lets it go"


class ManifestRemoved(Reason, frozen=True):
    """Nothing of the group is in `sources` any more, so it is removed from `clusters`."""

    code = "ManifestRemoved"
    sources: tuple[str, ...]
    clusters: tuple[str, ...]

    def _words(self) -> str:
        text = (
            f"its manifests were removed from {', '.join(self.sources) or 'workloads/'}"
        )
        return (
            f"{text}, so it is removed from {', '.join(self.clusters)}"
            if self.clusters
            else text
        )
