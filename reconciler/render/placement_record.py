"""The decision record: kind Placement, one file a group, SkyRay's memory in Git.

The one idea: what is written is read back exactly, and strictly, because the next plan starts from it: a record that
cannot be read is an error, never "not placed".
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from reconciler.manifests import kinds
from reconciler.manifests.emitter import emit
from reconciler.manifests.identity import check_dns_label
from reconciler.manifests.kinds import DnsLabel, Items, Located, ObjectMeta, SkyRayModel, read_object
from reconciler.placement.model import Candidate, Phase, Share, Verdict
from reconciler.placement.record import JobOutcome, PlacedObject, PlacedPart, PlacementRecord
from reconciler.workloads.group import GroupKey
from reconciler.workloads.patch import Patch

ROOT = "placements"
KIND = "Placement"


def path_of(group: GroupKey) -> str:
    """Return the record's path in the repo."""
    return f"{ROOT}/{check_dns_label(group.namespace, 'namespace')}/{check_dns_label(group.name, 'group')}.yaml"


def write(record: PlacementRecord) -> bytes:
    """Return the record as YAML; equal records give equal bytes."""
    status: dict[str, Any] = {"phase": str(record.phase), "reason": record.reason, "message": record.message}
    if record.candidates:
        status["candidates"] = [
            {"cluster": one.cluster, "verdict": str(one.verdict), "reason": one.reason, "message": one.message}
            for one in record.candidates
        ]
    status["sourceCommit"] = record.source_commit
    status["snapshotDigest"] = record.snapshot_digest
    status["decidedAt"] = _rfc3339(record.decided_at)
    if record.waiting_since is not None:
        status["waitingSince"] = _rfc3339(record.waiting_since)
    if record.job_outcome is not None:
        status["jobOutcome"] = _outcome(record.job_outcome)
    return emit(
        {
            "apiVersion": kinds.API_VERSION,
            "kind": KIND,
            "metadata": {"name": record.group.name, "namespace": record.group.namespace},
            "spec": {
                "policy": record.policy,
                "objects": [_object(one) for one in sorted(record.objects)],
                "sources": list(record.sources),
                "clusters": [_cluster(one, record) for one in record.clusters],
                "run": record.run,
            },
            "status": status,
        }
    )


def read(document: Located) -> PlacementRecord:
    """Return the record in `document`; raise `InvalidObject` with its place for anything that `write` does not make."""
    placement = read_object(PlacementKind, document)
    spec, status = placement.spec, placement.status
    return PlacementRecord(
        group=GroupKey(placement.metadata.namespace, placement.metadata.name),
        policy=spec.policy,
        objects=_objects(spec.objects),
        clusters=tuple(Share(one.name, one.share) for one in spec.clusters),
        phase=status.phase,
        reason=status.reason,
        message=status.message,
        candidates=tuple(Candidate(one.cluster, one.verdict, one.reason, one.message) for one in status.candidates),
        sources=tuple(spec.sources),
        run=spec.run,
        source_commit=status.source_commit,
        snapshot_digest=status.snapshot_digest,
        decided_at=_unix(status.decided_at),
        waiting_since=None if status.waiting_since is None else _unix(status.waiting_since),
        job_outcome=_job_outcome(status.job_outcome),
        parts=tuple(part for one in spec.clusters if (part := _part(one)) != PlacedPart(one.name)),
    )


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


class ClusterPart(SkyRayModel):
    """A cluster and the percentage of the group that it gets; the rest is what differs there."""

    name: DnsLabel
    share: Annotated[int, Field(ge=1, le=100)]
    objects: Items[ObjectPart] | None = None
    patches: Items[PatchPart] = ()
    job_outcome: OutcomePart | None = None


class PlacementSpec(SkyRayModel):
    """What is placed, and where."""

    policy: str
    objects: Items[ObjectPart]
    clusters: Items[ClusterPart]
    sources: Items[str] = ()
    run: Annotated[int, Field(ge=1)]


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
    job_outcome: OutcomePart | None = None


class PlacementKind(SkyRayModel):
    """What SkyRay decided about a group. Written by SkyRay only."""

    api_version: Literal["skyray.dev/v1alpha1"]
    kind: Literal["Placement"]
    metadata: PlacementMeta
    spec: PlacementSpec
    status: PlacementStatus


def _cluster(share: Share, record: PlacementRecord) -> dict[str, Any]:
    written: dict[str, Any] = {"name": share.name, "share": share.share}
    part = next((one for one in record.parts if one.cluster == share.name), PlacedPart(share.name))
    if part.objects is not None:
        written["objects"] = [_object(one) for one in sorted(part.objects)]
    if part.patches:
        written["patches"] = [_patch(one) for one in part.patches]
    if part.job_outcome is not None:
        written["jobOutcome"] = _outcome(part.job_outcome)
    return written


def _patch(patch: Patch) -> dict[str, Any]:
    group = {"group": patch.api_group} if patch.api_group else {}
    return {**group, "kind": patch.kind, "name": patch.name, "patch": [dict(one) for one in patch.operations]}


def _part(one: ClusterPart) -> PlacedPart:
    patches = tuple(Patch(patch.group, patch.kind, patch.name, patch.patch) for patch in one.patches)
    objects = None if one.objects is None else _objects(one.objects)
    return PlacedPart(one.name, patches, objects, _job_outcome(one.job_outcome))


def _objects(parts: Iterable[ObjectPart]) -> tuple[PlacedObject, ...]:
    return tuple(sorted(PlacedObject(one.api_version, one.kind, one.name, one.digest, one.source) for one in parts))


def _job_outcome(part: OutcomePart | None) -> JobOutcome | None:
    if part is None:
        return None
    finished = None if part.finished_at is None else _unix(part.finished_at)
    return JobOutcome(part.state, part.reason, part.message, finished)


def _object(one: PlacedObject) -> dict[str, str]:
    fields = {"apiVersion": one.api_version, "kind": one.kind, "name": one.name, "digest": one.digest}
    return fields | ({"source": one.source} if one.source else {})


def _outcome(outcome: JobOutcome) -> dict[str, Any]:
    fields = {"state": outcome.state, "reason": outcome.reason, "message": outcome.message}
    written: dict[str, Any] = {name: text for name, text in fields.items() if text or name == "state"}
    if outcome.finished_at is not None:
        written["finishedAt"] = _rfc3339(outcome.finished_at)
    return written


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _unix(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())
