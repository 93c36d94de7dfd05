"""What in a pod's spec reaches beyond the pod."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.manifests.fields import InvalidField, dotted
from reconciler.manifests.loader import load
from reconciler.manifests.podfeatures import Feature, features


def found(spec: str) -> list[tuple[str, str, str]]:
    body: dict[str, Any] = load(spec.encode(), "pod.yaml").documents[0].body
    return [(use.feature, dotted(use.path), use.value) for use in features({"spec": body})]


def test_an_ordinary_pod_uses_nothing() -> None:
    assert (
        found("""
serviceAccountName: default
priorityClassName: high
hostNetwork: false
securityContext:
  {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}, sysctls: [{name: net.ipv4.tcp_syncookies, value: "1"}]}
volumes: [{name: tmp, emptyDir: {medium: Memory}}]
containers:
  - name: ray
    ports: [{containerPort: 8265}]
    securityContext:
      {privileged: false, capabilities: {drop: [ALL]}, procMount: Default, seLinuxOptions: {type: container_t}}
    readinessProbe: {httpGet: {port: 8265, path: /api/version}}
    lifecycle: {preStop: {exec: {command: [ray, stop]}}}
""")
        == []
    )


@pytest.mark.parametrize(
    ("spec", "use"),
    [
        ("hostNetwork: true", (Feature.HOST_NETWORK, "spec.hostNetwork", "")),
        ("hostPID: true", (Feature.HOST_PID, "spec.hostPID", "")),
        ("hostIPC: true", (Feature.HOST_IPC, "spec.hostIPC", "")),
        (
            "volumes: [{name: a, emptyDir: {}}, {name: b, hostPath: {path: /var/run}}]",
            (Feature.HOST_PATH, "spec.volumes[1].hostPath", "/var/run"),
        ),
        ("serviceAccountName: admin", (Feature.SERVICE_ACCOUNT, "spec.serviceAccountName", "admin")),
        ("serviceAccount: admin", (Feature.SERVICE_ACCOUNT, "spec.serviceAccount", "admin")),
        (
            "priorityClassName: system-node-critical",
            (Feature.SYSTEM_PRIORITY, "spec.priorityClassName", "system-node-critical"),
        ),
        (
            "securityContext: {seccompProfile: {type: Unconfined}}",
            (Feature.UNCONFINED, "spec.securityContext.seccompProfile", ""),
        ),
        (
            "securityContext: {windowsOptions: {hostProcess: true}}",
            (Feature.PRIVILEGED, "spec.securityContext.windowsOptions.hostProcess", ""),
        ),
        (
            "securityContext: {seLinuxOptions: {type: spc_t}}",
            (Feature.UNCONFINED, "spec.securityContext.seLinuxOptions", ""),
        ),
        (
            "securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies}, {name: kernel.msgmax}]}",
            (Feature.SYSCTLS, "spec.securityContext.sysctls[1].name", "kernel.msgmax"),
        ),
    ],
)
def test_each_way_out_of_a_pod_is_found_with_its_place(spec: str, use: tuple[str, str, str]) -> None:
    assert found(spec) == [use]


@pytest.mark.parametrize("group", ["containers", "initContainers", "ephemeralContainers"])
@pytest.mark.parametrize(
    ("field", "feature", "at", "value"),
    [
        ("securityContext: {privileged: true}", Feature.PRIVILEGED, "securityContext.privileged", ""),
        (
            "securityContext: {capabilities: {add: [cap_sys_ptrace]}}",
            Feature.CAPABILITY,
            "securityContext.capabilities.add[0]",
            "SYS_PTRACE",
        ),
        ("securityContext: {procMount: Unmasked}", Feature.UNMASKED_PROC, "securityContext.procMount", ""),
        (
            "securityContext: {appArmorProfile: {type: Unconfined}}",
            Feature.UNCONFINED,
            "securityContext.appArmorProfile",
            "",
        ),
        ("ports: [{containerPort: 80, hostPort: 80}]", Feature.HOST_PORTS, "ports[0].hostPort", "80"),
        ("securityContext: {seLinuxOptions: {user: root}}", Feature.UNCONFINED, "securityContext.seLinuxOptions", ""),
        ("securityContext: {seLinuxOptions: {role: r}}", Feature.UNCONFINED, "securityContext.seLinuxOptions", ""),
        *(
            (f"{probe}: {{{how}: {{host: node, port: 80}}}}", Feature.HOST_PROBES, f"{probe}.{how}.host", "node")
            for probe in ("livenessProbe", "readinessProbe", "startupProbe")
            for how in ("httpGet", "tcpSocket")
        ),
        *(
            (
                f"lifecycle: {{{hook}: {{httpGet: {{host: localhost, port: 80}}}}}}",
                Feature.HOST_PROBES,
                f"lifecycle.{hook}.httpGet.host",
                "localhost",
            )
            for hook in ("postStart", "preStop")
        ),
    ],
)
def test_every_kind_of_container_is_looked_at(group: str, field: str, feature: Feature, at: str, value: str) -> None:
    spec = f"{group}: [{{name: fine}}, {{name: bad, {field}}}]"
    assert found(spec) == [(feature, f"spec.{group}[1].{at}", value)]


@pytest.mark.parametrize(
    ("profile", "leaves"), [("unconfined", True), ("runtime/default", False), ("localhost/mine", False), ("", False)]
)
def test_an_annotation_can_switch_app_armor_off(profile: str, leaves: bool) -> None:
    key = "container.apparmor.security.beta.kubernetes.io/ray"
    pod = {"metadata": {"annotations": {"note": "x", key: profile}}, "spec": {"containers": [{"name": "ray"}]}}
    found = [(use.feature, use.path) for use in features(pod, ("spec", "template"))]
    assert found == ([(Feature.UNCONFINED, ("spec", "template", "metadata", "annotations", key))] if leaves else [])


@pytest.mark.parametrize("spec", ['hostPID: "true"', "containers: [{securityContext: {privileged: 1}}]"])
def test_a_flag_of_the_wrong_type_is_never_taken_for_false(spec: str) -> None:
    with pytest.raises(InvalidField, match="write true or false"):
        found(spec)
