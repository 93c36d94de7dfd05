"""What in a pod template reaches beyond the pod: the node's files and network, privileges, an identity.

This module finds them, each with its path; `policy.tenant` decides who may use which. The list is that of the Baseline
level of the Pod Security Standards (as of Kubernetes 1.34), plus service accounts and Kubernetes' own priority classes,
which Baseline leaves to RBAC and quotas. Every added capability is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.fields import Path

SYSTEM_PRIORITY = "system-"
"""The prefix of the priority classes that Kubernetes reserves."""

_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SELINUX_TYPES = {
    "",
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
}
_SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
}
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


class Feature(StrEnum):
    """A privilege, or access beyond the pod. The value is the word by which a Tenant allows it."""

    HOST_PATH = "HostPath"
    HOST_NETWORK = "HostNetwork"
    HOST_PID = "HostPID"
    HOST_IPC = "HostIPC"
    HOST_PORTS = "HostPorts"
    HOST_PROBES = "HostProbes"
    PRIVILEGED = "Privileged"
    UNMASKED_PROC = "UnmaskedProc"
    UNCONFINED = "Unconfined"
    SYSCTLS = "Sysctls"
    SYSTEM_PRIORITY = "SystemPriority"
    CAPABILITY = "Capability"
    SERVICE_ACCOUNT = "ServiceAccount"


@dataclass(frozen=True, slots=True)
class Use:
    """A use of a feature. `value`: the path, port, host, sysctl, capability or account that is used; else empty.

    A capability is written without `CAP_`, in capital letters.
    """

    feature: Feature
    path: Path
    value: str = ""


def features(template: Mapping[str, Any], at: Path = ()) -> Iterator[Use]:
    """Yield what a pod, or the template of one, uses, in the order of its fields. Raises `InvalidField`."""
    here = (*at, "metadata", "annotations")
    annotations = fields.mapping(
        fields.mapping(template, "metadata", at), "annotations", here[:-1]
    )
    for key in annotations:
        profile = (
            fields.text(annotations, key, here) if key.startswith(_APP_ARMOR) else ""
        )
        if profile not in {"", "runtime/default"} and not profile.startswith(
            "localhost/"
        ):
            yield Use(Feature.UNCONFINED, (*here, key))
    yield from _spec(fields.mapping(template, "spec", at), (*at, "spec"))


def _spec(spec: Mapping[str, Any], at: Path) -> Iterator[Use]:
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
            yield Use(
                Feature.HOST_PATH,
                here,
                fields.text(fields.mapping(volume, "hostPath", path), "path", here),
            )
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
    lifecycle = _part((at, container), "lifecycle")
    handlers = [
        _part((at, container), probe)
        for probe in ("livenessProbe", "readinessProbe", "startupProbe")
    ]
    handlers += [_part(lifecycle, hook) for hook in ("postStart", "preStop")]
    for handler in handlers:
        for path, action in (_part(handler, "httpGet"), _part(handler, "tcpSocket")):
            host = fields.text(action, "host", path)
            # The kubelet calls this host from the node's network.
            if host:
                yield Use(Feature.HOST_PROBES, (*path, "host"), host)


def _part(
    parent: tuple[Path, Mapping[str, Any]], key: str
) -> tuple[Path, Mapping[str, Any]]:
    at, parts = parent
    return (*at, key), fields.mapping(parts, key, at)


def _context(parent: Mapping[str, Any], at: Path) -> Iterator[Use]:
    """Yield what a security context, of a pod or of a container, asks for."""
    context = fields.mapping(parent, "securityContext", at)
    if not context:
        return
    here = (*at, "securityContext")
    yield from _privileges(context, here)
    yield from _confinement(context, here)
    for path, sysctl in fields.maps(context, "sysctls", here):
        name = fields.text(sysctl, "name", path)
        if name not in _SAFE_SYSCTLS:
            yield Use(Feature.SYSCTLS, (*path, "name"), name)
    capabilities, parts = _part((here, context), "capabilities")
    for index, name in enumerate(fields.texts(parts, "add", capabilities)):
        yield Use(
            Feature.CAPABILITY,
            (*capabilities, "add", index),
            name.upper().removeprefix("CAP_"),
        )


def _privileges(context: Mapping[str, Any], at: Path) -> Iterator[Use]:
    if fields.flag(context, "privileged", at):
        yield Use(Feature.PRIVILEGED, (*at, "privileged"))
    windows, options = _part((at, context), "windowsOptions")
    # A host process container of Windows has all rights on the node.
    if fields.flag(options, "hostProcess", windows):
        yield Use(Feature.PRIVILEGED, (*windows, "hostProcess"))
    if fields.text(context, "procMount", at) not in {"", "Default"}:
        yield Use(Feature.UNMASKED_PROC, (*at, "procMount"))


def _confinement(context: Mapping[str, Any], at: Path) -> Iterator[Use]:
    """Yield what switches off or changes seccomp, AppArmor and SELinux."""
    for profile in ("seccompProfile", "appArmorProfile"):
        path, parts = _part((at, context), profile)
        if fields.text(parts, "type", path) == "Unconfined":
            yield Use(Feature.UNCONFINED, path)
    path, selinux = _part((at, context), "seLinuxOptions")
    user_or_role = [fields.text(selinux, field, path) for field in ("user", "role")]
    # Baseline allows a few types, and no other user or role than that of the runtime.
    if any(user_or_role) or fields.text(selinux, "type", path) not in _SELINUX_TYPES:
        yield Use(Feature.UNCONFINED, path)
