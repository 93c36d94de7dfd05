"""What in a pod's spec reaches beyond the pod: the node's files and network, privileges, an identity.

The one idea: this module only finds and names them, each with its path; who may use which is `policy.tenant`. The list
is that of the Baseline level of the Pod Security Standards, as far as an operator can give it to one team and not to
another, plus service accounts and Kubernetes' own priority classes, which Baseline leaves to RBAC and quotas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.fields import Path

SYSTEM_PRIORITY = "system-"
"""How the names of the priority classes begin that Kubernetes keeps for itself."""

_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


class Feature(StrEnum):
    """A way out of the pod, or up. The value is the word that a Tenant allows it by."""

    HOST_PATH = "HostPath"
    HOST_NETWORK = "HostNetwork"
    HOST_PID = "HostPID"
    HOST_IPC = "HostIPC"
    HOST_PORTS = "HostPorts"
    PRIVILEGED = "Privileged"
    UNMASKED_PROC = "UnmaskedProc"
    UNCONFINED = "Unconfined"
    SYSTEM_PRIORITY = "SystemPriority"
    CAPABILITY = "Capability"
    SERVICE_ACCOUNT = "ServiceAccount"


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a feature. `value` is the path, port, capability or account that is meant; empty where there is none.

    A capability is written without `CAP_`, in capital letters.
    """

    feature: Feature
    path: Path
    value: str = ""


def features(spec: Mapping[str, Any], at: Path = ("spec",)) -> Iterator[Use]:
    """Yield what the pod's `spec` uses, in the order of its fields. Raises `InvalidField`."""
    for field, feature in (
        ("hostNetwork", Feature.HOST_NETWORK),
        ("hostPID", Feature.HOST_PID),
        ("hostIPC", Feature.HOST_IPC),
    ):
        if fields.flag(spec, field, at):
            yield Use(feature, (*at, field))
    for field in ("serviceAccountName", "serviceAccount"):
        account = fields.text(spec, field, at)
        if account not in {"", "default"}:
            yield Use(Feature.SERVICE_ACCOUNT, (*at, field), account)
    priority = fields.text(spec, "priorityClassName", at)
    if priority.startswith(SYSTEM_PRIORITY):
        yield Use(Feature.SYSTEM_PRIORITY, (*at, "priorityClassName"), priority)
    yield from _context(spec, at)
    for path, volume in fields.maps(spec, "volumes", at):
        if volume.get("hostPath") is not None:
            here = (*path, "hostPath")
            yield Use(Feature.HOST_PATH, here, fields.text(fields.mapping(volume, "hostPath", path), "path", here))
    for group in _CONTAINERS:
        for path, container in fields.maps(spec, group, at):
            yield from container_features(container, path)


def container_features(container: Mapping[str, Any], at: Path) -> Iterator[Use]:
    """Yield what one container uses, or what is written like one (KubeRay's autoscaler options). See `features`."""
    yield from _context(container, at)
    for path, port in fields.maps(container, "ports", at):
        number = fields.count(port, "hostPort", path, 0)
        if number:
            yield Use(Feature.HOST_PORTS, (*path, "hostPort"), str(number))


def _context(parent: Mapping[str, Any], at: Path) -> Iterator[Use]:
    """Yield what a security context, of a pod or of a container, asks for."""
    context = fields.mapping(parent, "securityContext", at)
    if not context:
        return
    here = (*at, "securityContext")
    if fields.flag(context, "privileged", here):
        yield Use(Feature.PRIVILEGED, (*here, "privileged"))
    if fields.flag(fields.mapping(context, "windowsOptions", here), "hostProcess", (*here, "windowsOptions")):
        yield Use(Feature.PRIVILEGED, (*here, "windowsOptions", "hostProcess"))
    if fields.text(context, "procMount", here) not in {"", "Default"}:
        yield Use(Feature.UNMASKED_PROC, (*here, "procMount"))
    for profile in ("seccompProfile", "appArmorProfile"):
        if fields.text(fields.mapping(context, profile, here), "type", (*here, profile)) == "Unconfined":
            yield Use(Feature.UNCONFINED, (*here, profile))
    added = (*here, "capabilities")
    for index, name in enumerate(fields.texts(fields.mapping(context, "capabilities", here), "add", added)):
        yield Use(Feature.CAPABILITY, (*added, "add", index), name.upper().removeprefix("CAP_"))
