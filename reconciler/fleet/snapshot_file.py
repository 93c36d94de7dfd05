"""The file forms of snapshots: kind ClusterSnapshot, which people may also write, and kind FleetSnapshot, all of them.

A file gives amounts as Kubernetes does (`cpu: 15`, `memory: 58Gi`) and leaves out defaults; reading it gives exactly
the snapshot that was written. Writing is canonical: equal snapshots are equal bytes, so a digest identifies them. A
fleet's digest is made of its clusters' digests, so when one of a thousand clusters changes, only that one is encoded
again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import TypeVar

import msgspec
import orjson

from reconciler.errors import InvalidObject, ManifestError, Place
from reconciler.fleet.kubectl_list import YAML_LIMITS, read_items, read_kubectl_list
from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot, Unreadable
from reconciler.fleet.snapshot_kinds import ClusterSnapshotKind, FleetSnapshotKind
from reconciler.fleet.snapshot_parts import (
    API_VERSION,
    cluster_snapshot,
    kind_of,
    snapshot_or_unreadable,
)
from reconciler.manifests.fields import InvalidField
from reconciler.manifests.loader import Document, load

MAX_FLEET_BYTES = 1024 * 1024 * 1024
"""Some two million pods in canonical form."""

_ENCODER = msgspec.json.Encoder(order="deterministic")
_STEP = re.compile(r"\.([A-Za-z]+)|\[(\d+)\]")

K = TypeVar("K", ClusterSnapshotKind, FleetSnapshotKind)


class _Head(msgspec.Struct):
    kind: str = ""


# msgspec 0.22 learns a type at its first use, and crashes the process when two threads do that at the same time. So all
# types are learnt here, while the module is imported.
_LEARNT = [
    msgspec.json.Decoder(hint)
    for hint in (_Head, ClusterSnapshotKind, FleetSnapshotKind)
]


def read_capacity(
    data: bytes, file: str, cluster: str, taken_at: float
) -> ClusterSnapshot:
    """Return the snapshot of `cluster` in a file: a ClusterSnapshot, or the List that kubectl printed, JSON or YAML.

    `taken_at` (unix seconds) counts where the file gives no time. Raises `InputError`.
    """
    if _is_json(data):
        if not _kind_of(data).endswith("Snapshot"):
            return read_kubectl_list(data, file, cluster, taken_at)
        return _own(_decode(ClusterSnapshotKind, data, file), file, cluster, taken_at)
    documents = load(data, file, YAML_LIMITS).documents
    if len(documents) == 1 and str(documents[0].body.get("kind", "")).endswith(
        "Snapshot"
    ):
        document = documents[0]
        try:
            return _own(
                _convert(ClusterSnapshotKind, document), file, cluster, taken_at
            )
        except InvalidField as error:
            raise InvalidObject(error.message, document.locate(*error.path)) from None
    return read_items(
        (orjson.dumps(document.body) for document in documents),
        "",
        file,
        cluster,
        taken_at,
    )


def read_fleet_snapshot(data: bytes, file: str) -> FleetSnapshot:
    """Return the snapshots in a FleetSnapshot file, JSON or YAML. Raises `InputError`."""
    if _is_json(data):
        whole = _decode(FleetSnapshotKind, data, file)
    else:
        documents = load(data, file, YAML_LIMITS).documents
        if len(documents) != 1:
            raise InvalidObject(
                f"has {len(documents)} documents; expected one FleetSnapshot",
                Place(file),
            )
        whole = _convert(FleetSnapshotKind, documents[0])
    try:
        clusters = [snapshot_or_unreadable(part) for part in whole.clusters]
    except InvalidField as error:
        raise InvalidObject(error.message, Place(file)) from None
    seen: set[str] = set()
    for cluster in clusters:
        if cluster.cluster in seen:
            raise InvalidObject(
                f"cluster {cluster.cluster!r} is listed twice; keep one of its snapshots",
                Place(file),
            )
        seen.add(cluster.cluster)
    return fleet_snapshot(clusters)


def write_cluster(snapshot: ClusterSnapshot | Unreadable) -> bytes:
    """Return the canonical file form of one cluster's snapshot, JSON."""
    return _ENCODER.encode(kind_of(snapshot))


def write_fleet_snapshot(fleet: FleetSnapshot) -> bytes:
    """Return the canonical file form of the whole fleet, JSON: its clusters' own forms in a list, by name."""
    clusters = b",".join(
        write_cluster(fleet.clusters[name]) for name in sorted(fleet.clusters)
    )
    return b'{"kind":"FleetSnapshot","apiVersion":"%s","clusters":[%s]}' % (
        API_VERSION.encode(),
        clusters,
    )


class Digests:
    """Digests of snapshots; the last of each cluster is kept, so that an equal object is not encoded again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[ClusterSnapshot | Unreadable, str]] = {}

    def of(self, snapshot: ClusterSnapshot | Unreadable) -> str:
        """Return the hex digest of the snapshot's canonical file form."""
        known = self._known.get(snapshot.cluster)
        if known is not None and known[0] is snapshot:
            return known[1]
        digest = hashlib.sha256(write_cluster(snapshot)).hexdigest()
        self._known[snapshot.cluster] = (snapshot, digest)
        return digest


def fleet_snapshot(
    clusters: Iterable[ClusterSnapshot | Unreadable], digests: Digests | None = None
) -> FleetSnapshot:
    """Return the fleet's snapshot. Its digest is that of the lines `<cluster> <digest of its file form>`, by name."""
    digests = digests or Digests()
    by_name = {snapshot.cluster: snapshot for snapshot in clusters}
    lines = "".join(f"{name} {digests.of(by_name[name])}\n" for name in sorted(by_name))
    ordered = {name: by_name[name] for name in sorted(by_name)}
    return FleetSnapshot(
        ordered, "sha256:" + hashlib.sha256(lines.encode()).hexdigest()
    )


def _is_json(data: bytes) -> bool:
    return data.lstrip()[:1] == b"{"


def _kind_of(data: bytes) -> str:
    try:
        return msgspec.json.decode(data, type=_Head).kind
    except msgspec.DecodeError:
        return ""  # `read_kubectl_list` reports what is wrong with it


def _decode(kind: type[K], data: bytes, file: str) -> K:
    if len(data) > MAX_FLEET_BYTES:
        raise ManifestError(
            f"the file has {len(data) >> 20} MiB; at most {MAX_FLEET_BYTES >> 20} are read",
            Place(file),
        )
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise InvalidObject(_readable(error), Place(file)) from None
    except msgspec.DecodeError as error:
        raise ManifestError(f"not JSON: {error}", Place(file)) from None


def _convert(kind: type[K], document: Document) -> K:
    try:
        return msgspec.convert(document.body, kind)
    except msgspec.ValidationError as error:
        # msgspec writes the path into its message: "... - at `$.nodes[0].name`".
        path_text = str(error).rpartition("`$")[2]
        path = [name or int(index) for name, index in _STEP.findall(path_text)]
        raise InvalidObject(_readable(error), document.locate(*path)) from None


def _readable(error: msgspec.ValidationError) -> str:
    message, _, path = str(error).partition(" - at `$")
    return f"{path.strip('.`')}: {message}" if path else message


def _own(
    kind: ClusterSnapshotKind, file: str, cluster: str, taken_at: float
) -> ClusterSnapshot:
    if kind.metadata.name != cluster:
        raise InvalidObject(
            f"is the snapshot of {kind.metadata.name!r}, not of {cluster!r}",
            Place(file),
        )
    try:
        return cluster_snapshot(kind, taken_at)
    except InvalidField as error:
        error.place = Place(file)
        raise
