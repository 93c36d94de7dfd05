"""Tenants: which namespaces a team has, and what it may do there (kind Tenant).

The one idea: a fleet without tenants trusts everybody; with the first Tenant, everything that no Tenant allows is
denied. `Tenancy` answers whose a namespace is, `denials` what of an object its tenant may not have. Amounts are
`placement.quota`'s, clusters `policy.eligibility`'s. Both read operators' files only: what a tenant commits under
`workloads/` can bend neither, except for a Namespace's labels (see `Tenant.namespace_selector`).
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
from reconciler.policy import stand_ins
from reconciler.policy.model import NAME_LABEL, KindSelector
from reconciler.ray import rayspec
from reconciler.ray.templates import pod_templates

DEFAULT_KINDS = tuple(
    KindSelector(kind, group)
    for group, kinds in (
        ("ray.io", rayspec.KINDS),
        ("", ("ConfigMap", "PersistentVolumeClaim", "Pod", "ReplicationController", "Secret", "Service")),
        ("", ("ServiceAccount",)),
        ("apps", ("Deployment", "ReplicaSet", "StatefulSet")),
        ("batch", ("CronJob", "Job")),
        ("bitnami.com", ("SealedSecret",)),
        ("external-secrets.io", ("ExternalSecret",)),
        ("jobset.x-k8s.io", ("JobSet",)),
        ("policy", ("PodDisruptionBudget",)),
        ("resource.k8s.io", ("ResourceClaim", "ResourceClaimTemplate")),
    )
    for kind in kinds
)
"""What a tenant may commit unless its Tenant says otherwise: Ray, ordinary workloads, and what their pods refer to.

Not among them: RBAC, what takes in traffic (Ingress), and what makes pods that no quota counts (DaemonSet, HPA). Nor
what External Secrets reads from (SecretStore) or makes up (its generators): whoever writes these chooses a service
account or an address, and the operator goes there with rights of its own.
"""

_POD_KINDS = {
    *rayspec.KINDS,
    *("Pod", "ReplicationController", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"),
    "JobSet",
}
_RESERVED = ("argocd", "flux-system")
_RESERVED_PREFIX = "kube-"

_WORDS = {
    Feature.HOST_PATH: "mounts {value} of the node",
    Feature.HOST_NETWORK: "uses the node's network",
    Feature.HOST_PID: "sees the node's processes",
    Feature.HOST_IPC: "shares the node's memory segments",
    Feature.HOST_PORTS: "takes port {value} of the node",
    Feature.PRIVILEGED: "is privileged",
    Feature.UNMASKED_PROC: "unmasks /proc",
    Feature.UNCONFINED: "leaves the default security profile",
    Feature.SYSTEM_PRIORITY: "has priority class {value}, which Kubernetes keeps for itself",
    Feature.CAPABILITY: "adds capability {value}",
    Feature.HOST_PROBES: "has the node call {value}",
    Feature.SYSCTLS: "sets {value} of the node's kernel",
    Feature.SERVICE_ACCOUNT: "runs as service account {value}",
}


@dataclass(frozen=True, slots=True)
class PodRules:
    """What a tenant's pods may do beyond the default: `features` by name, service accounts and capabilities by list."""

    features: frozenset[Feature] = frozenset()
    service_accounts: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset()

    def allow(self, use: Use) -> bool:
        """Tell whether a pod may have this."""
        if use.feature is Feature.SERVICE_ACCOUNT:
            return use.value in self.service_accounts
        if use.feature is Feature.CAPABILITY:
            return use.value in self.capabilities
        return use.feature in self.features


@dataclass(frozen=True, slots=True)
class Borrowing:
    """Whose unused quota a tenant may use: that of `lenders`, or of all tenants (None); by resource at most `limit`."""

    lenders: tuple[str, ...] | None = None
    limit: Resources = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tenant:
    """One team.

    `namespaces` are its own by name; `namespace_selector` adds those whose Namespace object has the labels, which
    whoever may edit `workloads/<namespace>/` writes. `cluster_selector` None means all clusters. `quota` limits the
    requests of all its placed groups together; a resource that it does not name is not limited.
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

    def has(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Tell whether a namespace is this tenant's; those of Kubernetes and of the engines only by name."""
        if namespace in self.namespaces:
            return True
        reserved = namespace.startswith(_RESERVED_PREFIX) or namespace in _RESERVED
        selector = self.namespace_selector
        return not reserved and selector is not None and selector.matches({**labels, NAME_LABEL: namespace})


@dataclass(frozen=True, slots=True)
class Denial:
    """What a tenant may not have, and where in the object it stands."""

    path: Path
    message: str


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a namespace is: `tenant`, or nobody's; where it must be somebody's and is not, `reason` and `message`."""

    tenant: Tenant | None
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Tenancy:
    """All tenants, by name. `required`: a namespace that is nobody's gets nothing placed."""

    tenants: tuple[Tenant, ...] = ()
    required: bool = False

    def owner(self, namespace: str, labels: Mapping[str, str]) -> Owner:
        """Return whose namespace it is. `labels` are those of its Namespace object."""
        found = [one for one in self.tenants if one.has(namespace, labels)]
        if len(found) > 1:
            both = " and ".join(f"{one.name} ({one.place.file})" for one in found[:2])
            message = f"namespace {namespace} belongs to tenants {both}: leave it to one of them"
            return Owner(None, "TenantAmbiguous", message)
        if not found and self.required:
            message = (
                f"namespace {namespace} belongs to no tenant: name it in a Tenant under policies/, "
                "or set tenancy: Optional in fleet.yaml"
            )
            return Owner(None, "NoTenant", message)
        return Owner(found[0] if found else None)


