"""Short ways to write policies and clusters in tests."""

from __future__ import annotations

from pathlib import Path

from reconciler.manifests.loader import load
from reconciler.manifests.podshape import Taint
from reconciler.policy.dialects import read_policies
from reconciler.policy.eligibility import ClusterFacts
from reconciler.policy.model import NAME_LABEL, SchedulePolicy

READY_MADE = Path(__file__).parents[3] / "policies"


def policies_in(text: str, file: str = "policies/test.yaml") -> tuple[SchedulePolicy, ...]:
    return read_policies(load(text.encode(), file).documents)


def spec(fields: str, name: str = "p", api_version: str = "skyray.dev/v1alpha1") -> str:
    """Write a policy that selects everything, plus `fields`, the indented lines of its spec."""
    head = f"apiVersion: {api_version}\nkind: SchedulePolicy\nmetadata: {{name: {name}}}\nspec:\n"
    body = "" if "namespaceSelector" in fields else "  namespaceSelector: {}\n"
    body += "" if "resourceSelectors" in fields else "  resourceSelectors: {}\n"
    return head + body + fields


def policy(fields: str = "", name: str = "p", api_version: str = "skyray.dev/v1alpha1") -> SchedulePolicy:
    return policies_in(spec(fields, name, api_version))[0]


def ready_made(file: str) -> tuple[SchedulePolicy, ...]:
    path = READY_MADE / f"{file}.yaml"
    return policies_in(path.read_text(), f"policies/{path.name}")


def cluster(name: str, *taints: Taint, cordoned: bool = False, **labels: str) -> ClusterFacts:
    """Make a cluster; `cluster__class="x"` is the label `cluster.class`."""
    plain = {key.replace("__", "."): value for key, value in labels.items()}
    return ClusterFacts(name, {NAME_LABEL: name, **plain}, taints, cordoned)
