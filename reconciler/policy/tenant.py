"""Tenants as data: which namespaces a team owns, and what it may do there (kind Tenant).

A fleet without tenants allows everything; with the first Tenant, everything that no Tenant allows is denied. `Tenancy`
returns the owner of a namespace, `denials` what its tenant may not have of an object. Quotas are in `placement.quota`,
clusters in `policy.eligibility`. All rules come from operators' files: what a tenant commits under `workloads/` changes
none of them, except for a Namespace's labels (see `Tenant.namespace_selector`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.errors import InvalidObject, Place
from reconciler.manifests import fields
from reconciler.manifests.fields import InvalidField, Path
from reconciler.manifests.identity import ObjectKey
from reconciler.manifests.podfeatures import Feature, Use, container_features, features
from reconciler.manifests.quantity import Resources
from reconciler.manifests.selector import LabelSelector
from reconciler.policy import privilege_escalation
from reconciler.policy.model import NAME_LABEL, KindSelector
from reconciler.ray import rayspec
from reconciler.ray.templates import pod_templates
from reconciler.reasons.reason import Reason
from reconciler.reasons.tenancy import (
    AdminAccessDenied,
    FeatureDenied,
    IngressDenied,
    KindDenied,
    NoTenant,
    PodsUnchecked,
    ServiceAccountDenied,
    TenantAmbiguous,
    TokenDenied,
    UnreadableFields,
)

_DEFAULT_KINDS_OF: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ray.io", rayspec.KINDS),
    (
        "",
        (
            "ConfigMap",
            "PersistentVolumeClaim",
            "Pod",
            "ReplicationController",
            "Secret",
            "Service",
        ),
    ),
    ("", ("ServiceAccount",)),
    ("apps", ("Deployment", "ReplicaSet", "StatefulSet")),
    ("batch", ("CronJob", "Job")),
    ("bitnami.com", ("SealedSecret",)),
    ("external-secrets.io", ("ExternalSecret",)),
    ("jobset.x-k8s.io", ("JobSet",)),
    ("policy", ("PodDisruptionBudget",)),
    ("resource.k8s.io", ("ResourceClaim", "ResourceClaimTemplate")),
)
"""The kinds of `DEFAULT_KINDS` by their API group."""

DEFAULT_KINDS = tuple(
    KindSelector(kind, group) for group, kinds in _DEFAULT_KINDS_OF for kind in kinds
)
"""The kinds that a tenant may commit unless its Tenant says otherwise: Ray, ordinary workloads, and what pods refer to.

Left out are RBAC, Ingress, and kinds whose pods no quota counts (DaemonSet, HPA). Also left out are SecretStores and
the generators of External Secrets: they name a service account or an address that the operator of External Secrets
then uses with rights of its own.
"""

_POD_KINDS = {
    *rayspec.KINDS,
    "Pod",
    "ReplicationController",
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "JobSet",
}
"""The kinds that make pods. Without a template that can be read, their pods cannot be checked."""

_RESERVED = ("argocd", "flux-system")
_RESERVED_PREFIX = "kube-"


@dataclass(frozen=True, slots=True)
class PodRules:
    """What a tenant's pods may do beyond the default. Service accounts and capabilities are allowed one by one."""

    features: frozenset[Feature] = frozenset()
    service_accounts: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset()

    def allows(self, use: Use) -> bool:
        """Tell whether a pod may use the feature."""
        # Which account or capability it is decides what the pod can do, so each is allowed by its name.
        if use.feature is Feature.SERVICE_ACCOUNT:
            return use.value in self.service_accounts
        if use.feature is Feature.CAPABILITY:
            return use.value in self.capabilities
        return use.feature in self.features


@dataclass(frozen=True, slots=True)
class Borrowing:
    """The tenants whose unused quota a tenant may use: `lenders`, or all (None). By resource it is at most `limit`."""

    lenders: tuple[str, ...] | None = None
    limit: Resources = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tenant:
    """One team.

    `namespaces` are its own by name; `namespace_selector` adds those whose Namespace object has the labels. Every user
    who may edit `workloads/<namespace>/` can write these labels. `cluster_selector` None means all clusters. `quota`
    limits the requests of all its placed groups together; a resource that it does not name is not limited.
    """

    name: str
    place: Place
    namespaces: tuple[str, ...] = ()
    namespace_selector: LabelSelector | None = None
    cluster_selector: LabelSelector | None = None
    kinds: tuple[KindSelector, ...] = DEFAULT_KINDS
    quota: Resources = field(default_factory=dict)
    borrowing: Borrowing | None = None
    pods: PodRules = PodRules()

    def owns(
        self,
        namespace: str,
        labels: Mapping[str, str],
    ) -> bool:
        """Tell whether a namespace is this tenant's. `labels` are those of its Namespace object."""
        if namespace in self.namespaces:
            return True
        # The namespaces of Kubernetes and of the engines are owned by name only, since users write the labels.
        reserved = namespace.startswith(_RESERVED_PREFIX) or namespace in _RESERVED
        selector = self.namespace_selector
        if reserved or selector is None:
            return False
        # The name label is set last, so that a Namespace cannot pass for another by writing it itself.
        with_name = {**labels, NAME_LABEL: namespace}
        return selector.matches(with_name)

    def may_have(self, kind: str, api_group: str) -> bool:
        """Tell whether the tenant may commit objects of this kind and API group."""
        return any(selector.matches(kind, api_group) for selector in self.kinds)


