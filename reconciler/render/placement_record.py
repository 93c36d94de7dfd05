"""The Placement file: kind Placement, one file a group, which is SkyRay's memory in Git.

What is written is read back exactly, and strictly, because the next plan starts from it: a file that cannot be read is
an error, never "not placed". Files of the older form (`spec.clusters` and `spec.run`) are read as well; the next cycle
writes them anew. The fields of both forms are in `render.placement_parts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from reconciler.errors import InputError, InvalidObject
from reconciler.manifests import kinds
from reconciler.manifests.emitter import Emitted, emit
from reconciler.manifests.identity import check_dns_label
from reconciler.manifests.kinds import Located, read_object
from reconciler.manifests.loader import load
from reconciler.placement.placed_group import HeldCapacity, PlacedGroup
from reconciler.render.placement_candidates import (
    candidate_in,
    candidate_lines,
    candidate_of,
    split_candidates,
)
from reconciler.render.placement_parts import (
    HoldPart,
    ObjectPart,
    OutcomePart,
    PatchPart,
    PlacementKind,
    PlacementSpec,
    PlacementStatus,
)
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

Entries = tuple[PlacedObject, ...]
"""Objects as they were admitted, in order of kind and name."""


def path_of(group: GroupKey) -> str:
    """Return the record's path in the repo."""
    # Both names become parts of a path, so nothing but a DNS label may pass.
    namespace = check_dns_label(group.namespace, "namespace")
    name = check_dns_label(group.name, "group")
    return f"{ROOT}/{namespace}/{name}.yaml"


@dataclass(frozen=True, slots=True)
class ReadPlacement:
    """A Placement as its file says it: `objects` are admitted on every cluster, but where `own` has those of a copy.

    The copies of `group` have no objects yet: their contents lie in the directories of the clusters.
    """

    group: PlacedGroup
    objects: Entries
    own: tuple[Entries | None, ...]

    def listed(self, number: int) -> Entries:
        """Return the objects that were admitted for the copy `number`."""
        own = self.own[number]
        return self.objects if own is None else own


def read_file(path: str, data: bytes) -> tuple[ReadPlacement, ...]:
    """Return the Placements in one file of `placements/`. Raises `InputError`."""
    head, items, tail = split_candidates(data)
    if items:
        try:
            (document,) = load(head + tail, path).documents
            placement = read(document)
            candidates = tuple(map(candidate_in, items))
        except (InputError, ValueError):
            # A person changed the file: read it whole, which says what is wrong, and where.
            pass
        else:
            if not placement.group.candidates:
                group = replace(placement.group, candidates=candidates)
                return (replace(placement, group=group),)
    return tuple(read(document) for document in load(data, path).documents)


def json_schema() -> dict[str, Any]:
    """Return the published JSON Schema of kind Placement."""
    return kinds.json_schema(PlacementKind, KIND)


def write(group: PlacedGroup) -> bytes:
    """Return the Placement file of a group; equal states give equal bytes."""
    status = _written_status(group)
    objects = _objects_of_all(group.copies)
    spec = {
        "policy": group.policy,
        "objects": [_written_object(entry) for entry in objects],
        "sources": list(group.sources),
        "copies": [_written_copy(copy, objects) for copy in group.copies],
    }
    placement = {
        "apiVersion": kinds.API_VERSION,
        "kind": KIND,
        "metadata": {"name": group.key.name, "namespace": group.key.namespace},
        "spec": spec,
        "status": status,
    }
    return emit(placement)


def read_back(group: PlacedGroup) -> ReadPlacement:
    """Return what `read` makes of the file that `write` writes for a group."""
    objects = _objects_of_all(group.copies)
    copies = []
    own = []
    for copy in group.copies:
        listed = copy.listed
        # The file has digests, not contents, so a copy that is read has no objects.
        copies.append(replace(copy, admitted=(), deployed=(), missing=()))
        own.append(None if listed == objects else listed)
    group = replace(in_words(group), copies=tuple(copies))
    return ReadPlacement(group, objects, tuple(own))


