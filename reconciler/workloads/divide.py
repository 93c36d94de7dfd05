"""Shares a group's replicas out among domains: the largest remainder method, with nothing lost.

What is divided: the worker replicas of Ray resources (with minReplicas and maxReplicas, so that each part keeps
min <= replicas <= max; every part has a head), the replicas of Deployments, ReplicaSets and StatefulSets, and the
parallelism and completions of Jobs. Everything else goes everywhere whole. A part of nothing: a Deployment stays with 0
replicas, as in Nova; a Ray resource without a worker, and a Job without work, are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from reconciler.errors import InvalidObject
from reconciler.manifests import fields
from reconciler.manifests.fields import Path
from reconciler.policy.fieldpath import pointer
from reconciler.ray import rayspec
from reconciler.workloads.group import WorkloadObject
from reconciler.workloads.patch import Operations, find

_REPLICATED = frozenset(
    {
        ("apps/v1", "Deployment"),
        ("apps/v1", "ReplicaSet"),
        ("apps/v1", "StatefulSet"),
    }
)


@dataclass(frozen=True, slots=True)
class Portion:
    """One domain's part of an object: `operations` that leave only that of it. `nothing`: it has no place there."""

    operations: Operations
    nothing: bool = False


@dataclass(frozen=True, slots=True)
class _Field:
    """A number that is divided: `counts` by domain; `default` is what its absence means."""

    path: Path
    counts: tuple[int, ...]
    default: int | None


def share_out(
    total: int,
    weights: Sequence[int],
    before: Sequence[int] | None = None,
    least: Sequence[int] | None = None,
    most: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """Divide `total` in proportion to `weights` by largest remainder; the parts add up to `total`.

    Of equal remainders, those win whose part was larger `before`, then the first. Each part stays between `least` and
    `most`, between whose sums `total` must be.
    """
    count, whole = len(weights), sum(weights)
    quotas = [Fraction(total * weight, whole) for weight in weights]
    low = least or [0] * count
    high = most or [total] * count
    parts = [min(max(quota.numerator // quota.denominator, low[i]), high[i]) for i, quota in enumerate(quotas)]

    def owed(i: int) -> tuple[Fraction, bool, int]:
        return quotas[i] - parts[i], before is not None and before[i] > parts[i], -i

    while (missing := total - sum(parts)) != 0:
        if missing > 0:
            parts[max((i for i in range(count) if parts[i] < high[i]), key=owed)] += 1
        else:
            parts[min((i for i in range(count) if parts[i] > low[i]), key=owed)] -= 1
    return tuple(parts)


def portions(
    item: WorkloadObject, weights: Sequence[int], before: Sequence[WorkloadObject | None]
) -> tuple[Portion, ...] | None:
    """Return each domain's part of `item`; None for what cannot be divided, which goes everywhere whole.

    `before`: the object as it is deployed in each domain now, None where it is not. Raises `InvalidObject` for a Job
    whose pods have numbers.
    """
    body = item.body
    shares = _Shares(weights, [one.body if one else {} for one in before])
    if (item.key.api_version, item.key.kind) in _REPLICATED:
        replicas = fields.count(fields.mapping(body, "spec", ()), "replicas", ("spec",), 1)
        divided = [_Field(("spec", "replicas"), shares.of(replicas, ("spec", "replicas")), 1)]
        return _portions(body, divided, [False] * len(weights))
    if (item.key.api_version, item.key.kind) == ("batch/v1", "Job"):
        return _job(item, shares)
    if rayspec.is_ray(body):
        return _ray(body, shares)
    return None


class _Shares:
    """Divides numbers by the same weights, with an eye on what each domain has of them now."""

    def __init__(self, weights: Sequence[int], before: Sequence[Mapping[str, Any]]) -> None:
        self.weights = weights
        self._before = before

    def of(
        self,
        total: int,
        path: Path,
        least: Sequence[int] | None = None,
        most: Sequence[int] | None = None,
        weights: Sequence[int] | None = None,
    ) -> tuple[int, ...]:
        """Divide the number that stands at `path`."""
        found = [find(body, path) for body in self._before]
        before = [one if isinstance(one, int) else 0 for one in found]
        return share_out(total, weights or self.weights, before, least, most)


def _job(item: WorkloadObject, shares: _Shares) -> tuple[Portion, ...]:
    body, at = item.body, ("spec",)
    spec = fields.mapping(body, "spec", ())
    if spec.get("completionMode") == "Indexed":
        raise InvalidObject(
            f"{item.key} numbers its pods (completionMode: Indexed), so no part of it can stand for itself: place it "
            "by a policy that does not divide",
            item.place,
        )
    parallelism = fields.count(spec, "parallelism", at, 1)
    completions = fields.integer(spec, "completions", at)
    if completions is not None:
        parallelism = min(parallelism, max(completions, 0))
    running = shares.of(parallelism, (*at, "parallelism"))
    divided = [_Field((*at, "parallelism"), running, 1)]
    if completions is not None and parallelism:
        # Work goes only where pods run, or it would never be done.
        weights = [weight if pods else 0 for weight, pods in zip(shares.weights, running, strict=True)]
        most = [completions if pods else 0 for pods in running]
        done = shares.of(completions, (*at, "completions"), running, most, weights)
        divided.append(_Field((*at, "completions"), done, None))
    return _portions(body, divided, [parallelism > 0 and not pods for pods in running])


def _ray(body: Mapping[str, Any], shares: _Shares) -> tuple[Portion, ...] | None:
    cluster = rayspec.cluster_spec(body)
    if cluster is None:
        return None
    scaling = rayspec.autoscaling(cluster)
    divided: list[_Field] = []
    reach = [0] * len(shares.weights)
    for at, group in rayspec.worker_groups(cluster):
        least = fields.count(group, "minReplicas", at, 0)
        most = fields.integer(group, "maxReplicas", at)
        # What KubeRay makes of them: replicas between min and max.
        wanted = max(fields.integer(group, "replicas", at) or 0, least)
        replicas = wanted if most is None else min(wanted, most)
        parts = shares.of(replicas, (*at, "replicas"))
        divided.append(_Field((*at, "replicas"), parts, 0))
        least = min(least, replicas)
        divided.append(_Field((*at, "minReplicas"), shares.of(least, (*at, "minReplicas"), most=parts), 0))
        top = parts
        if most is not None:
            tops = shares.of(max(most, replicas), (*at, "maxReplicas"), least=parts)
            divided.append(_Field((*at, "maxReplicas"), tops, None))
            top = tops if scaling else parts
        elif scaling:
            top = tuple(1 for _ in parts)
        reach = [so_far + more for so_far, more in zip(reach, top, strict=True)]
    if not sum(reach):
        return None
    return _portions(body, divided, [not workers for workers in reach])


def _portions(body: Mapping[str, Any], divided: Sequence[_Field], nothing: Sequence[bool]) -> tuple[Portion, ...]:
    return tuple(
        Portion(tuple(one for field in divided for one in _written(body, field, domain)), nothing[domain])
        for domain in range(len(nothing))
    )


def _written(body: Mapping[str, Any], field: _Field, domain: int) -> Operations:
    """Return the operations that leave a domain its count, each replacement behind a test of the whole."""
    now, value, path = find(body, field.path), field.counts[domain], pointer(field.path)
    if now is None:
        return () if value == field.default else ({"op": "add", "path": path, "value": value},)
    if now == value:
        return ()
    return ({"op": "test", "path": path, "value": now}, {"op": "replace", "path": path, "value": value})
