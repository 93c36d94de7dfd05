"""Lets users add, edit and remove workloads on random fleets, minute by minute, for properties of whole plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from tests.cycles.queues import MINUTE
from tests.cycles.spreads import DUPLICATE, deployment
from tests.fleets import NOW, Fleet, fleet_file, node, ordered, own_policy, plain_clusters, ray_job
from tests.tenants import quota, tenant

SPREADS = {"dup": DUPLICATE, "div": "spreadConstraints: {spreadMode: Divide}"}
NAMESPACES = ("one", "two", "vip", "any", *SPREADS)


def random_fleet(dice: Random, *, quotas: bool) -> Fleet:
    """A few small clusters of different nodes, and a namespace for each way to place."""
    clusters = {}
    for name in ("c0", "c1", "c2")[: dice.randint(1, 3)]:
        count = dice.randint(1, 4)
        clusters[name] = tuple(node(f"n{j}", dice.choice([1, 2, 4]), cpu=dice.choice(["4", "8"])) for j in range(count))
    fleet = Fleet.of(plain_clusters(**clusters), {})
    for name in ("one", "two", "vip", "any"):
        some = ordered(*dice.sample(list(clusters), dice.randint(1, len(clusters))))
        more = "priority: 1\n" if name == "vip" else ""
        require = "Any" if name == "any" else "Fit"
        fleet.files[f"policies/{name}.yaml"] = own_policy(name, f"{more}{some}\nplacement: {{require: {require}}}")
    for name, spread in SPREADS.items():
        fleet.files[f"policies/{name}.yaml"] = own_policy(name, f"placement: {{require: Fit}}\n{spread}")
    if quotas:
        borrowing = "borrowing: {from: [t2]}" if dice.randint(0, 1) else ""
        fleet.files["policies/t1.yaml"] = tenant(
            "t1", f"namespaces: [one, div], {quota(dice.randint(2, 6), borrowing)}"
        )
        fleet.files["policies/t2.yaml"] = tenant("t2", f"namespaces: [two, dup], {quota(dice.randint(2, 6))}")
    fleet.files["fleet.yaml"] = fleet_file("tenancy: Optional, fairness: {holdAfter: 2m, holdFor: 6m}")
    return fleet


@dataclass
class Life:
    """A random fleet with what its users do to it, as dice fall."""

    dice: Random
    fleet: Fleet
    jobs: list[str] = field(default_factory=list)
    apps: list[str] = field(default_factory=list)

    def minutes(self, count: int) -> Iterator[float]:
        """Yield the time of each minute, after what users did in it and before any plan; in unix seconds."""
        for minute in range(count):
            for _ in range(self.dice.randint(0, 2)):
                self._add()
            if self.apps and self.dice.randint(0, 1):
                self._edit(self.dice.choice(self.apps))
            if self.jobs and self.dice.randint(0, 1):
                self.fleet.commit(self.jobs.pop(self.dice.randrange(len(self.jobs))), None)
            yield NOW + minute * MINUTE

    def _add(self) -> None:
        namespace, name = self.dice.choice(NAMESPACES), f"w{self.fleet.revision}"
        path = f"workloads/{namespace}/{name}.yaml"
        if self.dice.randint(0, 2) == 0:
            self.apps.append(path)
            self._edit(path)
            return
        self.jobs.append(path)
        workers, gpus = self.dice.choice([1, 1, 1, 2, 3, 4, 5]), self.dice.choice([1, 1, 2])
        self.fleet.commit(path, ray_job(name, workers=workers, gpus=gpus, cpu=self.dice.choice(["1", "2", "3"])))

    def _edit(self, path: str) -> None:
        name = path.rsplit("/", 1)[1].removesuffix(".yaml")
        replicas, cpu = self.dice.randint(1, 6), self.dice.choice(["1", "2", "3"])
        self.fleet.commit(path, deployment(name, replicas, cpu))


def random_life(seed: int, *, quotas: bool) -> Life:
    """Return the life of this seed: the same seed is the same life."""
    dice = Random(seed)
    return Life(dice, random_fleet(dice, quotas=quotas))
