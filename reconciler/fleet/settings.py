"""fleet.yaml: kind Fleet, the settings of a fleet repo, read into plain data.

All fields but the engine have a default, which is that of the plain data, so that both say the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from reconciler.errors import InvalidObject, Place
from reconciler.manifests.kinds import (
    QUANTITY_SCHEMA,
    Duration,
    ObjectMeta,
    SkyRayModel,
    read_object,
)
from reconciler.manifests.loader import load
from reconciler.manifests.quantity import Quantity

FILE = "fleet.yaml"

_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}")


@dataclass(frozen=True, slots=True)
class NamespaceLimits:
    """How much one namespace may ask for, so that it costs the others neither time nor memory.

    `groups`: more are rejected. `files`, `bytes`: what is behind the first so many of its workload files, in order of
    path, is not read. The defaults are twice as many files as groups, since a job often has a ConfigMap beside it, and
    3 KiB for each group.
    """

    groups: int = 20_000
    files: int = 40_000
    bytes: int = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait for a cluster, how long its last snapshot counts, and how much is asked for and decided.

    `cluster_timeout`: seconds that an API server may take for all lists; ten cover a busy server across an ocean.
    `snapshot_max_age`: seconds for which the last snapshot of a cluster that stopped answering still counts.
    `decisions_per_cycle`: so many new groups a cycle decides on, shared between namespaces; the others come in the
    next one. A thousand take a few seconds, and meanwhile nothing that was pushed later can be placed.
    """

    snapshot_max_age: float = 600.0
    cluster_timeout: float = 10.0
    per_namespace: NamespaceLimits = NamespaceLimits()
    decisions_per_cycle: int = 1_000


@dataclass(frozen=True, slots=True)
class Guards:
    """How much a plan may remove before it stops and asks.

    Counted are the clusters that groups leave and, apart from them, those that add-ons leave. `max_removed_share`: the
    share of all, 0 to 1. `always_removable`: the number that may be removed whatever the share, so that the first
    finished job of a small fleet does not stop the plan.
    """

    max_removed_share: float = 0.2
    always_removable: int = 3

    def allows(self, removed: int, placed: int) -> bool:
        """Tell whether a plan may remove `removed` of `placed` placements, of groups or of add-ons."""
        return (
            removed <= self.always_removable
            or removed <= self.max_removed_share * placed
        )


@dataclass(frozen=True, slots=True)
class Fairness:
    """How long a group waits before capacity is reserved for it, and how long a reservation lasts, in seconds.

    Meanwhile younger groups get nothing that it needs on a cluster. A break of the same length follows, so that a gang
    for which nothing comes free does not block others for ever.
    """

    hold_after: float = 600.0
    hold_for: float = 7200.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """The settings.

    `engine` is argocd or flux. `branch` is the one that SkyRay reads and pushes. `forge` is what hosts the repo
    (github, gitlab, gitea, bitbucket, azuredevops), empty where its URL shows it. `tenancy` is Required (a namespace
    without a tenant gets nothing), Optional, or empty: Required as soon as a Tenant exists.
    """

    name: str
    engine: str
    branch: str = "main"
    limits: Limits = Limits()
    guards: Guards = Guards()
    forge: str = ""
    fairness: Fairness = Fairness()
    tenancy: str = ""


def read_fleet(data: bytes, path: str = FILE) -> Fleet:
    """Return the settings in `data`, the content of fleet.yaml. Raises `InputError`; see `kinds.problems`."""
    documents = load(data, path).documents
    if len(documents) != 1:
        raise InvalidObject(
            f"has {len(documents)} documents; write exactly one Fleet", Place(path)
        )
    kind = read_object(FleetKind, documents[0])
    spec = kind.spec
    return Fleet(
        name=kind.metadata.name,
        engine=spec.engine,
        branch=spec.branch,
        limits=_limits(spec.limits),
        guards=Guards(spec.guards.max_removed_share, spec.guards.always_removable),
        forge=spec.forge.type if spec.forge else "",
        fairness=Fairness(spec.fairness.hold_after, spec.fairness.hold_for),
        tenancy=spec.tenancy or "",
    )