NO_TENANTS = Tenancy()
"""The tenancy of a fleet that has none."""


def tenancy_of(tenants: Iterable[Tenant], setting: str) -> Tenancy:
    """Return the tenancy of a fleet. `setting` is that of fleet.yaml: Required, Optional, or empty.

    Left empty, tenants are required as soon as there is one. Raises `InvalidObject` where two tenants share a name or
    name the same namespace, or where one borrows from nobody known.
    """
    known: dict[str, Tenant] = {}
    holder: dict[str, Tenant] = {}
    for tenant in sorted(tenants, key=lambda one: (one.name, one.place)):
        if tenant.name in known:
            first = known[tenant.name].place
            raise InvalidObject(f"tenant {tenant.name} is already defined at {first}; rename one of them", tenant.place)
        known[tenant.name] = tenant
        for namespace in tenant.namespaces:
            other = holder.setdefault(namespace, tenant)
            if other is not tenant:
                raise InvalidObject(
                    f"namespace {namespace} belongs to tenant {other.name} ({other.place}) already: "
                    "leave it to one of them",
                    tenant.place,
                )
    for tenant in known.values():
        for lender in (tenant.borrowing.lenders or ()) if tenant.borrowing else ():
            if lender == tenant.name or lender not in known:
                whom = "itself" if lender == tenant.name else f"{lender}, which is no tenant"
                raise InvalidObject(f"tenant {tenant.name} borrows from {whom}; name other tenants", tenant.place)
    required = setting == "Required" or (bool(known) and setting != "Optional")
    return Tenancy(tuple(known.values()), required)


def denials(tenant: Tenant, key: ObjectKey, body: Mapping[str, Any]) -> tuple[Denial, ...]:
    """Return everything about an object that its tenant may not have; empty when all of it is allowed."""
    try:
        return tuple(_denials(tenant, key, body))
    except InvalidObject as error:
        path = error.path if isinstance(error, InvalidField) else ()
        return (Denial(path, f"what it may do cannot be read: {error.message}"),)


def _denials(tenant: Tenant, key: ObjectKey, body: Mapping[str, Any]) -> Iterator[Denial]:
    if not any(one.matches(key.kind, key.group) for one in tenant.kinds):
        kind = f"{key.kind}.{key.group}" if key.group else key.kind
        yield Denial(("kind",), f"kind {kind} is not among those that tenant {tenant.name} may have")
        return
    if (key.api_version, key.kind) == ("v1", "ServiceAccount") and key.name not in tenant.pods.service_accounts:
        yield Denial(("metadata", "name"), f"service account {key.name} {_not_allowed(tenant)}")
    yield from _stand_ins(tenant, key, body)
    templates = list(pod_templates(body))
    if key.kind in _POD_KINDS and not templates and not rayspec.is_ray(body):
        text = f"the pods of a {key.kind} of {key.api_version} cannot be checked"
        yield Denial(("apiVersion",), f"{text}: write their template, in an API version that SkyRay can size")
    uses = [use for at, pod in templates for use in features(pod, at)]
    for use in (*uses, *_sidecars(body)):
        if not tenant.pods.allow(use):
            what = _WORDS[use.feature].format(value=use.value)
            yield Denial(use.path, f"{fields.dotted(use.path)}: {key} {what}, which {_not_allowed(tenant)}")


def _stand_ins(tenant: Tenant, key: ObjectKey, body: Mapping[str, Any]) -> Iterator[Denial]:
    """Yield what the object would get its tenant by a way round."""
    token = stand_ins.token_account(key, body)
    if token is not None and token[1] not in {"default", *tenant.pods.service_accounts}:
        whose = "any service account" if token[1] == stand_ins.ANY_ACCOUNT else f"service account {token[1]}"
        text = f"{key} is for a token of {whose}, which {_not_allowed(tenant)}"
        yield Denial(token[0], f"{fields.dotted(token[0])}: {text}")
    for path in stand_ins.admin_access(key, body):
        yield Denial(path, f"{fields.dotted(path)}: {key} reaches devices that others use, which no tenant may")
    path_ = stand_ins.ingress(body)
    if path_ is not None and not any(one.matches("Ingress", "networking.k8s.io") for one in tenant.kinds):
        text = f"{key} has KubeRay make an Ingress, a kind that is not among those that tenant {tenant.name} may have"
        yield Denial(path_, f"{fields.dotted(path_)}: {text}")


def _not_allowed(tenant: Tenant) -> str:
    return f"tenant {tenant.name} does not allow"


def _sidecars(body: Mapping[str, Any]) -> Iterator[Use]:
    """Yield what the containers use that KubeRay adds to the head as a Ray resource tells it to."""
    cluster = rayspec.cluster_spec(body) if rayspec.is_ray(body) else None
    if cluster is None:
        return
    at, parts = cluster
    yield from container_features(fields.mapping(parts, "autoscalerOptions", at), (*at, "autoscalerOptions"))
    history = fields.mapping(parts, "historyServerOptions", at)
    here = (*at, "historyServerOptions")
    yield from container_features(fields.mapping(history, "collectorOptions", here), (*here, "collectorOptions"))
