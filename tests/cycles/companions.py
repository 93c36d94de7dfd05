"""Secrets, what makes them, ServiceAccounts, jobs that refer to them, and what followed a job to its cluster."""

from __future__ import annotations

from tests.fleets import Fleet, ray_job, text

JOB = "clusters/static/team1/rayjob-train/"


def job_with(pod: str, name: str = "train", labels: str = "{}") -> bytes:
    """A RayJob whose head has `pod` in its spec, as YAML flow."""
    head = b'image: r, resources: {requests: {cpu: "1"}}}]'
    return ray_job(name, workers=1, labels=labels).replace(head, head + b", " + pod.encode())


def from_secret(name: str, more: str = "") -> str:
    return f"volumes: [{{name: s, secret: {{secretName: {name}{more}}}}}]"


def secret(name: str, body: str = "stringData: {token: t}") -> bytes:
    return text(f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\n{body}")


def external_secret(name: str, spec: str) -> bytes:
    return text(f"apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {{name: {name}}}\nspec: {spec}")


def sealed_secret(name: str, spec: str = "{encryptedData: {token: AgBy}}") -> bytes:
    return text(f"apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {{name: {name}}}\nspec: {spec}")


def account(name: str, body: str = "") -> bytes:
    return text(f"apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}}}\n{body}")


def companions(fleet: Fleet, folder: str = JOB) -> list[str]:
    files = sorted(p.removeprefix(folder) for p in fleet.files if p.startswith(folder))
    return [name for name in files if name != "kustomization.yaml" and not name.startswith("rayjob-")]