def in_words(group: PlacedGroup) -> PlacedGroup:
    """Return a group as its file has it: its candidates have words, and not the amounts that these are made of."""
    candidates = tuple(candidate.in_words for candidate in group.candidates)
    return replace(group, candidates=candidates)


def _objects_of_all(copies: Iterable[ClusterCopy]) -> Entries:
    """Return the objects that are admitted on any cluster, in order of kind and name."""
    found: set[PlacedObject] = set()
    for copy in copies:
        found.update(copy.listed)
    return tuple(sorted(found))


def _written_status(group: PlacedGroup) -> dict[str, Any]:
    status: dict[str, Any] = {
        "phase": str(group.phase),
        "reason": group.reason,
        "message": group.message,
    }
    if group.candidates:
        lines = []
        for one in group.candidates:
            lines.append(
                candidate_lines(one.cluster, one.verdict, one.reason, one.message)
            )
        status["candidates"] = Emitted(lines)
    status["sourceCommit"] = group.source_commit
    status["snapshotDigest"] = group.snapshot
    status["decidedAt"] = _rfc3339(group.decided_at)
    if group.waiting_since is not None:
        status["waitingSince"] = _rfc3339(group.waiting_since)
    if group.hold is not None:
        status["hold"] = _written_hold(group.hold)
    if group.job_result is not None:
        # The name of the older form, where copies had no `jobResult` of their own.
        status["jobOutcome"] = _written_result(group.job_result)
    return status


def _written_hold(hold: HeldCapacity) -> dict[str, Any]:
    return {
        "clusters": list(hold.clusters),
        "since": _rfc3339(hold.since),
        "until": _rfc3339(hold.until),
    }


def _written_copy(
    copy: ClusterCopy,
    objects: Entries,
) -> dict[str, Any]:
    written: dict[str, Any] = {
        "cluster": copy.cluster,
        "run": copy.run,
        "role": str(copy.role),
        "since": _rfc3339(copy.since),
        "share": copy.share,
    }
    listed = copy.listed
    # Most copies have the objects of the whole group, which the file lists once.
    if listed != objects:
        written["objects"] = [_written_object(entry) for entry in listed]
    if copy.patches:
        written["patches"] = [_written_patch(patch) for patch in copy.patches]
    if copy.job_result is not None:
        written["jobResult"] = _written_result(copy.job_result)
    return written


def _written_patch(patch: Patch) -> dict[str, Any]:
    # As in a kustomization, the core API group is left out.
    group = {"group": patch.api_group} if patch.api_group else {}
    return {
        **group,
        "kind": patch.kind,
        "name": patch.name,
        "patch": [dict(operation) for operation in patch.operations],
    }


def _written_object(entry: PlacedObject) -> dict[str, str]:
    written = {
        "apiVersion": entry.api_version,
        "kind": entry.kind,
        "name": entry.name,
        "digest": entry.digest,
    }
    if entry.source:
        written["source"] = entry.source
    return written


def _written_result(result: JobResult) -> dict[str, Any]:
    written: dict[str, Any] = {"state": result.state}
    # The state is a required field of the file; the other texts may be empty.
    optional = {"reason": result.reason, "message": result.message}
    written |= {name: text for name, text in optional.items() if text}
    if result.finished_at is not None:
        written["finishedAt"] = _rfc3339(result.finished_at)
    return written


