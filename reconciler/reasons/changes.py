"""What changed of a placed group: its clusters, objects and shares, its owner, the end of its jobs."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from reconciler.manifests.identity import ObjectKey
from reconciler.reasons.choice import NO_ELIGIBLE_CLUSTER
from reconciler.reasons.reason import Caused, Reason
from reconciler.reasons.wording import objects_text


class ObjectChange(Struct, frozen=True):
    """`objects` were `verb`: added, changed or removed."""

    verb: str
    objects: tuple[ObjectKey, ...]

    def __str__(self) -> str:
        """Return for example `changed RayService chat`."""
        return f"{self.verb} {objects_text(self.objects)}"


class UpdatedInPlace(Reason, frozen=True):
    """Copies changed on `updated` clusters, by `changes` of their objects; none: files were restored as admitted.

    `joined` and `left` are clusters that got and lost a copy. `shares` are set where nothing else changed: clusters,
    and the percentages that they have now.
    """

    code = "UpdatedInPlace"
    updated: tuple[str, ...] = ()
    changes: tuple[ObjectChange, ...] = ()
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    shares: tuple[tuple[str, int], ...] = ()

    def _words(self) -> str:
        if self.shares:
            return f"the shares are now {', '.join(f'{share}% on {cluster}' for cluster, share in self.shares)}"
        said = []
        if self.updated:
            what = (
                "; ".join(map(str, self.changes)) or "the admitted copies were restored"
            )
            said.append(f"updated on {', '.join(self.updated)}: {what}")
        if self.joined:
            said.append(f"placed on {', '.join(self.joined)}")
        if self.left:
            said.append(f"removed from {', '.join(self.left)}")
        return "; ".join(said)


class NoClusterLeft(Reason, frozen=True):
    """A group lost all copies by `update`, since no cluster is eligible under `policy` any more."""

    code = NO_ELIGIBLE_CLUSTER
    waiting_helps = False
    policy: str
    update: UpdatedInPlace

    def _words(self) -> str:
        return f"no cluster is eligible under policy {self.policy}: {self.update.text}"


class UpdatedInPart(Caused, frozen=True):
    """The group was updated by `update`, and is by `cause` still not as its files request."""

    update: UpdatedInPlace

    def _words(self) -> str:
        return f"{self.update.text}; {self.cause.text}"


class Problems(Caused, frozen=True):
    """Several things of a placed group are not as its files request: `cause`, which may end soonest, and `others`."""

    others: tuple[Reason, ...]

    def _words(self) -> str:
        return "; ".join(problem.text for problem in (self.cause, *self.others))


class JobEnded(Reason, frozen=True):
    """All jobs of the group have ended; `message` is what KubeRay says of it."""

    waiting_helps = False
    succeeded: bool
    message: str

    @property
    def code(self) -> str:
        """JobSucceeded or JobFailed."""
        return "JobSucceeded" if self.succeeded else "JobFailed"

    def _words(self) -> str:
        return self.message


class Moved(Struct, frozen=True):
    """`objects` were moved between this group and `group`; `given`: away from this one."""

    objects: tuple[ObjectKey, ...]
    group: str
    given: bool

    def __str__(self) -> str:
        """Return for example `RayService chat belongs to group team/chat now`."""
        names = objects_text(self.objects)
        if self.given:
            return f"{names} belongs to group {self.group} now"
        return (
            f"{names} belonged to group {self.group} until now, and stays where it is"
        )


class Regrouped(Reason, frozen=True):
    """Objects changed their group and nothing else; `moves` are in the order in which they were decided."""

    code = "Regrouped"
    moves: tuple[Moved, ...]

    def with_move(self, move: Moved) -> Regrouped:
        """Return the reason with one more move."""
        return replace(self, moves=(*self.moves, move))

    def _words(self) -> str:
        return "; ".join(map(str, self.moves))


class AlsoRegrouped(Caused, frozen=True):
    """Objects changed their group, beside `cause`, which has the code."""

    regrouped: Regrouped

    def _words(self) -> str:
        return f"{self.regrouped.text}; {self.cause.text}"


class SharedObjectsChanged(Caused, frozen=True):
    """Objects (`RayService chat`) that other groups share changed with them, beside `cause`, which has the code."""

    names: tuple[str, ...]

    def _words(self) -> str:
        return f"{self.cause.text}; {', '.join(self.names)} changed with the other groups that use it"


def in_order(objects: Iterable[ObjectKey]) -> tuple[ObjectKey, ...]:
    """Return objects as sentences list them: by kind and name."""
    return tuple(sorted(objects, key=lambda key: f"{key.kind} {key.name}"))
