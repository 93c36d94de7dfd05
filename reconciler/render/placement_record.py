"""The Placement file: kind Placement, one file a group, which is SkyRay's memory in Git.

What is written is read back exactly, and strictly, because the next plan starts from it: a file that cannot be read is
an error, never "not placed". Files of the older form (`spec.clusters` and `spec.run`) are read as well; the next cycle
writes them anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from reconciler.errors import InvalidObject
from reconciler.manifests import kinds
from reconciler.manifests.emitter import emit
from reconciler.manifests.identity import check_dns_label
from reconciler.manifests.kinds import (
    DnsLabel,
    Items,
    Located,
    ObjectMeta,
    SkyRayModel,
    read_object,
)
from reconciler.manifests.loader import load
from reconciler.placement.model import Candidate, Phase, Verdict
from reconciler.placement.placed_group import HeldCapacity, PlacedGroup
from reconciler.reasons.written import Written
from reconciler.workloads.cluster_copy import (
    ClusterCopy,
    CopyRole,
    JobResult,
    PlacedObject,
)
from reconciler.workloads.group import GroupKey
from reconciler.workloads.patch import Patch

ROOT = "placements"
KIND = "Placement"


def path_of(group: GroupKey) -> str:
    """Return the record's path in the repo."""
    return f"{ROOT}/{check_dns_label(group.namespace, 'namespace')}/{check_dns_label(group.name, 'group')}.yaml"


@dataclass(frozen=True, slots=True)
class ReadPlacement:
    """A Placement as its file says it: `objects` are admitted on every cluster, but where `own` has those of a copy.

    The copies of `group` have no objects yet: their contents lie in the directories of the clusters.
    """

    group: PlacedGroup
    objects: tuple[PlacedObject, ...]
    own: tuple[tuple[PlacedObject, ...] | None, ...]

    def listed(self, number: int) -> tuple[PlacedObject, ...]:
        """Return the objects that were admitted for the copy `number`."""
        own = self.own[number]
        return self.objects if own is None else own


def write(group: PlacedGroup) -> bytes:
    """Return the Placement file of a group; equal states give equal bytes."""
    status: dict[str, Any] = {
        "phase": str(group.phase),
        "reason": group.reason,
        "message": group.message,
    }
    if group.candidates:
        status["candidates"] = [
            {
                "cluster": one.cluster,
                "verdict": str(one.verdict),
                "reason": one.reason,
                "message": one.message,
            }
            for one in group.candidates
        ]
    status["sourceCommit"] = group.source_commit
    status["snapshotDigest"] = group.snapshot
    status["decidedAt"] = _rfc3339(group.decided_at)
    if group.waiting_since is not None:
        status["waitingSince"] = _rfc3339(group.waiting_since)
    if group.hold is not None:
        status["hold"] = {
            "clusters": list(group.hold.clusters),
            "since": _rfc3339(group.hold.since),
            "until": _rfc3339(group.hold.until),
        }
    if group.job_result is not None:
        status["jobOutcome"] = _written_result(group.job_result)
    objects = _objects_of_all(group.copies)
    return emit(
        {
            "apiVersion": kinds.API_VERSION,
            "kind": KIND,
            "metadata": {"name": group.key.name, "namespace": group.key.namespace},
            "spec": {
                "policy": group.policy,
                "objects": [_written_object(one) for one in objects],
                "sources": list(group.sources),
                "copies": [_written_copy(copy, objects) for copy in group.copies],
            },
            "status": status,
        }
    )


def read_back(group: PlacedGroup) -> ReadPlacement:
    """Return what `read` makes of the file that `write` writes for a group."""
    objects = _objects_of_all(group.copies)
    copies = []
    own = []
    for copy in group.copies:
        listed = copy.listed
        copies.append(replace(copy, admitted=(), deployed=(), missing=()))
        own.append(None if listed == objects else listed)
    group = replace(in_words(group), copies=tuple(copies))
    return ReadPlacement(group, objects, tuple(own))


def in_words(group: PlacedGroup) -> PlacedGroup:
    """Return a group as its file has it: its candidates have words, and not the amounts that these are made of."""
    candidates = []
    for one in group.candidates:
        written = isinstance(one.why, Written)
        candidates.append(
            one if written else replace(one, why=Written(one.reason, one.message))
        )
    return replace(group, candidates=tuple(candidates))