def _limits(part: LimitsPart) -> Limits:
    each = part.per_namespace
    return Limits(
        snapshot_max_age=part.snapshot_max_age,
        cluster_timeout=part.cluster_timeout,
        per_namespace=NamespaceLimits(each.groups, each.files, each.bytes),
        decisions_per_cycle=part.decisions_per_cycle,
    )


def _branch(text: str) -> str:
    """Accept the plain part of git's own rule (`git check-ref-format`), and nothing that could read as an option."""
    odd = (
        ".." in text
        or "//" in text
        or "/." in text
        or text.endswith((".lock", "/", "."))
    )
    if _BRANCH.fullmatch(text) is None or odd:
        raise ValueError(
            f"{text!r} is not a plain branch name; use letters, digits, '-', '_', '.' and '/'"
        )
    return text


def _positive(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("must be longer than 0; write a duration such as 2h")
    return seconds


def _bytes(value: object) -> int:
    """Read a number of bytes, such as 64Mi."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        amount = Quantity.parse(value)
        if amount.nano > 0:
            return amount.value
    raise ValueError(f"{value!r} is not a size; write bytes such as 64Mi")


class NamespaceLimitsPart(SkyRayModel):
    """How many groups, files and bytes of files one namespace may have. What is above is rejected."""

    groups: int = Field(default=NamespaceLimits().groups, ge=1)
    files: int = Field(default=NamespaceLimits().files, ge=1)
    bytes: Annotated[
        int, BeforeValidator(_bytes), WithJsonSchema({**QUANTITY_SCHEMA})
    ] = NamespaceLimits().bytes


class LimitsPart(SkyRayModel):
    """How long to wait for a cluster, how long its last snapshot counts, and how much is asked for and decided.

    `decisionsPerCycle`: the number of new groups that a cycle decides on, shared between namespaces.
    """

    snapshot_max_age: Duration = Limits().snapshot_max_age
    cluster_timeout: Duration = Limits().cluster_timeout
    per_namespace: NamespaceLimitsPart = NamespaceLimitsPart()
    decisions_per_cycle: int = Field(default=Limits().decisions_per_cycle, ge=1)


class GuardsPart(SkyRayModel):
    """A plan that would take more than this share of all groups, or of all add-ons, off their clusters stops and asks.

    `alwaysRemovable`: the number that may be removed whatever the share.
    """

    max_removed_share: float = Field(default=Guards().max_removed_share, ge=0, le=1)
    always_removable: int = Field(default=Guards().always_removable, ge=0)


class FairnessPart(SkyRayModel):
    """How long a group waits before capacity is reserved for it on a cluster, and how long that and the break last."""

    hold_after: Duration = Fairness().hold_after
    hold_for: Annotated[Duration, AfterValidator(_positive)] = Fairness().hold_for


class ForgePart(SkyRayModel):
    """What hosts the repo; derived from its URL when absent."""

    type: Literal["github", "gitlab", "gitea", "bitbucket", "azuredevops"]


class FleetSpec(SkyRayModel):
    """The settings. `branch` is read and pushed. `tenancy` Required: a namespace without a Tenant gets nothing.

    Left out, tenants are required as soon as a Tenant exists.
    """

    engine: Literal["argocd", "flux"]
    branch: Annotated[str, AfterValidator(_branch)] = "main"
    limits: LimitsPart = LimitsPart.defaults()
    guards: GuardsPart = GuardsPart.defaults()
    forge: ForgePart | None = None
    fairness: FairnessPart = FairnessPart.defaults()
    tenancy: Literal["Required", "Optional"] | None = None


class FleetKind(SkyRayModel):
    """The settings of a fleet repo."""

    api_version: Literal["skyray.dev/v1alpha1"]
    kind: Literal["Fleet"]
    metadata: ObjectMeta
    spec: FleetSpec
