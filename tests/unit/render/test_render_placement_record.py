from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import InvalidObject
from reconciler.manifests.loader import load
from reconciler.placement.model import Candidate, Phase, Share, Verdict
from reconciler.placement.record import JobOutcome, PlacedObject, PlacementRecord
from reconciler.render.placement_record import json_schema, path_of, read, write
from reconciler.workloads.group import GroupKey

RECORD = PlacementRecord(
    group=GroupKey("rayjob3", "rayjob"),
    policy="fill-and-spill",
    objects=(
        PlacedObject("ray.io/v1", "RayJob", "train", "sha256:" + "a" * 64),
        PlacedObject("v1", "ConfigMap", "code", "sha256:" + "b" * 64),
    ),
    clusters=(Share("dynamic-cluster"),),
    phase=Phase.PLACED,
    reason="FitsAfterScaleUp",
    message="dynamic-cluster fits after adding 2 nodes of pool l4",
    candidates=(
        Candidate("static-cluster", Verdict.NO_FIT, "InsufficientResource", "2 of 3 pods fit; nvidia.com/gpu"),
        Candidate("dynamic-cluster", Verdict.FITS_AFTER_SCALE_UP, "FitsAfterScaleUp", "adds 2 nodes"),
    ),
    source_commit="0" * 40,
    snapshot_digest="sha256:" + "c" * 64,
    decided_at=1_795_000_000,
)


def reread(record: PlacementRecord) -> PlacementRecord:
    (document,) = load(write(record), path_of(record.group)).documents
    return read(document)


def test_a_record_is_read_back_as_it_was_written() -> None:
    assert reread(RECORD) == RECORD
    done = replace(RECORD, phase=Phase.FAILED, run=2, job_outcome=JobOutcome("FAILED", "AppFailed", "x", 1_795_000_100))
    assert reread(done) == done


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=30)
OUTCOMES = st.none() | st.builds(JobOutcome, TEXT, TEXT, TEXT, st.none() | st.integers(0, 2**32))


@settings(deadline=None)
@given(
    st.builds(
        PlacementRecord,
        group=st.just(GroupKey("n", "g")),
        policy=TEXT,
        objects=st.lists(st.builds(PlacedObject, TEXT, TEXT, TEXT, st.just("sha256:" + "0" * 64)))
        .map(sorted)
        .map(tuple),
        clusters=st.lists(st.builds(Share, st.sampled_from(["a", "b"]), st.integers(1, 100)), max_size=2).map(tuple),
        phase=st.sampled_from(Phase),
        reason=TEXT,
        message=TEXT,
        candidates=st.lists(st.builds(Candidate, TEXT, st.sampled_from(Verdict), TEXT, TEXT), max_size=2).map(tuple),
        run=st.integers(1, 9),
        source_commit=TEXT,
        snapshot_digest=TEXT,
        decided_at=st.integers(0, 2**32),
        job_outcome=OUTCOMES,
    )
)
def test_every_record_makes_the_round_trip(record: PlacementRecord) -> None:
    assert reread(record) == record
    assert write(reread(record)) == write(record)


def test_the_order_of_objects_does_not_matter() -> None:
    assert write(replace(RECORD, objects=RECORD.objects[::-1])) == write(RECORD)


def test_a_record_lies_where_its_group_says() -> None:
    assert path_of(RECORD.group) == "placements/rayjob3/rayjob.yaml"
    with pytest.raises(InvalidObject):
        path_of(GroupKey("..", "x"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("phase: Placed", "phase: Lost", "status.phase"),
        ("verdict: NoFit", "verdict: Maybe", "verdict"),
        ("run: 1", "run: 0", "spec.run"),
        ("  policy: fill-and-spill\n", "", "spec.policy is missing"),
        ("  reason: FitsAfterScaleUp\n", "  raeson: x\n  reason: other\n", "did you mean 'reason'?"),
        ("sha256:aa", "sha256:zz", "digest"),
        ("share: 100", "share: 101", "share"),
        ("kind: Placement", "kind: Placements", "kind"),
    ],
)
def test_a_record_that_someone_damaged_is_an_error_with_its_place(old: str, new: str, words: str) -> None:
    text = write(RECORD).decode()
    assert old in text
    (document,) = load(text.replace(old, new, 1).encode(), "placements/rayjob3/rayjob.yaml").documents
    with pytest.raises(InvalidObject) as caught:
        read(document)
    assert str(caught.value).startswith("placements/rayjob3/rayjob.yaml:")
    assert words in str(caught.value)


def test_numbers_that_tick_are_not_worth_a_commit_and_reasons_are() -> None:
    ticked = replace(
        RECORD, message="other numbers", candidates=(), decided_at=1, snapshot_digest="x", source_commit="y"
    )
    assert ticked.says_the_same(RECORD)
    for changed in (
        replace(RECORD, reason="FitsNow"),
        replace(RECORD, phase=Phase.PENDING),
        replace(RECORD, clusters=(Share("static-cluster"),)),
        replace(RECORD, objects=RECORD.objects[:1]),
        replace(RECORD, run=2),
        replace(RECORD, job_outcome=JobOutcome("SUCCEEDED")),
    ):
        assert not changed.says_the_same(RECORD)


def test_the_schema_names_every_verdict() -> None:
    assert "FitsAfterScaleUp" in str(json_schema())