@dataclass(frozen=True, slots=True)
class Denial:
    """What a tenant may not have: the field of the object, and the reason that names it."""

    path: Path
    why: Reason

    @property
    def message(self) -> str:
        """Return the reason in words."""
        return self.why.text


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a namespace; None when no tenant owns it. `refusal`: why nothing is placed there, if that is so."""

    tenant: Tenant | None
    refusal: Reason | None = None


@dataclass(frozen=True, slots=True)
class Tenancy:
    """All tenants, by name. `required`: nothing is placed in a namespace without a tenant."""

    tenants: tuple[Tenant, ...] = ()
    required: bool = False

    def owner(
        self,
        namespace: str,
        labels: Mapping[str, str],
    ) -> Owner:
        """Return the owner of a namespace. `labels` are those of its Namespace object."""
        owners = [tenant for tenant in self.tenants if tenant.owns(namespace, labels)]
        if len(owners) > 1:
            # A label can cause this at any time, so it refuses one namespace instead of stopping the cycle.
            first, second, *_ = owners
            named = (
                (first.name, first.place.file),
                (second.name, second.place.file),
            )
            return Owner(None, TenantAmbiguous(namespace, named))
        if owners:
            return Owner(owners[0])
        if self.required:
            return Owner(None, NoTenant(namespace))
        return Owner(None)


NO_TENANTS = Tenancy()
"""The tenancy of a fleet that has none."""


def tenancy_of(tenants: Iterable[Tenant], setting: str) -> Tenancy:
    """Return the tenancy of a fleet. `setting` is that of fleet.yaml: Required, Optional, or empty.

    An empty setting means Required as soon as there is a tenant. Raises `InvalidObject` where two tenants share a name
    or name the same namespace, and where a tenant borrows from itself or from a tenant that does not exist.
    """
    by_name: dict[str, Tenant] = {}
    owner_of: dict[str, Tenant] = {}
    # In a fixed order, so that the same mistake is reported with the same words.
    in_order = sorted(tenants, key=lambda each: (each.name, each.place))
    for tenant in in_order:
        if tenant.name in by_name:
            first = by_name[tenant.name].place
            raise InvalidObject(
                f"tenant {tenant.name} is already defined at {first}; rename one of them",
                tenant.place,
            )
        by_name[tenant.name] = tenant
        _claim_namespaces(tenant, owner_of)
    # After all tenants are known: a tenant may borrow from a later one.
    for tenant in by_name.values():
        _check_lenders(tenant, by_name)
    required = _is_required(setting, has_tenants=bool(by_name))
    return Tenancy(tuple(by_name.values()), required)


def _is_required(setting: str, *, has_tenants: bool) -> bool:
    # Required holds without tenants too: to remove the last one must not open the fleet.
    return setting == "Required" or (has_tenants and setting != "Optional")


def _claim_namespaces(
    tenant: Tenant,
    owner_of: dict[str, Tenant],
) -> None:
    """Add the namespaces that `tenant` names to `owner_of`. Raises `InvalidObject` where another tenant has one."""
    for namespace in tenant.namespaces:
        other = owner_of.setdefault(namespace, tenant)
        # A tenant may name a namespace twice.
        if other is not tenant:
            raise InvalidObject(
                f"namespace {namespace} belongs to tenant {other.name} ({other.place}) already: "
                "leave it to one of them",
                tenant.place,
            )


def _check_lenders(
    tenant: Tenant,
    by_name: Mapping[str, Tenant],
) -> None:
    """Raise `InvalidObject` unless each lender that the tenant names is another tenant."""
    # No lenders are named where the tenant borrows nothing, or from all tenants.
    lenders = tenant.borrowing.lenders if tenant.borrowing else None
    for lender in lenders or ():
        if lender == tenant.name:
            raise InvalidObject(
                f"tenant {tenant.name} borrows from itself; name other tenants",
                tenant.place,
            )
        if lender not in by_name:
            message = f"tenant {tenant.name} borrows from {lender}, which is no tenant; name other tenants"
            raise InvalidObject(message, tenant.place)


def denials(
    tenant: Tenant,
    key: ObjectKey,
    body: Mapping[str, Any],
) -> tuple[Denial, ...]:
    """Return everything about an object that its tenant may not have; empty when all of it is allowed."""
    try:
        return tuple(_denials(tenant, key, body))
    except InvalidObject as error:
        # What cannot be read cannot be checked, so it is denied.
        path = error.path if isinstance(error, InvalidField) else ()
        why = UnreadableFields(error.message)
        return (Denial(path, why),)


def _denials(
    tenant: Tenant,
    key: ObjectKey,
    body: Mapping[str, Any],
) -> Iterator[Denial]:
    if not tenant.may_have(key.kind, key.group):
        kind = f"{key.kind}.{key.group}" if key.group else key.kind
        why = KindDenied(tenant.name, kind)
        yield Denial(("kind",), why)
        # Its fields do not matter: the object is removed, not corrected.
        return
    is_account = (key.api_version, key.kind) == ("v1", "ServiceAccount")
    # On a cloud a service account may be an identity, so each is allowed by name.
    if is_account and key.name not in tenant.pods.service_accounts:
        unlisted = ServiceAccountDenied(tenant.name, key.name)
        yield Denial(("metadata", "name"), unlisted)
    yield from _escalations(tenant, key, body)
    yield from _pod_denials(tenant, key, body)


def _pod_denials(
    tenant: Tenant,
    key: ObjectKey,
    body: Mapping[str, Any],
) -> Iterator[Denial]:
    """Yield what the object's pods use that the tenant's pods may not."""
    templates = list(pod_templates(body))
    has_no_template = key.kind in _POD_KINDS and not templates
    # A Ray resource may have no pods of its own: a RayJob can run on a RayCluster that exists.
    if has_no_template and not rayspec.is_ray(body):
        unchecked = PodsUnchecked(key.kind, key.api_version)
        yield Denial(("apiVersion",), unchecked)
    uses: list[Use] = []
    for at, pod in templates:
        uses += features(pod, at)
    uses += _sidecar_uses(body)
    for use in uses:
        if tenant.pods.allows(use):
            continue
        why = FeatureDenied(tenant.name, key, use.path, use.feature, use.value)
        yield Denial(use.path, why)


def _escalations(
    tenant: Tenant,
    key: ObjectKey,
    body: Mapping[str, Any],
) -> Iterator[Denial]:
    """Yield the fields by which a controller would give the tenant what its Tenant does not."""
    yield from _token_denials(tenant, key, body)
    for path in privilege_escalation.admin_access(key, body):
        yield Denial(path, AdminAccessDenied(key, path))
    ingress_at = privilege_escalation.ingress(body)
    if ingress_at is None:
        return
    # KubeRay's Ingress is like one of the tenant's own.
    if not tenant.may_have("Ingress", "networking.k8s.io"):
        why = IngressDenied(tenant.name, key, ingress_at)
        yield Denial(ingress_at, why)


def _token_denials(
    tenant: Tenant,
    key: ObjectKey,
    body: Mapping[str, Any],
) -> Iterator[Denial]:
    """Yield the field that orders the token of a service account that the tenant's pods may not have."""
    token = privilege_escalation.token_account(key, body)
    if token is None:
        return
    path, account = token
    # A pod in the namespace gets the token of `default` anyway.
    if account in {"default", *tenant.pods.service_accounts}:
        return
    is_any = account == privilege_escalation.ANY_ACCOUNT
    why = TokenDenied(tenant.name, key, path, "" if is_any else account)
    yield Denial(path, why)


def _sidecar_uses(body: Mapping[str, Any]) -> Iterator[Use]:
    """Yield the features of the containers that KubeRay adds to the head when a Ray resource asks for them."""
    cluster = rayspec.cluster_spec(body) if rayspec.is_ray(body) else None
    if cluster is None:
        return
    at, cluster_fields = cluster
    autoscaler_at = (*at, "autoscalerOptions")
    autoscaler = fields.mapping(cluster_fields, "autoscalerOptions", at)
    yield from container_features(autoscaler, autoscaler_at)
    history_at = (*at, "historyServerOptions")
    history = fields.mapping(cluster_fields, "historyServerOptions", at)
    collector_at = (*history_at, "collectorOptions")
    collector = fields.mapping(history, "collectorOptions", history_at)
    yield from container_features(collector, collector_at)