def _rfc3339(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def read(document: Located) -> ReadPlacement:
    """Return the Placement in `document`; raise `InvalidObject` with its place for anything that was never written."""
    placement = read_object(PlacementKind, document)
    spec, status = placement.spec, placement.status
    has_older_form = spec.clusters is not None or spec.run is not None
    # SkyRay writes one form or the other; of both, it cannot be known which one is true.
    if spec.copies is not None and has_older_form:
        raise InvalidObject(
            "has spec.copies beside spec.clusters or spec.run: restore this file",
            document.place,
        )
    copies: list[ClusterCopy] = []
    own: list[Entries | None] = []
    for copy, entries in _copies(spec, status):
        copies.append(copy)
        own.append(entries)
    group = _placed_group(placement, copies)
    return ReadPlacement(group, _objects(spec.objects), tuple(own))


def _placed_group(
    placement: PlacementKind,
    copies: Sequence[ClusterCopy],
) -> PlacedGroup:
    metadata, spec, status = placement.metadata, placement.spec, placement.status
    return PlacedGroup(
        key=GroupKey(metadata.namespace, metadata.name),
        policy=spec.policy,
        copies=tuple(copies),
        phase=status.phase,
        reason=status.reason,
        message=status.message,
        candidates=tuple(candidate_of(part) for part in status.candidates),
        sources=tuple(spec.sources),
        source_commit=status.source_commit,
        snapshot=status.snapshot_digest,
        decided_at=_unix(status.decided_at),
        waiting_since=_unix_or_none(status.waiting_since),
        hold=_hold(status.hold),
        job_result=_result(status.job_outcome),
    )


_Read = tuple[ClusterCopy, Entries | None]
"""A copy, and its own objects where it has others than the rest of the group."""


def _copies(spec: PlacementSpec, status: PlacementStatus) -> list[_Read]:
    if spec.copies is None:
        return _copies_of_older_form(spec, status)
    found: list[_Read] = []
    for part in spec.copies:
        copy = ClusterCopy(
            cluster=part.cluster,
            admitted=(),
            deployed=(),
            patches=_patches(part.patches),
            share=part.share,
            run=part.run,
            role=part.role,
            since=_unix(part.since),
            job_result=_result(part.job_result),
        )
        found.append((copy, _own(part.objects)))
    return found


def _copies_of_older_form(spec: PlacementSpec, status: PlacementStatus) -> list[_Read]:
    """Return the copies of an older file: one for each of its clusters, with the run and the time of all of them."""
    decided_at = _unix(status.decided_at)
    run = spec.run or 1
    found: list[_Read] = []
    for part in spec.clusters or ():
        # A group on one cluster had the end of its jobs in the status only.
        result = _result(part.job_outcome or status.job_outcome)
        # The older form has no roles. What it lists ran already, so its pods count as seen.
        role = CopyRole.SERVING if result is None else CopyRole.ENDED
        copy = ClusterCopy(
            cluster=part.name,
            admitted=(),
            deployed=(),
            patches=_patches(part.patches),
            share=part.share,
            run=run,
            role=role,
            since=decided_at,
            job_result=result,
        )
        found.append((copy, _own(part.objects)))
    return found


def _hold(part: HoldPart | None) -> HeldCapacity | None:
    if part is None:
        return None
    since, until = _unix(part.since), _unix(part.until)
    return HeldCapacity(tuple(part.clusters), since, until)


def _patches(parts: Iterable[PatchPart]) -> tuple[Patch, ...]:
    found = []
    for part in parts:
        found.append(Patch(part.group, part.kind, part.name, part.patch))
    return tuple(found)


def _own(parts: Iterable[ObjectPart] | None) -> Entries | None:
    # Absent: the copy has the objects of the whole group. Empty: it has none.
    return None if parts is None else _objects(parts)


def _objects(parts: Iterable[ObjectPart]) -> Entries:
    entries = []
    for part in parts:
        entry = PlacedObject(
            part.api_version, part.kind, part.name, part.digest, part.source
        )
        entries.append(entry)
    # As `write` sorts them: a file whose list was put in another order says the same.
    return tuple(sorted(entries))


def _result(part: OutcomePart | None) -> JobResult | None:
    if part is None:
        return None
    finished_at = _unix_or_none(part.finished_at)
    return JobResult(part.state, part.reason, part.message, finished_at)


def _unix_or_none(text: str | None) -> int | None:
    return None if text is None else _unix(text)


def _unix(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())
