"""All that a comparison takes from the code under it, by the names that it has there.

Code that is rewritten or renamed needs an edit here and nowhere else in this folder. Both sides of the comparison use
this module, so it reads both forms of a decision and of a Placement's file: `spec.clusters` as of 037e108, and
`spec.copies` with one entry a copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from reconciler.cli.demos.play import FILES
from reconciler.cli.demos.stories import STORIES
from reconciler.errors import SkyRayError
from reconciler.service.ready_made import find
from tests.e2e.gang_cases import draw_case
from tests.e2e.verdicts import verdict
from tests.fleets import NOW, Fleet
from tests.parity.cases import Case, story_case
from tests.parity.manifests import fleet

__all__ = ["NOW", "Fleet", "SkyRayError", "gang", "groups", "placement", "stories", "written"]

Answer = dict[str, Any]


def stories() -> Iterator[Case]:
    """Yield the demos, each on the files that it is played on."""
    for name, story in STORIES.items():
        policy = find(story.policy)
        start = {"fleet.yaml": fleet(""), policy.path: policy.data}
        for cluster in story.clusters:
            for path in (f"inventory/{cluster}.yaml", f"snapshots/{cluster}.yaml"):
                start[path] = (FILES / path).read_bytes()
        commits = []
        for step in story.steps:
            text = (FILES / step.source).read_text()
            for before, after in step.swaps.items():
                text = text.replace(before, after)
            commits.append((step.path, text.encode()))
        yield story_case(name, start, commits)


def gang(seed: int, number: int) -> Answer:
    """Return what is said of one gang of the end-to-end tests."""
    fit = verdict(draw_case(seed, number))
    return {
        "ok": fit.ok,
        "placed": fit.placed,
        "reason": fit.reason,
        "message": fit.message,
        "growth": [list(one) for one in fit.growth],
        "bindings": [sorted(bound.nodes.items()) for bound in fit.bindings],
    }


def groups(plan: Any) -> list[Answer]:
    """Return what a plan decided on each group, in its order."""
    return [
        {
            "group": str(one.group),
            "action": str(one.action),
            "phase": str(one.phase),
            "policy": one.policy,
            "clusters": _clusters(one),
            "reason": str(one.reason),
            "message": one.message,
            "candidates": [[c.cluster, str(c.verdict), str(c.reason), c.message] for c in one.candidates],
        }
        for one in plan.decisions
    ]


def _clusters(decision: Any) -> list[list[Any]]:
    """Return the clusters that a group is placed on, each with its share in percent."""
    if hasattr(decision, "copies"):
        return [[copy.cluster, copy.share] for copy in decision.copies]
    # The planner of 037e108 has no copies: its decisions name clusters, each with a share.
    return [[one.name, one.share] for one in decision.clusters]


def written(changes: Mapping[str, bytes | None]) -> dict[str, Any]:
    """Return the digest of each changed file, and what a changed Placement says; None for a file that goes."""
    found: dict[str, Any] = {}
    for path, data in changes.items():
        if data is None:
            found[path] = None
        elif path.startswith("placements/"):
            found[path] = placement(data)
        else:
            found[path] = hashlib.sha256(data).hexdigest()
    return found


def placement(data: bytes) -> Answer:
    """Return what a Placement's file says, in a form that does not hang on the form of the file."""
    body = yaml.load(data, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  (both are safe)
    spec, status = body["spec"], body["status"]
    every = spec.get("objects") or []
    copies = [_copy(one, every) for one in spec.get("copies") or spec.get("clusters") or []]
    if len(copies) == 1:
        copies[0][-1] = None  # the older form has the end of an only copy in the status
    return {
        "policy": spec.get("policy", ""),
        "objects": every,
        "sources": spec.get("sources") or [],
        "clusters": sorted(copies, key=lambda one: str(one[0])),
        "phase": status.get("phase"),
        "reason": status.get("reason"),
        "message": status.get("message"),
        "waitingSince": _when(status.get("waitingSince")),
        "jobOutcome": status.get("jobOutcome") or status.get("jobResult"),
    }


def _copy(one: Mapping[str, Any], every: list[Any]) -> list[Any]:
    """Return what a cluster has: its name, share, objects (those of all where it has no others), patches, and end."""
    objects = one.get("objects")
    end = one.get("jobOutcome") or one.get("jobResult")
    name = one.get("name") or one.get("cluster")
    return [name, one.get("share", 100), every if objects is None else objects, one.get("patches") or [], end]


def _when(value: Any) -> str | None:
    return None if value is None else str(value)
