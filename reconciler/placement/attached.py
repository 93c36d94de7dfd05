"""Jobs that run on a RayCluster which is there already (`clusterSelector`): they go where it is, after it.

The one idea: such a job is nothing without its RayCluster, so the cluster of the fleet on which that one stands, or was
just placed, is the only one that is eligible. What SkyRay placed counts first; a RayCluster that is not in Git is
looked for in the snapshot.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from reconciler.fleet.snapshot import ClusterSnapshot, FleetSnapshot
from reconciler.manifests import fields
from reconciler.placement.choice import Allowed
from reconciler.placement.model import Action, Candidate, Decision, Phase, Verdict
from reconciler.placement.outcome import Outcome, Part, Standing, rejection
from reconciler.placement.spread import Sites
from reconciler.policy.eligibility import Eligibility, Refusal, Tier
from reconciler.policy.model import Require
from reconciler.ray import rayspec
from reconciler.ray.job_rules import CLUSTER_SELECTOR_KEY
from reconciler.workloads.files import Workloads
from reconciler.workloads.group import Group, GroupKey, WorkloadObject

NOT_PLACED = "RayClusterNotPlaced"
NOWHERE = "NoSuchRayCluster"
ELSEWHERE = "RayClusterElsewhere"

_Name = tuple[str, str]
"""Namespace and name of a RayCluster."""


def selected(item: WorkloadObject) -> str:
    """Return the RayCluster that a RayJob or RayCronJob runs on; empty when it makes its own, or is no such job."""
    if item.problem or not rayspec.is_ray(item.body):
        return ""
    job = rayspec.job_spec(item.body)
    return "" if job is None else fields.text_map(job[1], "clusterSelector", job[0]).get(CLUSTER_SELECTOR_KEY, "")


def lost_warnings(outcomes: Iterable[Outcome], snapshot: FleetSnapshot) -> tuple[str, ...]:
    """Return a warning for each placed job that has not ended and whose RayCluster is gone from its cluster."""
    outcomes = tuple(outcomes)
    placed = [
        (outcome, outcome.on(share.name)) for outcome in outcomes if outcome.record for share in outcome.record.clusters
    ]
    jobs = [
        (outcome, part, item, (item.key.namespace, selected(item)))
        for outcome, part in placed
        if part.job_outcome is None and outcome.record and outcome.record.job_outcome is None
        for item in part.admitted
        if item.runs_once and selected(item)
    ]
    if not jobs:
        return ()
    there = {
        (part.cluster, _name(item))
        for _, part in placed
        for item in part.admitted
        if item.key.kind == rayspec.RAY_CLUSTER
    }
    found = []
    for _, part, item, name in jobs:
        picture = snapshot.clusters.get(part.cluster)
        known = isinstance(picture, ClusterSnapshot) and not _has(picture, name)
        if known and (part.cluster, name) not in there:
            found.append(
                f"{item.place}: {item.key} is on {part.cluster}, and RayCluster {name[1]}, which it runs on, is gone "
                "from there: bring that back, or remove the job"
            )
    return tuple(found)


class Attachments:
    """Which groups run on which RayClusters, and where these are while a plan is made."""

    def __init__(
        self, groups: Iterable[Group], workloads: Workloads, standing: Iterable[Standing], snapshot: FleetSnapshot
    ) -> None:
        """`standing` are the groups that have a place and stay."""
        self._holders: dict[_Name, GroupKey] = {}
        self._jobs: dict[GroupKey, list[tuple[WorkloadObject, _Name]]] = {}
        for group in groups:
            own = {_name(item) for item in group.members if item.key.kind == rayspec.RAY_CLUSTER}
            self._holders.update(dict.fromkeys(own, group.key))
            named = ((item, (item.key.namespace, selected(item))) for item in group.members)
            jobs = [(item, name) for item, name in named if name[1] and name not in own]
            if jobs:
                self._jobs[group.key] = jobs
        self._wanted = {name for jobs in self._jobs.values() for _, name in jobs}
        self._workloads = workloads
        self._snapshot = snapshot
        self._stands: dict[_Name, dict[GroupKey, tuple[str, ...]]] = defaultdict(dict)
        for one in standing:
            self._note(one.record.group, one.parts)

    def note(self, outcome: Outcome) -> None:
        """Take in where a group stands from now on."""
        shares = outcome.record.clusters if outcome.record else ()
        self._note(outcome.decision.group, [outcome.on(share.name) for share in shares])

    def in_order(self, groups: Sequence[Group]) -> list[Group]:
        """Return `groups` in their order, but each right after the last of those that have its RayClusters."""
        if not self._jobs:
            return list(groups)
        left = {group.key for group in groups}
        behind: dict[GroupKey, list[Group]] = defaultdict(list)
        ordered: list[Group] = []
        for group in groups:
            ready = [group]
            while ready:
                one = ready.pop(0)
                holders = (self._holders.get(name) for _, name in self._jobs.get(one.key, ()))
                first = next((key for key in holders if key in left), None)
                if first is not None:
                    behind[first].append(one)
                    continue
                left.discard(one.key)
                ordered.append(one)
                ready = behind.pop(one.key, []) + ready
        # Groups that wait for one another in a circle.
        return ordered + [group for waiting in behind.values() for group in waiting]

    def beside(self, group: Group, sites: Sites) -> Sites:
        """Return `sites` as they are open to `group`: only where its RayClusters are."""
        for _, name in self._jobs.get(group.key, ()):
            sites = replace(sites, allowed=_Beside(sites.allowed, name[1], self._where(name)))
        return sites

    def unmet(self, group: Group) -> Decision | None:
        """Return the decision on a group of which a RayCluster has no place; None when all have."""
        for item, name in self._jobs.get(group.key, ()):
            if not self._where(name):
                why = self._not_yet(name)
                if why:
                    message = f"RayCluster {name[1]}, which {item.key.kind} {item.key.name} runs on, {why}"
                    return Decision(
                        group.key, Action.WAIT, Phase.PENDING, group.policy.name, (), NOT_PLACED, message, ()
                    )
                problem = (
                    f"{item.place}: {item.key} selects RayCluster {name[1]}, which is neither in "
                    f"workloads/{name[0]}/ nor on any cluster: add it, or correct spec.clusterSelector"
                )
                return rejection(replace(group, problem=problem, refused_as=NOWHERE))
        return None

    def _note(self, group: GroupKey, parts: Iterable[Part]) -> None:
        for places in self._stands.values():
            places.pop(group, None)
        for part in parts:
            for item in part.admitted:
                name = _name(item)
                if item.key.kind == rayspec.RAY_CLUSTER and name in self._wanted:
                    places = self._stands[name]
                    places[group] = (*places.get(group, ()), part.cluster)

    def _where(self, name: _Name) -> tuple[str, ...]:
        """Return the clusters on which a RayCluster is: as it was placed, else as it is seen."""
        placed = {cluster for clusters in self._stands.get(name, {}).values() for cluster in clusters}
        if placed or name in self._holders:
            return tuple(sorted(placed))
        pictures = self._snapshot.clusters.items()
        return tuple(
            sorted(c for c, picture in pictures if isinstance(picture, ClusterSnapshot) and _has(picture, name))
        )

    def _not_yet(self, name: _Name) -> str:
        """Say why a RayCluster may come to have a place; empty when it is known to be nowhere."""
        if name in self._holders:
            return f"is in group {self._holders[name]}, which has no place yet"
        if any(_name(item) == name and item.key.kind == rayspec.RAY_CLUSTER for item in self._workloads.objects):
            return "is not placed, since no policy matches it"
        for file in self._workloads.broken:
            if file.namespace == name[0]:
                return f"may be in {file.path}, which cannot be read: repair that file"
        dark = sorted(c for c, p in self._snapshot.clusters.items() if not isinstance(p, ClusterSnapshot))
        if dark:
            names = ", ".join(dark[:3]) + (f" or {len(dark) - 3} more" if len(dark) > 3 else "")
            return f"is not in Git, and may be on {names}, which cannot be read now"
        return ""


class _Beside(Allowed):
    """Leaves of `allowed` the clusters on which a RayCluster is."""

    def __init__(self, allowed: Allowed, ray_cluster: str, clusters: Collection[str]) -> None:
        super().__init__(())
        self._allowed = allowed
        self._clusters = frozenset(clusters)
        self._message = f"RayCluster {ray_cluster}, which it runs on, is on {', '.join(sorted(clusters)) or 'none'}"

    def to(self, group: Group) -> tuple[Eligibility, tuple[Candidate, ...]]:
        """Return the clusters that `group` may go to, and all others as candidates with the reason why not."""
        leaves, refused = self._allowed.to(group)
        tiers = [Tier(t.rank, tuple(c for c in t.clusters if c in self._clusters)) for t in leaves.tiers]
        others = [cluster for cluster in leaves.clusters if cluster not in self._clusters]
        left = tuple(tier for tier in tiers if tier.clusters)
        only = sum(len(tier.clusters) for tier in left) == 1
        require = group.policy.require or (Require.ANY if only else leaves.require)
        away = tuple(Refusal(cluster, ELSEWHERE, self._message, stays=True) for cluster in others)
        shown = tuple(Candidate(cluster, Verdict.NOT_ELIGIBLE, ELSEWHERE, self._message) for cluster in others)
        return Eligibility(left, leaves.refused + away, require), shown + refused


def _name(item: WorkloadObject) -> _Name:
    return (item.key.namespace, item.key.name)


def _has(picture: ClusterSnapshot, name: _Name) -> bool:
    """Tell whether a RayCluster is on a cluster: KubeRay's status of it, or its head, shows it."""
    if any(one.kind == rayspec.RAY_CLUSTER and (one.namespace, one.name) == name for one in picture.ray):
        return True
    return any(pod.node_type == "head" and (pod.namespace, pod.owner) == name for pod in picture.pods)
