"""What a record says of single clusters is read back exactly, and told from a hand's edit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.errors import InputError
from reconciler.manifests.loader import load
from reconciler.placement.model import Phase, Share
from reconciler.placement.record import JobOutcome, PlacedObject, PlacedPart, PlacementRecord
from reconciler.render.placement_record import read, write
from reconciler.workloads.group import GroupKey
from reconciler.workloads.patch import Patch

OBJECT = PlacedObject("apps/v1", "Deployment", "web", "sha256:" + "0" * 64, "workloads/team/web.yaml")
OPERATIONS = (
    {"op": "test", "path": "/spec/replicas", "value": 5},
    {"op": "add", "path": "/spec/x", "value": {"list": [1, True, "yes", 1.5], "map": {}}},
)
RECORD = PlacementRecord(
    GroupKey("team", "web"),
    "spread",
    (OBJECT,),
    (Share("a", 34), Share("b", 33), Share("c", 33)),
    Phase.PLACED,
    "FitsNow",
    "all fit",
    source_commit="0" * 40,
    snapshot_digest="sha256:1",
    parts=(
        PlacedPart(
            "a", (Patch("apps", "Deployment", "web", OPERATIONS),), (), JobOutcome("FAILED", "AppFailed", "x", 60)
        ),
        PlacedPart("b", objects=(replace(OBJECT, digest="sha256:" + "1" * 64),)),
    ),
)


def test_parts_are_read_as_they_were_written() -> None:
    data = write(RECORD)
    (document,) = load(data, "placements/team/web.yaml").documents
    assert read(document) == RECORD
    assert write(read(document)) == data


@pytest.mark.parametrize("parts", [(), RECORD.parts[1:], RECORD.parts[:1]])
def test_parts_that_differ_are_worth_a_commit(parts: tuple[PlacedPart, ...]) -> None:
    assert not replace(RECORD, parts=parts).says_the_same(RECORD)


def test_a_cluster_of_a_record_takes_no_unknown_field() -> None:
    data = write(RECORD).replace(b"share: 34", b"share: 34\n    patch: []")
    with pytest.raises(InputError, match="did you mean 'patches'"):
        read(load(data, "placements/team/web.yaml").documents[0])
