"""Divides an object's replicas among domains by the largest remainder method.

Divided are the worker replicas of Ray resources (with minReplicas and maxReplicas, so that each share keeps
min <= replicas <= max; every share has a head), the replicas of Deployments, ReplicaSets and StatefulSets, and the
parallelism and completions of Jobs. Every other object goes whole to each domain. A share without pods differs by kind:
a Deployment is placed with 0 replicas, as Nova does it; a Ray resource without a worker, and a Job without work, are
left out of that domain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
class ReplicaShare:
    """One domain's share of an object.

    `operations` are the RFC 6902 operations that reduce the object to the share. `empty`: the object is not placed in
    that domain.
    """

    operations: Operations
    empty: bool = False


@dataclass(frozen=True, slots=True)
class _DividedField:
    """A number that is divided: its `counts` by domain. `default` is the value that an absent field has."""

    path: Path
    counts: tuple[int, ...]
    default: int | None


def largest_remainder(
    total: int,
    weights: Sequence[int],
    before: Sequence[int] | None = None,
    least: Sequence[int] | None = None,
    most: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """Divide `total` in proportion to `weights` by largest remainder; the shares add up to `total`.

    Of equal remainders, the share that was larger `before` wins, then the first. Each share stays between `least` and
    `most`, between whose sums `total` must be.
    """
    domains = range(len(weights))
    low = least or [0] * len(weights)
    high = most or [total] * len(weights)
    quotas = _quotas(total, weights)
    shares = _rounded_down(quotas, low, high)

    def remainder(domain: int) -> tuple[Fraction, bool, int]:
        share = shares[domain]
        had_more = before is not None and before[domain] > share
        return quotas[domain] - share, had_more, -domain

    missing = total - sum(shares)
    while missing > 0:
        growable = [domain for domain in domains if shares[domain] < high[domain]]
        largest = max(growable, key=remainder)
        shares[largest] += 1
        missing -= 1
    # `least` can lift the shares above the total: the excess is taken from the shares that are furthest above quota.
    while missing < 0:
        shrinkable = [domain for domain in domains if shares[domain] > low[domain]]
        smallest = min(shrinkable, key=remainder)
        shares[smallest] -= 1
        missing += 1
    return tuple(shares)


def _quotas(total: int, weights: Sequence[int]) -> list[Fraction]:
    weight_sum = sum(weights)
    # Exact fractions: with floats, equal remainders would differ, and shares would change from plan to plan.
    return [Fraction(total * weight, weight_sum) for weight in weights]


def _rounded_down(
    quotas: Iterable[Fraction],
    low: Iterable[int],
    high: Iterable[int],
) -> list[int]:
    """Return the whole part of each quota, or the bound that is nearest to it."""
    shares = []
    for quota, minimum, maximum in zip(quotas, low, high, strict=True):
        whole_part = quota.numerator // quota.denominator
        at_least = max(whole_part, minimum)
        shares.append(min(at_least, maximum))
    return shares


def replica_shares(
    item: WorkloadObject,
    weights: Sequence[int],
    before: Sequence[WorkloadObject | None],
) -> tuple[ReplicaShare, ...] | None:
    """Return each domain's share of `item`; None for an object that cannot be divided and goes whole to each domain.

    `before`: the object as it is deployed in each domain now, None where it is not. Raises `InvalidObject` for a Job
    whose pods are indexed.
    """
    body = item.body
    bodies_before = [deployed.body if deployed else {} for deployed in before]
    divider = _Divider(weights, bodies_before)
    kind = (item.key.api_version, item.key.kind)
    if kind in _REPLICATED:
        return _replicated_shares(body, divider)
    if kind == ("batch/v1", "Job"):
        return _job_shares(item, divider)
    if rayspec.is_ray(body):
        return _ray_shares(body, divider)
    return None


class _Divider:
    """Divides numbers by the same weights; of equal remainders, the domain that has more now gets more."""

    def __init__(
        self,
        weights: Sequence[int],
        before: Sequence[Mapping[str, Any]],
    ) -> None:
        self.weights = weights
        self._before = before

    def divide(
        self,
        total: int,
        path: Path,
        least: Sequence[int] | None = None,
        most: Sequence[int] | None = None,
        weights: Sequence[int] | None = None,
    ) -> tuple[int, ...]:
        """Divide `total`, the value of the field at `path`."""
        before = []
        for body in self._before:
            value = find(body, path)
            before.append(value if isinstance(value, int) else 0)
        by = weights or self.weights
        return largest_remainder(total, by, before, least, most)


def _replicated_shares(
    body: Mapping[str, Any],
    divider: _Divider,
) -> tuple[ReplicaShare, ...]:
    path: Path = ("spec", "replicas")
    spec = fields.mapping(body, "spec", ())
    replicas = fields.count(spec, "replicas", ("spec",), 1)
    counts = divider.divide(replicas, path)
    divided = _DividedField(path, counts, 1)
    # Never empty: as in Nova, a domain without a replica gets the object with 0 replicas.
    never_empty = [False] * len(divider.weights)
    return _shares(body, [divided], never_empty)


def _job_shares(item: WorkloadObject, divider: _Divider) -> tuple[ReplicaShare, ...]:
    spec = fields.mapping(item.body, "spec", ())
    if spec.get("completionMode") == "Indexed":
        raise InvalidObject(
            f"{item.key} has completionMode: Indexed, so its pods share one range of indexes and it cannot be divided: "
            "use a policy that does not divide",
            item.place,
        )
    parallelism = fields.count(spec, "parallelism", ("spec",), 1)
    completions = fields.integer(spec, "completions", ("spec",))
    if completions is not None:
        # The Job controller never runs more pods than completions are left.
        parallelism = min(parallelism, max(completions, 0))
    path: Path = ("spec", "parallelism")
    running = divider.divide(parallelism, path)
    divided = [_DividedField(path, running, 1)]
    if completions is not None and parallelism:
        divided.append(_divided_completions(completions, running, divider))
    # With parallelism 0 no domain has pods, so the Job is kept in all of them.
    empty = [parallelism > 0 and not pods for pods in running]
    return _shares(item.body, divided, empty)


def _divided_completions(
    completions: int,
    running: Sequence[int],
    divider: _Divider,
) -> _DividedField:
    """Return the completions of each domain, which has `running` pods at a time."""
    weights = []
    most = []
    for weight, pods in zip(divider.weights, running, strict=True):
        # Completions go only to domains with pods; elsewhere they would never be reached.
        weights.append(weight if pods else 0)
        most.append(completions if pods else 0)
    path: Path = ("spec", "completions")
    counts = divider.divide(completions, path, running, most, weights)
    return _DividedField(path, counts, None)


def _ray_shares(
    body: Mapping[str, Any],
    divider: _Divider,
) -> tuple[ReplicaShare, ...] | None:
    cluster = rayspec.cluster_spec(body)
    if cluster is None:
        # A RayJob with clusterSelector makes no pods of its own.
        return None
    scaling = rayspec.autoscaling(cluster)
    divided: list[_DividedField] = []
    most_workers = [0] * len(divider.weights)
    for at, group in rayspec.worker_groups(cluster):
        group_fields, group_most = _worker_group(group, at, divider, scaling=scaling)
        divided += group_fields
        for domain, workers in enumerate(group_most):
            most_workers[domain] += workers
    if not sum(most_workers):
        # Without any worker there is nothing to divide; the head goes whole to each domain.
        return None
    empty = [not workers for workers in most_workers]
    return _shares(body, divided, empty)


def _worker_group(
    group: Mapping[str, Any],
    at: Path,
    divider: _Divider,
    *,
    scaling: bool,
) -> tuple[list[_DividedField], tuple[int, ...]]:
    """Return the divided fields of one worker group, and how many workers each domain can have at most."""
    minimum = fields.count(group, "minReplicas", at, 0)
    maximum = fields.integer(group, "maxReplicas", at)
    # KubeRay keeps replicas between minReplicas and maxReplicas (`GetWorkerGroupDesiredReplicas`).
    replicas = max(fields.integer(group, "replicas", at) or 0, minimum)
    if maximum is not None:
        replicas = min(replicas, maximum)

    path: Path = (*at, "replicas")
    shares = divider.divide(replicas, path)
    divided = [_DividedField(path, shares, 0)]
    path = (*at, "minReplicas")
    minimums = divider.divide(min(minimum, replicas), path, most=shares)
    divided.append(_DividedField(path, minimums, 0))
    # Without maxReplicas the Ray autoscaler has no bound, so each domain can get workers.
    most_workers = (1,) * len(shares)
    if maximum is not None:
        path = (*at, "maxReplicas")
        most_workers = divider.divide(max(maximum, replicas), path, least=shares)
        divided.append(_DividedField(path, most_workers, None))
    # Only the autoscaler makes more workers than replicas.
    return divided, most_workers if scaling else shares


def _shares(
    body: Mapping[str, Any],
    divided: Sequence[_DividedField],
    empty: Sequence[bool],
) -> tuple[ReplicaShare, ...]:
    shares = []
    for domain, is_empty in enumerate(empty):
        operations: list[Mapping[str, Any]] = []
        for field in divided:
            operations += _operations(body, field, domain)
        shares.append(ReplicaShare(tuple(operations), is_empty))
    return tuple(shares)


def _operations(
    body: Mapping[str, Any],
    field: _DividedField,
    domain: int,
) -> Operations:
    """Return the operations that set the domain's count; a replacement first tests the undivided value."""
    current = find(body, field.path)
    value = field.counts[domain]
    path = pointer(field.path)
    if current is None:
        # An absent field that means the same need not be written.
        if value == field.default:
            return ()
        return ({"op": "add", "path": path, "value": value},)
    if current == value:
        return ()
    return (
        {"op": "test", "path": path, "value": current},
        {"op": "replace", "path": path, "value": value},
    )
