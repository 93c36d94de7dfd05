"""The Placement file: what is written is read back exactly, an older form is read, and a hand's edit is an error."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import InputError, InvalidObject
from reconciler.manifests.loader import load
from reconciler.placement.model import Candidate, Phase, Verdict
from reconciler.placement.placed_group import HeldCapacity, PlacedGroup
from reconciler.reasons.written import Written
from reconciler.render.placement_record import ReadPlacement, json_schema, path_of, read, read_back, write
from reconciler.workloads.cluster_copy import ClusterCopy, CopyRole, JobResult, PlacedObject
from reconciler.workloads.group import GroupKey
from reconciler.workloads.patch import Patch

NOON = 1_795_000_000
JOB = PlacedObject("ray.io/v1", "RayJob", "train", "sha256:" + "a" * 64)
MAP = PlacedObject("v1", "ConfigMap", "code", "sha256:" + "b" * 64)


def copy(cluster: str, *listed: PlacedObject, **more: object) -> ClusterCopy:
    """A copy of which only the entries are known, as when the contents of its objects are gone."""
    return replace(ClusterCopy(cluster, (), (), missing=listed, since=NOON), **more)  # type: ignore[arg-type]


PLACED = PlacedGroup(
    key=GroupKey("rayjob3", "rayjob"),
    policy="fill-and-spill",
    copies=(copy("dynamic-cluster", JOB, MAP),),
    phase=Phase.PLACED,
    reason="FitsAfterScaleUp",
    message="dynamic-cluster fits after adding 2 nodes of pool l4",
    candidates=(
        Candidate("static-cluster", Verdict.NO_FIT, Written("InsufficientResource", "2 of 3 pods fit; nvidia.com/gpu")),
        Candidate("dynamic-cluster", Verdict.FITS_AFTER_SCALE_UP, Written("FitsAfterScaleUp", "adds 2 nodes")),
    ),
    source_commit="0" * 40,
    snapshot="sha256:" + "c" * 64,
    decided_at=NOON,
)
OPERATIONS = (
    {"op": "test", "path": "/spec/replicas", "value": 5},
    {"op": "add", "path": "/spec/x", "value": {"list": [1, True, "yes", 1.5], "map": {}}},
)
DIVIDED = replace(
    PLACED,
    copies=(
        copy(
            "a",
            JOB,
            share=34,
            patches=(Patch("ray.io", "RayJob", "train", OPERATIONS),),
            role=CopyRole.ENDED,
            job_result=JobResult("FAILED", "AppFailed", "x", NOON + 60),
        ),
        copy("b", JOB, MAP, share=33, role=CopyRole.SERVING),
        copy("c", JOB, MAP, share=33, run=2),
    ),
)


def reread(group: PlacedGroup) -> ReadPlacement:
    (document,) = load(write(group), path_of(group.key)).documents
    return read(document)


def as_read(found: ReadPlacement) -> PlacedGroup:
    """The group with the entries of its copies, the contents of which lie elsewhere."""
    copies = [replace(one, missing=found.listed(number)) for number, one in enumerate(found.group.copies)]
    return replace(found.group, copies=tuple(copies))


@pytest.mark.parametrize("group", [PLACED, DIVIDED], ids=["one copy", "several copies"])
def test_a_placement_is_read_back_as_it_was_written(group: PlacedGroup) -> None:
    assert as_read(reread(group)) == group
    assert read_back(group) == reread(group)
    done = replace(group, phase=Phase.FAILED, job_result=JobResult("FAILED", "AppFailed", "x", NOON + 100))
    assert as_read(reread(done)) == done
    waits = replace(group, waiting_since=NOON, hold=HeldCapacity(("a",), NOON, NOON + 600))
    assert as_read(reread(waits)) == waits


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=30)
ENTRIES = st.lists(st.builds(PlacedObject, TEXT, TEXT, TEXT, st.just("sha256:" + "0" * 64)), unique=True).map(sorted)
RESULTS = st.none() | st.builds(JobResult, TEXT, TEXT, TEXT, st.none() | st.integers(0, 2**32))
COPIES = st.builds(
    ClusterCopy,
    cluster=st.sampled_from(["a", "b"]),
    admitted=st.just(()),
    deployed=st.just(()),
    share=st.integers(1, 100),
    run=st.integers(1, 9),
    role=st.sampled_from(CopyRole),
    since=st.integers(0, 2**32),
    job_result=RESULTS,
    missing=ENTRIES.map(tuple),
)


@settings(deadline=None)
@given(
    st.builds(
        PlacedGroup,
        key=st.just(GroupKey("n", "g")),
        policy=TEXT,
        copies=st.lists(COPIES, max_size=2).map(tuple),
        phase=st.sampled_from(Phase),
        reason=TEXT,
        message=TEXT,
        candidates=st.lists(
            st.builds(Candidate, TEXT, st.sampled_from(Verdict), st.builds(Written, TEXT, TEXT)), max_size=2
        ).map(tuple),
        sources=st.lists(TEXT, max_size=2).map(tuple),
        source_commit=TEXT,
        snapshot=TEXT,
        decided_at=st.integers(0, 2**32),
        waiting_since=st.none() | st.integers(0, 2**32),
        hold=st.none() | st.builds(HeldCapacity, st.just(("a",)), st.integers(0, 2**32), st.integers(0, 2**32)),
        job_result=RESULTS,
    )
)
def test_every_placement_makes_the_round_trip(group: PlacedGroup) -> None:
    found = as_read(reread(group))
    assert found == group
    assert read_back(group) == reread(group)
    assert write(found) == write(group)


def test_a_placement_lies_where_its_group_says() -> None:
    assert path_of(PLACED.key) == "placements/rayjob3/rayjob.yaml"
    with pytest.raises(InvalidObject):
        path_of(GroupKey("..", "x"))


def older(group: PlacedGroup) -> bytes:
    """The file of a group in the form with `spec.clusters` and one run for all."""
    body = yaml.safe_load(write(group))
    spec = body["spec"]
    clusters = []
    for one in spec.pop("copies"):
        old = {"name": one["cluster"], "share": one["share"]}
        old |= {key: one[key] for key in ("objects", "patches") if key in one}
        if "jobResult" in one and len(group.copies) > 1:
            old["jobOutcome"] = one["jobResult"]
        clusters.append(old)
    spec["clusters"], spec["run"] = clusters, 1
    return yaml.safe_dump(body, sort_keys=False).encode()


def test_the_older_form_is_read_with_a_role_and_a_time_for_each_copy() -> None:
    (document,) = load(older(DIVIDED), "placements/rayjob3/rayjob.yaml").documents
    found = as_read(read(document))
    assert [(one.cluster, one.run, one.role, one.since, one.share) for one in found.copies] == [
        ("a", 1, CopyRole.ENDED, NOON, 34),
        ("b", 1, CopyRole.SERVING, NOON, 33),
        ("c", 1, CopyRole.SERVING, NOON, 33),
    ]
    assert [one.listed for one in found.copies] == [one.listed for one in DIVIDED.copies]
    assert found.copies[0].patches == DIVIDED.copies[0].patches
    assert found.copies[0].job_result == DIVIDED.copies[0].job_result


def test_the_older_form_had_the_end_of_an_only_copy_in_the_status() -> None:
    end = JobResult("SUCCEEDED", "", "done", NOON)
    (document,) = load(older(replace(PLACED, job_result=end)), "placements/rayjob3/rayjob.yaml").documents
    (only,) = read(document).group.copies
    assert (only.role, only.job_result) == (CopyRole.ENDED, end)


def test_both_forms_in_one_file_are_an_error() -> None:
    text = write(PLACED).decode().replace("  copies:\n", "  run: 1\n  copies:\n")
    with pytest.raises(InvalidObject, match=r"spec\.copies beside"):
        read(load(text.encode(), "placements/rayjob3/rayjob.yaml").documents[0])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("phase: Placed", "phase: Lost", "status.phase"),
        ("verdict: NoFit", "verdict: Maybe", "verdict"),
        ("run: 1", "run: 0", "spec.copies[0].run"),
        ("role: Starting", "role: Begins", "role"),
        ("  policy: fill-and-spill\n", "", "spec.policy is missing"),
        ("  reason: FitsAfterScaleUp\n", "  raeson: x\n  reason: other\n", "did you mean 'reason'?"),
        ("sha256:aa", "sha256:zz", "digest"),
        ("share: 100", "share: 101", "share"),
        ("share: 100", "share: 100\n    patch: []", "did you mean 'patches'"),
        ("kind: Placement", "kind: Placements", "kind"),
    ],
)
def test_a_placement_that_someone_damaged_is_an_error_with_its_place(old: str, new: str, words: str) -> None:
    text = write(PLACED).decode()
    assert old in text
    (document,) = load(text.replace(old, new, 1).encode(), "placements/rayjob3/rayjob.yaml").documents
    with pytest.raises(InputError) as caught:
        read(document)
    assert str(caught.value).startswith("placements/rayjob3/rayjob.yaml:")
    assert words in str(caught.value)


def with_copy(**changes: object) -> PlacedGroup:
    return replace(PLACED, copies=(replace(PLACED.copies[0], **changes),))  # type: ignore[arg-type]


def test_amounts_and_roles_are_not_worth_a_commit_and_places_outcomes_and_reasons_are() -> None:
    ticked = replace(PLACED, message="other", candidates=(), decided_at=1, snapshot="x", source_commit="y")
    assert ticked.says_the_same(PLACED)
    assert with_copy(role=CopyRole.SERVING, since=1).says_the_same(PLACED)
    for changed in (
        replace(PLACED, reason="FitsNow"),
        replace(PLACED, phase=Phase.PENDING),
        replace(PLACED, job_result=JobResult("SUCCEEDED")),
        with_copy(cluster="static-cluster"),
        with_copy(missing=(JOB,)),
        with_copy(run=2),
        with_copy(share=50),
        with_copy(job_result=JobResult("SUCCEEDED")),
    ):
        assert not changed.says_the_same(PLACED)


def test_the_schema_names_every_verdict() -> None:
    assert "FitsAfterScaleUp" in str(json_schema())
