"""The parts of a Placement file, in its present form and in the older one that is still read.

The models are strict, as those of users' kinds are: a field that SkyRay never wrote is an error with its place.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from reconciler.manifests.kinds import DnsLabel, Items, ObjectMeta, SkyRayModel
from reconciler.placement.model import Phase, Verdict
from reconciler.workloads.cluster_copy import CopyRole

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
