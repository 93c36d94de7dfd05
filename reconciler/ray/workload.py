"""The demand of any object that users commit: Ray resources, Kubernetes' own controllers, and others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.ray import rayspec, sizing
from reconciler.ray.demand import Demand
from reconciler.ray.injected import OperatorConfig
from reconciler.ray.plain import plain_demand
from reconciler.ray.sizing import DEFAULT_OPERATOR, Replicas


def demand_of(
    body: Mapping[str, Any],
    namespace: str = "",
    operator: OperatorConfig = DEFAULT_OPERATOR,
    replicas: Replicas = Replicas.CURRENT,
) -> Demand | None:
    """Return what the object asks of a cluster; None for objects that make no pods (ConfigMap, Secret, Service...).

    `namespace` is used where the object names none. Raises `InvalidObject`.
    """
    if rayspec.is_ray(body):
        return sizing.demand(body, namespace, operator, replicas)
    return plain_demand(body, namespace)
