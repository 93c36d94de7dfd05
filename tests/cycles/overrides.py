"""Policies with overrides, in Nova's dialect and in SkyRay's own, on two clusters of different classes."""

from __future__ import annotations

from tests.cycles.spreads import fleet_of
from tests.fleets import Fleet, text

ENV_AND_LABEL = """[
  {fieldPath: "spec.template.spec.containers[0].env[0].value", value: {staticValue: us-east}},
  {fieldPath: "metadata.labels['a.b/c']", value: {staticValue: east}}]"""
IMAGE = '[{fieldPath: "spec.template.spec.containers[0].image", value: {staticValue: us-east}}]'


def nova(
    override: str = IMAGE,
    *,
    named: str = "name: web",
    cluster_selector: str = "{}",
    mode: str = "Duplicate",
    value: str = "east",
) -> bytes:
    """A policy in Nova's dialect that spreads by region; `override` is for Deployment web in the region `value`."""
    return text(f"""
apiVersion: policy.elotl.co/v1alpha1
kind: SchedulePolicy
metadata: {{name: nova}}
spec:
  namespaceSelector: {{}}
  resourceSelectors: {{}}
  clusterSelector: {cluster_selector}
  spreadConstraints:
    spreadMode: {mode}
    topologyKey: region
    overrides:
      - topologyValue: {value}
        resources: [{{kind: Deployment, apiVersion: apps/v1, {named}, override: {override}}}]
""")


def override(patch: str, target: str = "{kind: Deployment}", selector: str = "{matchLabels: {class: gpu}}") -> str:
    """An override in SkyRay's dialect, for a policy's spec; all three are YAML flow."""
    return f"overrides:\n  - clusterSelector: {selector}\n    target: {target}\n    patch: {patch}\n"


def two(spec: str) -> Fleet:
    """Cluster a has class gpu and is in the east, cluster b has class cpu and is in the west."""
    labels = {"a": "{class: gpu, region: east}", "b": "{class: cpu, region: west}"}
    return fleet_of({"a": 2, "b": 2}, spec, labels=labels)