def _objects_of_all(copies: Iterable[ClusterCopy]) -> tuple[PlacedObject, ...]:
    """Return the objects that are admitted on any cluster, in order of kind and name."""
    found: set[PlacedObject] = set()
    for copy in copies:
        found.update(copy.listed)
    return tuple(sorted(found))


def read(document: Located) -> ReadPlacement:
    """Return the Placement in `document`; raise `InvalidObject` with its place for anything that was never written."""
    placement = read_object(PlacementKind, document)
    spec, status = placement.spec, placement.status
    if spec.copies is not None and (spec.clusters is not None or spec.run is not None):
        raise InvalidObject(
            "has spec.copies beside spec.clusters or spec.run: restore this file",
            document.place,
        )
    copies = _copies(placement)
    hold = status.hold
    group = PlacedGroup(
        key=GroupKey(placement.metadata.namespace, placement.metadata.name),
        policy=spec.policy,
        copies=tuple(copy for copy, _ in copies),
        phase=status.phase,
        reason=status.reason,
        message=status.message,
        candidates=tuple(
            Candidate(one.cluster, one.verdict, Written(one.reason, one.message))
            for one in status.candidates
        ),
        sources=tuple(spec.sources),
        source_commit=status.source_commit,
        snapshot=status.snapshot_digest,
        decided_at=_unix(status.decided_at),
        waiting_since=None
        if status.waiting_since is None
        else _unix(status.waiting_since),
        hold=None
        if hold is None
        else HeldCapacity(tuple(hold.clusters), _unix(hold.since), _unix(hold.until)),
        job_result=_result(status.job_outcome),
    )
    return ReadPlacement(group, _objects(spec.objects), tuple(own for _, own in copies))


def read_file(path: str, data: bytes) -> tuple[ReadPlacement, ...]:
    """Return the Placements in one file of `placements/`. Raises `InputError`."""
    return tuple(read(document) for document in load(data, path).documents)


def json_schema() -> dict[str, Any]:
    """Return the published JSON Schema of kind Placement."""
    return kinds.json_schema(PlacementKind, KIND)


_Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
_Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class PlacementMeta(ObjectMeta):
    """The group."""

    namespace: DnsLabel


class ObjectPart(SkyRayModel):
    """An object of the group as it was admitted."""

    api_version: str
    kind: str
    name: str
    digest: _Digest
    source: str = ""


class PatchPart(SkyRayModel):
    """A JSON 6902 patch of one object, as `kustomization.yaml` has it."""

    group: str = ""
    kind: str
    name: str
    patch: Items[dict[str, Any]]


class OutcomePart(SkyRayModel):
    """How a job ended."""

    state: str
    reason: str = ""
    message: str = ""
    finished_at: _Time | None = None


class CopyPart(SkyRayModel):
    """What one cluster has of the group. `objects` and `patches` are what differs there."""

    cluster: DnsLabel
    run: Annotated[int, Field(ge=1)]
    role: Annotated[CopyRole, Strict(False)]
    since: _Time
    share: Annotated[int, Field(ge=1, le=100)]
    objects: Items[ObjectPart] | None = None
    patches: Items[PatchPart] = ()
    job_result: OutcomePart | None = None


class ClusterPart(SkyRayModel):
    """A cluster in the older form of the file, and the percentage of the group that it gets."""

    name: DnsLabel
    share: Annotated[int, Field(ge=1, le=100)]
    objects: Items[ObjectPart] | None = None
    patches: Items[PatchPart] = ()
    job_outcome: OutcomePart | None = None


class PlacementSpec(SkyRayModel):
    """What is placed, and where. `clusters` and `run` are the older form of `copies`."""

    policy: str
    objects: Items[ObjectPart]
    copies: Items[CopyPart] | None = None
    clusters: Items[ClusterPart] | None = None
    sources: Items[str] = ()
    run: Annotated[int, Field(ge=1)] | None = None


class HoldPart(SkyRayModel):
    """Capacity that is reserved for a group that waits."""

    clusters: Items[DnsLabel]
    since: _Time
    until: _Time


class CandidatePart(SkyRayModel):
    """A cluster that was considered."""

    cluster: str
    verdict: Annotated[Verdict, Strict(False)]
    reason: str
    message: str


