"""What the rules of tenants refuse: a namespace without one owner, an object or a field that a tenant may not have.

A group with any of them is rejected as `TenantDenied`, `NoTenant` or `TenantAmbiguous`, in front of them the place in
the user's file. Waiting never helps: the user edits the manifest, or an operator the Tenant.
"""

from __future__ import annotations

from reconciler.manifests.fields import Path, dotted
from reconciler.manifests.identity import ObjectKey
from reconciler.manifests.podfeatures import Feature
from reconciler.reasons.reason import Reason

DENIED = "TenantDenied"
"""The code of everything that a Tenant does not allow."""

_FEATURE_TEXTS = {
    Feature.HOST_PATH: "mounts {value} of the node",
    Feature.HOST_NETWORK: "uses the node's network",
    Feature.HOST_PID: "sees the node's processes",
    Feature.HOST_IPC: "shares the node's memory segments",
    Feature.HOST_PORTS: "takes port {value} of the node",
    Feature.PRIVILEGED: "is privileged",
    Feature.UNMASKED_PROC: "unmasks /proc",
    Feature.UNCONFINED: "leaves the default security profile",
    Feature.SYSTEM_PRIORITY: "has the system priority class {value}",
    Feature.CAPABILITY: "adds capability {value}",
    Feature.HOST_PROBES: "has the node call {value}",
    Feature.SYSCTLS: "sets {value} of the node's kernel",
    Feature.SERVICE_ACCOUNT: "runs as service account {value}",
}


class TenantAmbiguous(Reason, frozen=True):
    """Several tenants own the namespace; `owners` are the first two, each with its file."""

    code = "TenantAmbiguous"
    waiting_helps = False
    namespace: str
    owners: tuple[tuple[str, str], ...]

    def _words(self) -> str:
        both = " and ".join(f"{tenant} ({file})" for tenant, file in self.owners)
        return f"namespace {self.namespace} belongs to tenants {both}: leave it to one of them"


class NoTenant(Reason, frozen=True):
    """No tenant owns the namespace, and the fleet requires one."""

    code = "NoTenant"
    waiting_helps = False
    namespace: str

    def _words(self) -> str:
        what_to_do = "name it in a Tenant under policies/, or set tenancy: Optional in fleet.yaml"
        return f"namespace {self.namespace} belongs to no tenant: {what_to_do}"


class KindDenied(Reason, frozen=True):
    """The tenant may not have objects of the kind, written as `Kind.group`."""

    code = DENIED
    waiting_helps = False
    tenant: str
    kind: str

    def _words(self) -> str:
        return f"kind {self.kind} is not among those that tenant {self.tenant} may have"


class ServiceAccountDenied(Reason, frozen=True):
    """The tenant may not make the ServiceAccount `name`."""

    code = DENIED
    waiting_helps = False
    tenant: str
    name: str

    def _words(self) -> str:
        return f"{_not_allowed(self.tenant)} service account {self.name}"


class PodsUnchecked(Reason, frozen=True):
    """The object makes pods, and no template is found by which they could be checked."""

    code = DENIED
    waiting_helps = False
    kind: str
    api_version: str

    def _words(self) -> str:
        text = f"the pods of a {self.kind} of {self.api_version} cannot be checked"
        return f"{text}: write their template, in an API version that SkyRay can size"


class FeatureDenied(Reason, frozen=True):
    """Pods of `item` use a feature, at `path`, that the tenant's pods may not; `value` as of `podfeatures.Use`."""

    code = DENIED
    waiting_helps = False
    tenant: str
    item: ObjectKey
    path: Path
    feature: Feature
    value: str = ""

    def _words(self) -> str:
        feature = _FEATURE_TEXTS[self.feature].format(value=self.value)
        return f"{dotted(self.path)}: {self.item} {feature}, which {_not_allowed(self.tenant)}"


class TokenDenied(Reason, frozen=True):
    """The object is for a token of a service account that the tenant may not use; `account` empty: of any."""

    code = DENIED
    waiting_helps = False
    tenant: str
    item: ObjectKey
    path: Path
    account: str

    def _words(self) -> str:
        whose = (
            f"service account {self.account}" if self.account else "any service account"
        )
        return f"{dotted(self.path)}: {self.item} is for a token of {whose}, which {_not_allowed(self.tenant)}"


class AdminAccessDenied(Reason, frozen=True):
    """The object asks for admin access to devices, which no tenant may have."""

    code = DENIED
    waiting_helps = False
    item: ObjectKey
    path: Path

    def _words(self) -> str:
        return f"{dotted(self.path)}: {self.item} asks for admin access to devices, which no tenant may have"


class IngressDenied(Reason, frozen=True):
    """KubeRay would make an Ingress for the object, and the tenant may not have that kind."""

    code = DENIED
    waiting_helps = False
    tenant: str
    item: ObjectKey
    path: Path

    def _words(self) -> str:
        kinds = f"a kind that is not among those that tenant {self.tenant} may have"
        return f"{dotted(self.path)}: {self.item} has KubeRay make an Ingress, {kinds}"


class UnreadableFields(Reason, frozen=True):
    """A field that the rules look at cannot be read; `problem` says why."""

    code = DENIED
    waiting_helps = False
    problem: str

    def _words(self) -> str:
        return f"what it may do cannot be read: {self.problem}"


def _not_allowed(tenant: str) -> str:
    return f"tenant {tenant} does not allow"
