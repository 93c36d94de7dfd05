"""The policies that come with SkyRay, a file for each scenario: what they are for, and adding them to a fleet repo.

The comment at the head of each file is its description, so that the file, `skyray policy list` and the repo that the
file was added to have the same text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import UsageError
from reconciler.manifests.loader import load
from reconciler.manifests.selector import LabelSelector
from reconciler.planning.state import POLICIES, RepoState
from reconciler.policy.dialects import read_policies
from reconciler.policy.eligibility import ClusterFacts, eligible
from reconciler.policy.model import SchedulePolicy
from reconciler.service.scaffold import data_folder


@dataclass(frozen=True, slots=True)
class ReadyMade:
    """One file: `title` is the first sentence of its description, `use` says when to use it."""

    name: str
    title: str
    use: str
    data: bytes
    policies: tuple[SchedulePolicy, ...]

    @property
    def path(self) -> str:
        """Return where it goes in a fleet repo."""
        return f"{POLICIES}/{self.name}.yaml"


def ready_made() -> tuple[ReadyMade, ...]:
    """Return all ready-made policies, by name."""
    paths = data_folder(POLICIES).glob("*.yaml")
    return tuple(map(_read, sorted(paths)))


def find(name: str) -> ReadyMade:
    """Return the ready-made policy called `name`. Raises `UsageError` with the nearest name."""
    known = {policy.name: policy for policy in ready_made()}
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UsageError(
            f"there is no ready-made policy {name!r}: {hint}`skyray policy list` lists them"
        )
    return known[name]


def _read(path: Path) -> ReadyMade:
    data = path.read_bytes()
    # The comment at the head: what stands before the first field.
    head, _, _ = data.decode().partition("apiVersion")
    lines = [line.removeprefix("#").strip() for line in head.splitlines()]
    description = " ".join(lines).strip()
    title, _, use = description.partition(". ")
    documents = load(data, f"{POLICIES}/{path.name}").documents
    policies = read_policies(documents)
    return ReadyMade(path.stem, title.rstrip("."), use, data, policies)


def add(ready: ReadyMade, checkout: Path, state: RepoState) -> None:
    """Write `ready` into a checkout, of which `state` was read.

    Raises `UsageError` where its file, or a policy of its name, exists already.
    """
    target = checkout / ready.path
    # A link to nowhere does not exist, and is in the way all the same.
    if target.exists() or target.is_symlink():
        raise UsageError(
            f"{ready.path} exists already and stays as it is: edit it, or move it away first"
        )
    names = {policy.name for policy in ready.policies}
    for policy in state.policies:
        # A policy that is defined twice would stop the cycle.
        if policy.name in names:
            raise UsageError(
                f"policy {policy.name} is already defined at {policy.place}: edit it there, or rename it first"
            )
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        file.write(ready.data)


def advice(policies: Iterable[SchedulePolicy], state: RepoState) -> tuple[str, ...]:
    """Return what `policies` still lack to have an effect in a repo, a line each."""
    facts = [
        ClusterFacts(one.name, one.labels, one.taints, one.cordoned)
        for one in state.clusters
    ]
    lines = []
    for policy in policies:
        lines.append(f"{policy.name} applies to {applies_to(policy)}")
        for key, values in _wanted(policy):
            known = {fact.labels.get(key) for fact in facts}
            unknown = [value for value in values if value not in known]
            if unknown:
                names = " and ".join(unknown)
                lines.append(
                    f"{policy.name} names clusters with {key} {names}, and inventory/ has none: "
                    "change it, or label your clusters so"
                )
        if not eligible(policy, facts).clusters:
            lines.append(f"{policy.name} has no cluster to go to yet")
    return tuple(lines)


def applies_to(policy: SchedulePolicy) -> str:
    """Return what a policy selects, as a sentence's object."""
    text = ", ".join(kind.kind for kind in policy.kinds) or "all objects"
    labels = " or ".join(map(_words, policy.workload_selectors))
    if labels:
        text += f" with {labels}"
    namespaces = _words(policy.namespace_selector)
    if namespaces:
        text += f" in namespaces with {namespaces}"
    return text


def _words(selector: LabelSelector) -> str:
    return " and ".join(map(str, selector.requirements))


def _wanted(policy: SchedulePolicy) -> list[tuple[str, tuple[str, ...]]]:
    """Return the values of cluster labels that a policy names."""
    wanted = [(label.key, label.values) for label in policy.ordered]
    selector = policy.cluster_selector
    for requirement in selector.requirements if selector else ():
        # Only `In` names values that some cluster should have.
        if requirement.operator == "In":
            wanted.append((requirement.key, tuple(requirement.values)))
    spread = policy.spreading
    if spread and spread.split:
        wanted.append((spread.topology_key, tuple(spread.split)))
    return wanted