class PlacementStatus(SkyRayModel):
    """Why, and what became of it."""

    phase: Annotated[Phase, Strict(False)]
    reason: str
    message: str
    candidates: Items[CandidatePart] = ()
    source_commit: str
    snapshot_digest: str
    decided_at: _Time
    waiting_since: _Time | None = None
    hold: HoldPart | None = None
    job_outcome: OutcomePart | None = None


class PlacementKind(SkyRayModel):
    """What SkyRay decided about a group. Written by SkyRay only."""

    api_version: Literal["skyray.dev/v1alpha1"]
    kind: Literal["Placement"]
    metadata: PlacementMeta
    spec: PlacementSpec
    status: PlacementStatus


_Read = tuple[ClusterCopy, tuple[PlacedObject, ...] | None]
"""A copy, and its own objects where it has others than the rest of the group."""


def _copies(placement: PlacementKind) -> list[_Read]:
    """Return the copies; those of an older file from its clusters, and the one run that it has for all of them."""
    spec, status = placement.spec, placement.status
    if spec.copies is not None:
        return [(_copy(part), _own(part.objects)) for part in spec.copies]
    decided_at = _unix(status.decided_at)
    found: list[_Read] = []
    for one in spec.clusters or ():
        # A group on one cluster had the end of its jobs in the status only.
        result = _result(one.job_outcome or status.job_outcome)
        role = CopyRole.SERVING if result is None else CopyRole.ENDED
        copy = ClusterCopy(
            one.name,
            (),
            (),
            _patches(one.patches),
            one.share,
            spec.run or 1,
            role,
            decided_at,
            result,
        )
        found.append((copy, _own(one.objects)))
    return found


def _copy(part: CopyPart) -> ClusterCopy:
    return ClusterCopy(
        part.cluster,
        (),
        (),
        _patches(part.patches),
        part.share,
        part.run,
        part.role,
        _unix(part.since),
        _result(part.job_result),
    )


def _patches(parts: Iterable[PatchPart]) -> tuple[Patch, ...]:
    return tuple(
        Patch(patch.group, patch.kind, patch.name, patch.patch) for patch in parts
    )


def _own(parts: Iterable[ObjectPart] | None) -> tuple[PlacedObject, ...] | None:
    return None if parts is None else _objects(parts)


def _written_copy(copy: ClusterCopy, objects: Sequence[PlacedObject]) -> dict[str, Any]:
    written: dict[str, Any] = {
        "cluster": copy.cluster,
        "run": copy.run,
        "role": str(copy.role),
        "since": _rfc3339(copy.since),
        "share": copy.share,
    }
    listed = copy.listed
    if listed != objects:
        written["objects"] = [_written_object(one) for one in listed]
    if copy.patches:
        written["patches"] = [_written_patch(one) for one in copy.patches]
    if copy.job_result is not None:
        written["jobResult"] = _written_result(copy.job_result)
    return written


def _written_patch(patch: Patch) -> dict[str, Any]:
    group = {"group": patch.api_group} if patch.api_group else {}
    return {
        **group,
        "kind": patch.kind,
        "name": patch.name,
        "patch": [dict(one) for one in patch.operations],
    }


def _objects(parts: Iterable[ObjectPart]) -> tuple[PlacedObject, ...]:
    return tuple(
        sorted(
            PlacedObject(one.api_version, one.kind, one.name, one.digest, one.source)
            for one in parts
        )
    )


def _result(part: OutcomePart | None) -> JobResult | None:
    if part is None:
        return None
    finished = None if part.finished_at is None else _unix(part.finished_at)
    return JobResult(part.state, part.reason, part.message, finished)


def _written_object(one: PlacedObject) -> dict[str, str]:
    fields = {
        "apiVersion": one.api_version,
        "kind": one.kind,
        "name": one.name,
        "digest": one.digest,
    }
    return fields | ({"source": one.source} if one.source else {})


def _written_result(result: JobResult) -> dict[str, Any]:
    fields = {"state": result.state, "reason": result.reason, "message": result.message}
    written: dict[str, Any] = {
        name: text for name, text in fields.items() if text or name == "state"
    }
    if result.finished_at is not None:
        written["finishedAt"] = _rfc3339(result.finished_at)
    return written


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _unix(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())
