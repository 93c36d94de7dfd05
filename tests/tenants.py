"""Tenants as files of a fleet repo, and the quotas in them."""

from __future__ import annotations

from tests.fleets import text

GPU = "nvidia.com/gpu"


def tenant(name: str, spec: str) -> bytes:
    """A Tenant; `spec` is the inside of a YAML flow map."""
    return text(f"apiVersion: skyray.dev/v1alpha1\nkind: Tenant\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n")


def quota(gpus: int, more: str = "") -> str:
    """A quota of so many GPUs for a tenant's spec, and what follows it there."""
    return f"quota: {{requests: {{{GPU}: {gpus}}}}}" + (f", {more}" if more else "")
