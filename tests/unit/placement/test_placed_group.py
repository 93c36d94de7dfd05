"""A group as the last decision left it: what of it is worth a commit, and since when it waits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.placement.model import Candidate, Phase, Verdict
from reconciler.placement.placed_group import HeldCapacity, PlacedGroup, dated, waiting_since
from reconciler.reasons.copies import PARTLY_PLACED
from reconciler.reasons.written import Written
from reconciler.workloads.cluster_copy import CopyRole, JobResult
from reconciler.workloads.patch import Patch
from tests.copies import app, config_map, copy_on, placed

WEB = app()
HERE = placed("g", copy_on("c0", WEB))
WAITS = replace(placed("g"), decided_at=100)
PART = replace(HERE, reason=PARTLY_PLACED, decided_at=100)
PATCH = Patch("apps", "Deployment", "web", ({"op": "test", "path": "/spec/replicas", "value": 1},))


@pytest.mark.parametrize(
    ("group", "waits"),
    [(HERE, False), (WAITS, True), (PART, True), (replace(WAITS, phase=Phase.REJECTED), False)],
    ids=["placed", "pending", "partly", "rejected"],
)
def test_a_group_waits_as_a_whole_or_for_a_copy(group: PlacedGroup, waits: bool) -> None:
    assert group.waits is waits
    assert (waiting_since(group) is not None) is waits


def test_it_waits_since_it_was_decided_unless_it_says_since_when() -> None:
    assert waiting_since(WAITS) == 100
    assert waiting_since(replace(WAITS, waiting_since=7)) == 7
    assert waiting_since(None) is None


@pytest.mark.parametrize(
    ("before", "since"), [(None, 500), (HERE, 500), (WAITS, 100), (PART, 100), (replace(WAITS, waiting_since=7), 7)]
)
def test_a_group_that_waits_keeps_the_time_since_when(before: PlacedGroup | None, since: int) -> None:
    assert dated(PART, before, 500.9).waiting_since == since


def test_a_group_that_waits_no_more_forgets_since_when() -> None:
    assert dated(replace(HERE, waiting_since=7), WAITS, 500).waiting_since is None


WORTH_A_COMMIT: dict[str, dict[str, Any]] = {
    "policy": {"policy": "other"},
    "another cluster": {"copies": (copy_on("c1", WEB),)},
    "another object": {"copies": (copy_on("c0", app(replicas=2)),)},
    "share": {"copies": (copy_on("c0", WEB, share=50),)},
    "patches": {"copies": (replace(copy_on("c0", WEB), patches=(PATCH,)),)},
    "run": {"copies": (replace(copy_on("c0", WEB), run=2),)},
    "end of a copy": {"copies": (replace(copy_on("c0", WEB), job_result=JobResult("FAILED")),)},
    "sources": {"sources": ("workloads/team/other.yaml",)},
    "phase": {"phase": Phase.SUCCEEDED},
    "reason": {"reason": "Undisturbed"},
    "end": {"job_result": JobResult("FAILED")},
}
NOT_WORTH_A_COMMIT: dict[str, dict[str, Any]] = {
    "message": {"message": "all 2 pods fit"},
    "candidates": {"candidates": (Candidate("c0", Verdict.FITS_NOW, Written("FitsNow", "")),)},
    "role": {"copies": (replace(copy_on("c0", WEB), role=CopyRole.SERVING),)},
    "since": {"copies": (copy_on("c0", WEB, since=5),)},
    "snapshot": {"snapshot": "sha256:1"},
    "time": {"decided_at": 9},
    "hold": {"hold": HeldCapacity(("c0",), 1, 2)},
    "waiting": {"waiting_since": 9},
    "commit": {"source_commit": "b" * 40},
}


@pytest.mark.parametrize("change", WORTH_A_COMMIT.values(), ids=WORTH_A_COMMIT)
def test_place_outcome_and_reason_are_worth_a_commit(change: dict[str, Any]) -> None:
    assert not replace(HERE, **change).says_the_same(HERE)


@pytest.mark.parametrize("change", NOT_WORTH_A_COMMIT.values(), ids=NOT_WORTH_A_COMMIT)
def test_amounts_and_times_are_not_worth_a_commit(change: dict[str, Any]) -> None:
    assert replace(HERE, **change) != HERE
    assert replace(HERE, **change).says_the_same(HERE)


def test_each_object_of_several_copies_is_admitted_once() -> None:
    both = placed("g", copy_on("c0", WEB, config_map()), copy_on("c1", app(replicas=2), config_map()))
    assert {item.key.name: item.digest for item in both.admitted} == {
        "web": WEB.digest,
        "code": config_map().digest,
    }


def test_a_copy_is_found_by_its_cluster() -> None:
    assert HERE.on("c0") is HERE.copies[0]
    assert HERE.on("c1") is None
    assert (HERE.clusters, HERE.placed, WAITS.placed) == (("c0",), True, False)
