"""Draws random fleets: small clusters on which groups of many kinds contend, and what users and operators do to them.

A case is drawn from its number alone, so the same number is the same case for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random

from tests.parity.cases import Case, Machines, Seen, Step
from tests.parity.manifests import (
    FEWER_WORKERS,
    GROWS,
    LIVE_POOL,
    WRONG_OVERRIDE,
    Machine,
    Thing,
    addon,
    fleet,
    inventory,
    ordered,
    policy,
    tenant,
)

GENERATIONS = 3

# What a fleet may have; each fleet has some of it.
FEATURES = (
    *("quotas", "borrowing", "denials", "fairness", "companions", "faults", "overrides", "wrong-overrides", "grown"),
    *("unreadable", "endings", "running", "attached", "pins", "cordons", "joins", "leaves", "addons", "edits"),
    *("relabels", "removals", "policies", "machines", "guards", "pairs", "strangers", "prefer", "drift"),
)
_SPREADS = {
    "dup": "spreadConstraints: {spreadMode: Duplicate}",
    "div": "spreadConstraints: {spreadMode: Divide}",
    "zones": "spreadConstraints: {spreadMode: Duplicate, topologyKey: zone}",
    "split": "spreadConstraints: {spreadMode: Divide, percentageSplit: {c0: 60, c1: 40}}",
}
_GROUPED = ("grp", "both")
_NAMESPACES = ("one", "two", "vip", "any", "queue", "old", *_SPREADS, *_GROUPED)
_APPS = ("red", "red", "blue", "blue", "green", "")
_RAY = ("RayJob", "RayCluster", "RayService")
_KINDS = ("RayJob",) * 6 + ("RayCluster", "RayCluster", "RayService", "Deployment", "Deployment", "Job", "ConfigMap")
_GROUPED_KINDS = ("RayCluster", "RayCluster", "Deployment", "RayJob", "RayService")
_FAULTS = ("file", "file", "field", "field", "namespace", "label", "privileged")


def random_case(seed: int, number: int) -> Case:
    """Return the random fleet of this number."""
    dice = Random(f"parity/{seed}/{number}")
    style = _STYLES[number % len(_STYLES)]
    features = {one for one in FEATURES if dice.random() < style.often.get(one, 0.45)}
    return _Draw(dice, features, style).case(f"random-{number:04}")


@dataclass(frozen=True)
class _Style:
    """What a fleet is mostly about, so that what is rare in a mix of everything occurs too.

    `often` are the features that come more or less often than others; empty choices leave the mix as it is.
    """

    often: Mapping[str, float] = field(default_factory=dict)
    clusters: tuple[int, ...] = (1, 2, 2, 3, 3, 4)
    node_gpus: tuple[int, ...] = (0, 1, 1, 2, 2, 4)
    node_cpus: tuple[int, ...] = (4, 6, 8)
    nodes: tuple[int, ...] = (1, 2, 3, 4)
    namespaces: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    workers: tuple[int, ...] = (1, 1, 1, 2, 2, 3, 4, 5)
    gpus: tuple[int, ...] = (0, 1, 1, 1, 2)


_MIXED = _Style({"attached": 0.6})
_QUEUES = _Style(
    {"fairness": 1.0, "quotas": 0.2, "removals": 0.8, "endings": 0.6, "unreadable": 0.1, "attached": 0.05}
    | {"leaves": 0.1, "overrides": 0.1, "wrong-overrides": 0.05, "cordons": 0.1, "grown": 0.1, "pins": 0.1},
    clusters=(1, 1, 2, 2, 3),
    node_gpus=(1,),
    node_cpus=(8,),
    nodes=(3, 4, 5, 6),
    namespaces=("one", "two", "vip", "any", "dup", "div"),
    kinds=("RayJob", "RayJob", "RayJob", "Deployment"),
    workers=(1, 1, 1, 1, 3, 4, 5),
    gpus=(1,),
)
"""Gangs that wait for small jobs, and hold what these leave."""
_REGROUPED = _Style(
    {"relabels": 1.0, "quotas": 0.1, "attached": 0.05, "unreadable": 0.1, "leaves": 0.1, "fairness": 0.2}
    | {"cordons": 0.1, "wrong-overrides": 0.05, "policies": 0.2},
    clusters=(1, 2, 2, 3),
    node_gpus=(1,),
    node_cpus=(6, 8, 12),
    nodes=(1, 2, 2),
    namespaces=("grp", "both"),
    kinds=("RayCluster", "RayCluster", "RayCluster", "RayJob", "Deployment", "Job"),
    workers=(1, 1, 2, 3),
    gpus=(0,),
)
"""Objects that go from one group to another."""
_STYLES = (_MIXED, _QUEUES, _MIXED, _REGROUPED)


@dataclass
class _Cluster:
    """A cluster in the making."""

    machines: Machines
    labels: dict[str, str]
    grows: str = ""
    cordoned: bool = False

    def file(self, name: str) -> bytes:
        labels = ", ".join(f"{key}: '{value}'" for key, value in self.labels.items())
        return inventory(name, f"{{{labels}}}", self.grows + ("\ncordoned: true" if self.cordoned else ""))


class _Draw:
    """One random fleet in the making: what stands in its files, as far as users and operators write them."""

    def __init__(self, dice: Random, features: set[str], style: _Style) -> None:
        self._dice = dice
        self._has = features
        self._style = style
        self._clusters: dict[str, _Cluster] = {}
        self._things: dict[str, Thing] = {}
        self._written: dict[str, bytes] = {}
        self._broken: dict[str, Thing] = {}
        self._ended: dict[str, str] = {}
        self._made = 0
        for name in ("c0", "c1", "c2", "c3")[: dice.choice(style.clusters)]:
            self._clusters[name] = self._cluster()
        known = style.namespaces or _NAMESPACES
        chosen = dice.sample(known, min(dice.randint(2, 5), len(known)))
        if "relabels" in features:
            chosen.append(dice.choice(_GROUPED))
        self._namespaces = sorted(set(chosen))

    def case(self, name: str) -> Case:
        start = {f"inventory/{one}.yaml": cluster.file(one) for one, cluster in self._clusters.items()}
        start |= {f"policies/{one}.yaml": self._policy(one) for one in self._namespaces}
        start |= self._settings()
        steps, minute = [], 0
        for generation in range(GENERATIONS):
            steps.append(self._step(generation, minute))
            minute += self._dice.randint(1, 6)
        return Case(name, start, tuple(steps))

    def _cluster(self) -> _Cluster:
        dice, style = self._dice, self._style
        count = dice.choice(style.nodes)
        nodes = tuple(
            Machine(f"n{i}", dice.choice(style.node_gpus), dice.choice(style.node_cpus)) for i in range(count)
        )
        labels = {"zone": dice.choice(["north", "south"]), "class": dice.choice(["gpu", "cpu"]), "ray": "yes"}
        grows = ""
        pools: tuple[str, ...] = ()
        if "grown" in self._has and dice.random() < 0.4:
            grows = dice.choice([GROWS, "autoscaler: {kind: Karpenter}", "autoscaler: {kind: ClusterAutoscaler}"])
            pools = (LIVE_POOL,) if grows != GROWS and dice.random() < 0.7 else ()
        return _Cluster(Machines(nodes, pools), labels, grows)

    def _settings(self) -> dict[str, bytes]:
        dice, files = self._dice, dict[str, bytes]()
        settings = ["fairness: {holdAfter: 2m, holdFor: 6m}"] if "fairness" in self._has else []
        if "quotas" in self._has:
            if "denials" not in self._has or dice.random() < 0.5:
                settings.append("tenancy: Optional")
            files |= self._tenants()
        if "addons" in self._has:
            only = dice.choice(["", "", "clusterSelector: {matchLabels: {ray: 'yes'}}"])
            files["addons/operator/addon.yaml"] = addon("operator", "[ray.io]", only)
            if dice.random() < 0.3:
                files["addons/tool/addon.yaml"] = addon("tool", "[]", "dependsOn: [operator]")
        return {**files, "fleet.yaml": fleet(", ".join(settings))}

    def _tenants(self) -> dict[str, bytes]:
        """Share all namespaces but one among two tenants."""
        dice = self._dice
        names = dice.sample(self._namespaces, len(self._namespaces))
        if "denials" in self._has and len(names) > 2:
            names.pop()
        half = (len(names) + 1) // 2
        borrowing = dice.choice(["borrowing: {from: [t2]}", "borrowing: {from: any}"])
        first = borrowing if "borrowing" in self._has else ""
        files = {"policies/t1.yaml": tenant("t1", f"[{', '.join(names[:half])}]", dice.randint(2, 7), first)}
        files["policies/t2.yaml"] = tenant("t2", f"[{', '.join(names[half:])}]", dice.randint(2, 7))
        return files

    def _policy(self, name: str) -> bytes:
        dice, clusters = self._dice, sorted(self._clusters)
        lines = ["priority: 1"] if name == "vip" else []
        if name in _SPREADS:
            lines.append(_SPREADS[name])
        elif dice.random() < 0.8:
            lines.append(ordered(dice.sample(clusters, dice.randint(1, len(clusters)))))
        elif dice.random() < 0.5:
            lines.append("clusterSelector: {matchLabels: {class: gpu}}")
        prefer = f", prefer: [{dice.choice(['Available', 'Cost', 'Pack', 'Balance'])}]" if "prefer" in self._has else ""
        if name != "queue":
            lines.append(f"placement: {{require: {'Any' if name == 'any' else 'Fit'}{prefer}}}")
        if name in _GROUPED:
            lines.append("groupBy: {labelKey: app}")
        if name == "both":
            lines.append(dice.choice([_SPREADS["dup"], _SPREADS["dup"], _SPREADS["div"]]))
        if "wrong-overrides" in self._has and dice.random() < 0.15:
            lines.append(WRONG_OVERRIDE.strip())
        elif "overrides" in self._has and dice.random() < 0.6:
            lines.append(FEWER_WORKERS.strip())
        resources = "{labelSelectors: [{matchLabels: {tier: gold}}]}" if name == "old" else "{}"
        return policy(name, "\n".join(lines), resources)

    # Steps

    def _step(self, generation: int, minute: int) -> Step:
        dice = self._dice
        edits: dict[str, bytes | None] = {}
        if generation:
            edits = self._operate()
            self._repair()
        first = dice.randint(5, 9)
        for _ in range(first if not generation else dice.randint(2, 5)):
            self._use(generation)
        guarded = "guards" in self._has and dice.random() < 0.5
        if guarded and generation and dice.random() < 0.4:
            for _ in range(6):
                self._remove()
        unreadable: tuple[str, ...] = ()
        if "unreadable" in self._has and dice.random() < 0.5:
            unreadable = (dice.choice(sorted(self._clusters)),)
        return Step(
            self._commits(),
            edits,
            {name: one.machines for name, one in self._clusters.items()},
            self._seen(generation),
            tuple(dice.choices(sorted(self._clusters), k=1)) if "strangers" in self._has and generation else (),
            unreadable,
            minute,
            guarded,
        )

    def _commits(self) -> tuple[tuple[str, bytes | None], ...]:
        """Return what has changed in the users' files, in an order of its own."""
        files: dict[str, bytes] = {}
        for key, one in self._things.items():
            made = (self._broken.get(key) or one).manifest()
            files[one.path] = files[one.path] + b"---\n" + made if one.path in files else made
        paths = sorted({*files, *self._written})
        changed = [(path, files.get(path)) for path in paths if files.get(path) != self._written.get(path)]
        self._written = files
        self._dice.shuffle(changed)
        return tuple(changed)

    def _use(self, generation: int) -> None:
        """Let a user do something."""
        acts: list[tuple[float, Callable[[], None]]] = [(4, self._add)]
        if generation:
            acts += [(3, self._edit)] * ("edits" in self._has)
            acts += [(4, self._relabel)] * ("relabels" in self._has)
            acts += [(2, self._remove)] * ("removals" in self._has)
            acts += [(2, self._break)] * ("faults" in self._has)
        self._dice.choices([act for _, act in acts], [weight for weight, _ in acts])[0]()

    def _add(self) -> None:
        dice = self._dice
        namespace, name = dice.choice(self._namespaces), f"x{self._made}"
        self._made += 1
        kind = dice.choice(self._style.kinds or (_GROUPED_KINDS if namespace in _GROUPED else _KINDS))
        config, to = "", ""
        if "companions" in self._has and kind in {"RayJob", "RayCluster", "Deployment"} and dice.random() < 0.6:
            config = dice.choice(["code", "code", "data"])
            self._companion(namespace, config)
        if "attached" in self._has and dice.random() < 0.3:
            to = self._ray_cluster(namespace)
            kind = "RayJob" if to else "RayCluster"
        path = f"workloads/{namespace}/{name}.yaml"
        if "pairs" in self._has and dice.random() < 0.3:
            path = f"workloads/{namespace}/pair.yaml"
        pins = [*sorted(self._clusters), "elsewhere"]
        one = Thing(
            kind,
            namespace,
            name,
            path,
            app=dice.choice(_APPS) if namespace in _GROUPED or dice.random() < 0.3 else "",
            tier="gold" if namespace == "old" and dice.random() < 0.9 else "",
            workers=dice.choice(self._style.workers),
            gpus=dice.choice(self._style.gpus),
            cpu=dice.choice(["1", "2", "3"]),
            config=config,
            pin=dice.choice(pins) if "pins" in self._has and dice.random() < 0.2 else "",
            to=to,
            fault=dice.choice(_FAULTS) if "faults" in self._has and dice.random() < 0.08 else "",
        )
        self._things[f"{namespace}/{name}"] = one

    def _companion(self, namespace: str, name: str) -> None:
        key = f"{namespace}/{name}"
        if key not in self._things and self._dice.random() < 0.85:
            own = Thing("ConfigMap", namespace, name, f"workloads/{namespace}/{name}.yaml")
            self._things[key] = replace(own, tier="gold") if self._dice.random() < 0.2 else own

    def _ray_cluster(self, namespace: str) -> str:
        """Return the name of a RayCluster of the namespace, or one that is nowhere; empty to make one first."""
        known = [one.name for one in self._things.values() if (one.kind, one.namespace) == ("RayCluster", namespace)]
        return self._dice.choice([*known, *known, *known, "nowhere"] if known else ["", "", "", "nowhere"])

    def _some(self, *, batch: bool = True) -> str | None:
        keys = [key for key, one in self._things.items() if batch or one.kind not in {"RayJob", "Job"}]
        return self._dice.choice(keys) if keys else None

    def _edit(self) -> None:
        dice, key = self._dice, self._some(batch=self._dice.random() < 0.4)
        if key is not None:
            one = self._things[key]
            self._things[key] = dice.choice(
                [
                    replace(one, workers=one.workers + dice.choice([1, 1, 3])),
                    replace(one, workers=max(1, one.workers - 1)),
                    replace(one, cpu=dice.choice(["1", "2", "3"])),
                    replace(one, gpus=one.gpus + 1),
                    replace(one, path=f"workloads/{one.namespace}/moved-{one.name}.yaml"),
                ]
            )

    def _relabel(self) -> None:
        dice = self._dice
        mine = [key for key, one in self._things.items() if one.namespace in _GROUPED or one.namespace == "old"]
        if mine:
            one = self._things[key := dice.choice(mine)]
            if one.namespace == "old":
                self._things[key] = replace(one, tier="" if one.tier else "gold")
            else:
                self._things[key] = replace(one, app=dice.choice([*_APPS, "UPPER"]))

    def _remove(self) -> None:
        key = self._some()
        used = {(one.namespace, one.to) for one in self._things.values() if one.to}
        needed = [name for name, one in self._things.items() if (one.namespace, one.name) in used]
        if needed and self._dice.random() < 0.6:
            key = self._dice.choice(needed)
        if key is not None:
            self._broken.pop(key, None)
            del self._things[key]

    def _break(self) -> None:
        key = self._some()
        if key is not None:
            self._broken[key] = replace(self._things[key], fault=self._dice.choice(_FAULTS))

    def _repair(self) -> None:
        for key in sorted(self._broken):
            if self._dice.random() < 0.6:
                del self._broken[key]

    def _seen(self, generation: int) -> tuple[Seen, ...]:
        if not generation:
            return ()
        seen, dice = [], self._dice
        for key, one in self._things.items():
            if "endings" in self._has and one.kind == "RayJob" and key not in self._ended and dice.random() < 0.3:
                self._ended[key] = dice.choice(["SUCCEEDED", "SUCCEEDED", "FAILED"])
            if key in self._ended:
                seen.append(Seen(one, self._ended[key]))
            elif "running" in self._has and one.kind in {*_RAY, "Deployment"} and not one.to and dice.random() < 0.5:
                seen.append(Seen(one, "running"))
        return tuple(seen)

    # Operators

    def _operate(self) -> dict[str, bytes | None]:
        dice, edits = self._dice, dict[str, bytes | None]()
        if "leaves" in self._has and len(self._clusters) > 1 and dice.random() < 0.25:
            name = dice.choice(sorted(self._clusters))
            del self._clusters[name]
            edits |= {f"inventory/{name}.yaml": None, f"snapshots/{name}.yaml": None}
        if "joins" in self._has and dice.random() < 0.4 and f"c{5 + self._made}" not in self._clusters:
            self._clusters[f"c{5 + self._made}"] = self._cluster()
        for name, one in self._clusters.items():
            if "cordons" in self._has and dice.random() < 0.3:
                one.cordoned = not one.cordoned
            if "addons" in self._has and dice.random() < 0.2:
                one.labels["ray"] = dice.choice(["yes", "no"])
            if "policies" in self._has and dice.random() < 0.2:
                one.labels["class"] = dice.choice(["gpu", "cpu"])
            if "machines" in self._has and dice.random() < 0.4:
                one.machines = replace(one.machines, nodes=self._cluster().machines.nodes)
            edits[f"inventory/{name}.yaml"] = one.file(name)
        if "policies" in self._has:
            changed = [name for name in self._namespaces if dice.random() < 0.25]
            edits |= {f"policies/{name}.yaml": self._policy(name) for name in changed}
        if "quotas" in self._has and dice.random() < 0.2:
            edits |= self._tenants()
        if "drift" in self._has and dice.random() < 0.5:
            name = dice.choice(sorted(self._clusters))
            edits |= {f"clusters/{name}/stray.yaml": b"a: 1\n", f"clusters/{name}/kustomization.yaml": None}
        if "addons" in self._has and dice.random() < 0.2:
            edits["addons/operator/addon.yaml"] = addon("operator", "[ray.io]", f"# {dice.randint(0, 9)}")
        return edits
