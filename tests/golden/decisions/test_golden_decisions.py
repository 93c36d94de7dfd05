"""Each folder here is a case: a small fleet repo, and in `expected.yaml` what a plan decides on it (see README.md).

To accept a wanted change: `SKYRAY_UPDATE_GOLDEN=1 pytest tests/golden/decisions`, then review the diff.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.placement.decision import TransitionKind
from reconciler.reasons import scores
from tests.golden.decisions.cases import FOLDER, outcome, planned, read_case, why_of, worded
from tests.golden.messages.catalogue import kinds

CASES = sorted(path.parent for path in FOLDER.glob("*/case.yaml"))
NOT_YET = {TransitionKind.RERUN}
"""What no plan does so far."""
WITHOUT_A_CAUSE = {"Unschedulable"}
"""What is said where no filter tells why a pod fits nowhere; no fleet is known for which that is so."""
REASONS = frozenset((FOLDER / "reasons.txt").read_text().split())
"""The reasons of decisions and of candidates; a new one needs a case."""


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_plan_decides_what_is_expected(folder: Path) -> None:
    case = read_case(folder)
    said = outcome(*planned(case.fleet(), case.now))
    if os.environ.get("SKYRAY_UPDATE_GOLDEN"):
        (folder / "expected.yaml").write_text(worded(why_of(folder), said))
    assert yaml.safe_load((folder / "expected.yaml").read_text()) == said
    assert (folder / "expected.yaml").read_text() == worded(why_of(folder), said), "the order counts as well"


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_the_plan_of_what_a_plan_leaves_is_empty(folder: Path) -> None:
    case = read_case(folder)
    fleet = case.fleet()
    fleet.cycle(now=case.now, allow_removals=True)
    assert [draft.subject for draft in fleet.plan(now=case.now, allow_removals=True).drafts] == []


def test_every_transition_has_a_case() -> None:
    seen = {one["transition"] for folder in CASES for one in _decisions(folder)}
    assert seen == {str(kind) for kind in TransitionKind if kind not in NOT_YET}


def test_every_reason_of_a_decision_or_a_candidate_has_a_case() -> None:
    seen = {one["reason"] for folder in CASES for one in _decisions(folder)}
    for folder in CASES:
        for one in _decisions(folder):
            seen |= {said.rpartition(", ")[2] for said in one.get("candidates", ())}
    assert seen == REASONS


def test_every_code_of_the_catalogue_has_a_case() -> None:
    # What a cluster has by a score only compares two clusters in the words of a choice.
    reasons = [kind for kind in kinds() if kind.__module__ != scores.__name__]
    codes = {kind.code for kind in reasons if isinstance(kind.code, str)}
    assert len(codes) > 10
    assert codes - WITHOUT_A_CAUSE <= REASONS


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_the_first_line_says_why(folder: Path) -> None:
    assert (folder / "expected.yaml").read_text().startswith("# why: ")
    assert len(why_of(folder).split()) > 3


def _decisions(folder: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load((folder / "expected.yaml").read_text())["decisions"].values())
