"""Plans and decisions as the documents that programs read; docs/contract.md has their fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.placement.decision import Decision
from reconciler.placement.model import Action, Candidate
from reconciler.planning.plan import Plan
from reconciler.planning.state import RepoState

API_VERSION = "skyray.dev/v1alpha1"


def plan_document(plan: Plan, errors: Sequence[str]) -> dict[str, Any]:
    """Return a plan as kind Plan."""
    changes = [
        {"path": path, "action": action} for path, action in plan.changes.items()
    ]
    return {
        "apiVersion": API_VERSION,
        "kind": "Plan",
        "revision": plan.revision,
        "snapshot": plan.snapshot,
        "decisions": list(map(decision_document, plan.decisions)),
        "changes": changes,
        "leftForNextCycle": plan.left,
        "warnings": list(plan.warnings),
        "errors": list(errors),
    }


def decision_document(decision: Decision) -> dict[str, Any]:
    """Return a decision as it is in a Plan."""
    group = decision.group
    clusters = [{"name": copy.cluster, "share": copy.share} for copy in decision.copies]
    return {
        "group": {"namespace": group.namespace, "name": group.name},
        "action": str(decision.action),
        "phase": str(decision.phase),
        "policy": decision.policy,
        "clusters": clusters,
        "reason": str(decision.reason),
        "message": decision.message,
        "candidates": list(map(candidate_document, decision.candidates)),
    }


def candidate_document(candidate: Candidate) -> dict[str, str]:
    """Return a candidate as it is in a decision."""
    return {
        "cluster": candidate.cluster,
        "verdict": str(candidate.verdict),
        "reason": candidate.reason,
        "message": candidate.message,
    }


def errors_of(plan: Plan, state: RepoState) -> tuple[str, ...]:
    """Return what is wrong with the users' files, one line each: unreadable files, invalid objects."""
    broken = [file.problem for file in state.workloads.broken if file.reported]
    invalid = [item.problem for item in state.workloads.objects if item.problem]
    known = {*broken, *invalid}
    others = []
    for decision in plan.decisions:
        if decision.action is not Action.REJECT:
            continue
        # A group repeats the problem of its object.
        if decision.message not in known:
            others.append(f"{decision.group}: {decision.message}")
    return (*broken, *invalid, *others)


def explanation_document(decision: Decision) -> dict[str, Any]:
    """Return a decision with its sources, for `skyray explain`."""
    placement = decision.placement
    return {
        **decision_document(decision),
        "sourceCommit": placement.source_commit if placement else "",
        "sources": list(placement.sources) if placement else [],
        "snapshot": placement.snapshot if placement else "",
    }
