"""Reads kind Tenant from `policies/` into `policy.tenant.Tenant`, and publishes its JSON Schema."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    WithJsonSchema,
    model_validator,
)

from reconciler.manifests import kinds
from reconciler.manifests.kinds import (
    DnsLabel,
    Items,
    Located,
    ObjectMeta,
    Quantity,
    ResourceName,
    SkyRayModel,
    read_object,
)
from reconciler.manifests.podfeatures import Feature
from reconciler.manifests.selector import LabelSelector
from reconciler.policy.model import KindSelector
from reconciler.policy.selector_parts import Kind, Kinds, Selector
from reconciler.policy.tenant import DEFAULT_KINDS, Borrowing, PodRules, Tenant

KIND = "Tenant"
ANY = "any"
"""The value of `borrowing.from` that means every tenant."""

Amounts = dict[ResourceName, Quantity]


class QuotaPart(SkyRayModel):
    """What all placed groups of the tenant may request together; `pods` counts pods. What is not named is free."""

    requests: Annotated[Amounts, Field(min_length=1)]


def _lenders(value: Any) -> Any:
    # As a list of one, which `_borrowing` reads as all tenants.
    if value == ANY:
        return [ANY]
    if not isinstance(value, list):
        raise ValueError(  # noqa: TRY004  (pydantic)
            f"{value!r} is not a list of tenants; write one, or any for all tenants"
        )
    return value


_TENANTS_OR_ANY = {
    "anyOf": [
        {"const": "any"},
        {"type": "array", "items": {"type": "string"}},
    ]
}


class BorrowingPart(SkyRayModel):
    """Whose unused quota the tenant may use, and how much of it at most."""

    from_: Annotated[
        Items[DnsLabel],
        BeforeValidator(_lenders),
        Field(alias="from"),
        # Pydantic sees the list only; editors must accept the word as well.
        WithJsonSchema(_TENANTS_OR_ANY),
    ]
    limit: Amounts = Field(default_factory=dict)


def _capability(text: str) -> str:
    # As pods name them: Kubernetes leaves the prefix of Linux out.
    return text.upper().removeprefix("CAP_")


class PodFeaturesPart(SkyRayModel):
    """What pods may do that is denied otherwise, in every template: head, workers, submitter, sidecars and inits."""

    allow: Items[
        Literal[
            "HostPath",
            "HostNetwork",
            "HostPID",
            "HostIPC",
            "HostPorts",
            "HostProbes",
            "Privileged",
            "UnmaskedProc",
            "Unconfined",
            "Sysctls",
            "SystemPriority",
        ]
    ] = ()
    service_accounts: Items[str] = ()
    capabilities: Items[Annotated[str, AfterValidator(_capability)]] = ()


class TenantSpec(SkyRayModel):
    """The team. Its namespaces are those of `namespaces`, and those whose Namespace object `namespaceSelector` matches.

    Without `clusterSelector` it may use all clusters. `kinds` replaces the usual kinds, `additionalKinds` adds to them.
    """

    namespaces: Items[DnsLabel] = ()
    namespace_selector: Selector | None = None
    cluster_selector: Selector | None = None
    kinds: Kinds | None = None
    additional_kinds: Kinds = ()
    quota: QuotaPart | None = None
    borrowing: BorrowingPart | None = None
    pod_features: PodFeaturesPart = PodFeaturesPart.defaults()

    @model_validator(mode="after")
    def _is_whole(self) -> TenantSpec:
        if not self.namespaces and self.namespace_selector is None:
            raise ValueError("a tenant needs namespaces, or a namespaceSelector")
        if self.borrowing is not None and self.quota is None:
            raise ValueError(
                "borrowing is for what goes beyond a quota; write a quota too"
            )
        quota = self.quota.requests if self.quota else {}
        limits = self.borrowing.limit if self.borrowing else {}
        for resource in limits:
            # Without a quota the resource is not limited at all, so a limit of what is borrowed means nothing.
            if resource not in quota:
                raise ValueError(
                    f"borrowing.limit has {resource}, of which there is no quota; write one, or leave it out"
                )
        return self


class TenantKind(SkyRayModel):
    """A team: its namespaces, and what it may place where."""

    api_version: Literal["skyray.dev/v1alpha1"]
    kind: Literal["Tenant"]
    metadata: ObjectMeta
    spec: TenantSpec


def is_tenant(document: Located) -> bool:
    """Tell whether a document of `policies/` means to be a Tenant."""
    body = document.body
    return isinstance(body, dict) and body.get("kind") == KIND


def read_tenants(documents: Iterable[Located]) -> tuple[Tenant, ...]:
    """Return the tenants among `documents`. Raises `InvalidObject`; see `kinds.problems`."""
    tenants = []
    for document in documents:
        # `policies/` has policies and PriorityClasses as well.
        if is_tenant(document):
            tenants.append(read_tenant(document))
    return tuple(tenants)


def read_tenant(document: Located) -> Tenant:
    """Return the Tenant in `document`. Raises `InvalidObject` with the place of the first problem."""
    kind = read_object(TenantKind, document)
    spec = kind.spec
    # An empty list of kinds is a choice too: such a tenant may commit only `additionalKinds`.
    kinds_allowed = DEFAULT_KINDS if spec.kinds is None else _kinds(spec.kinds)
    return Tenant(
        name=kind.metadata.name,
        place=document.place,
        namespaces=spec.namespaces,
        namespace_selector=_selector(spec.namespace_selector),
        cluster_selector=_selector(spec.cluster_selector),
        kinds=(*kinds_allowed, *_kinds(spec.additional_kinds)),
        quota=dict(spec.quota.requests) if spec.quota else {},
        borrowing=_borrowing(spec.borrowing),
        pods=_pod_rules(spec.pod_features),
    )


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return the published JSON Schema by file name, for editors."""
    return {"tenant.json": kinds.json_schema(TenantKind, KIND)}


def _selector(part: Selector | None) -> LabelSelector | None:
    # An absent selector differs from an empty one, which selects everything.
    return None if part is None else part.selector()


def _kinds(parts: Iterable[Kind]) -> tuple[KindSelector, ...]:
    return tuple(part.selector() for part in parts)


def _pod_rules(part: PodFeaturesPart) -> PodRules:
    return PodRules(
        features=frozenset(Feature(word) for word in part.allow),
        service_accounts=frozenset(part.service_accounts),
        capabilities=frozenset(part.capabilities),
    )


def _borrowing(part: BorrowingPart | None) -> Borrowing | None:
    if part is None:
        return None
    lenders = None if part.from_ == (ANY,) else part.from_
    return Borrowing(lenders, dict(part.limit))
