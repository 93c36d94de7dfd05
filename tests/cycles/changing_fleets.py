"""Fleets on which everything that a plan follows from changes, as dice fall: files, capacity, history, hand edits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.cycles.overrides import override
from tests.cycles.queues import MINUTE
from tests.cycles.spreads import DUPLICATE, deployment
from tests.fleets import (
    GROWS,
    NOW,
    Fleet,
    cluster,
    config_map,
    ended,
    fleet_file,
    named,
    node,
    ordered,
    own_policy,
    picture,
    policy,
    ray_cluster,
    ray_job,
    text,
)
from tests.tenants import quota, tenant

TEAMS = ("team0", "team1", "team2", "team3")
CLUSTERS = ("c0", "c1", "c2")
CLUSTER_SPECS = (
    "",
    "",
    "cordoned: true",
    "taints: [{key: dedicated, value: ml, effect: NoExecute}]",
    GROWS,
    "autoscaler: {kind: Luna}",
    "autoscaler: {kind: Luna, gpuSkus: [L4]}",
)
SPECS = (
    ordered("c0", "c1", "c2"),
    f"{ordered('c1', 'c0')}\nplacement: {{require: Fit}}",
    f"{ordered('c2')}\nplacement: {{require: Fit}}\npriority: 1",
    "placement: {require: Fit, prefer: [Pack]}",
    "placement: {require: Fit, prefer: [Balance, Available]}",
    DUPLICATE,
    f"{DUPLICATE}\nplacement: {{require: Fit}}",
    "spreadConstraints: {spreadMode: Divide}",
    f"{DUPLICATE}\n{override('[{op: add, path: /metadata/labels/side, value: gpu}]')}",
    f"{DUPLICATE}\n{override('[{op: add, path: /metadata/labels/side, value: gpu}]', '{kind: ConfigMap, name: code}')}",
    "groupBy: {labelKey: app}",
)
SETTINGS = (
    "tenancy: Optional",
    "tenancy: Optional, fairness: {holdAfter: 2m, holdFor: 6m}",
    "tenancy: Required",
)
CHART = "{repo: https://charts.example.com, chart: operator, version: 1.0.0, namespace: system}"
STEP = f"steps: [{{name: operator, helm: {CHART}}}]"
ADDONS = {
    "operator": (f"provides: [ray.io], {STEP}", f"provides: [ray.io], clusterSelector: {named('c1')}, {STEP}"),
    "other": (STEP,),
}
ATTACHED = "entrypoint: python task.py\n  clusterSelector: {ray.io/cluster: big}"


@dataclass
class ChangingFleet:
    """A fleet with what may happen to it between two cycles; the same dice are the same life."""

    dice: Random
    fleet: Fleet = field(default_factory=Fleet)
    now: float = NOW
    unreadable: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.fleet.files["fleet.yaml"] = fleet_file(SETTINGS[0])
        for name in CLUSTERS:
            self._join(name)
        for team in TEAMS:
            self.fleet.files[f"policies/{team}.yaml"] = own_policy(team, self.dice.choice(SPECS))
        for _ in range(6):
            self.dice.choice((self.job, self.app, self.companion))()

    def step(self) -> None:
        """Let one thing happen, or several at once."""
        for _ in range(self.dice.choice((0, 1, 1, 1, 2, 3))):
            self.dice.choice(CHANGES)(self)

    def team(self) -> str:
        return self.dice.choice(TEAMS)

    def _join(self, name: str) -> None:
        labels = f"{{class: {self.dice.choice(('gpu', 'cpu'))}}}"
        self.fleet.files[f"inventory/{name}.yaml"] = cluster(name, labels=labels, spec=self.dice.choice(CLUSTER_SPECS))
        self.show(name)

    def _some(self, *folders: str) -> str | None:
        paths = sorted(path for path in self.fleet.files if path.startswith(folders))
        return self.dice.choice(paths) if paths else None

    # What users ask for.

    def job(self) -> None:
        team, name = self.team(), self.dice.choice(("train", "tune"))
        manifest = ray_job(
            name,
            workers=self.dice.randint(1, 3),
            gpus=self.dice.randint(0, 1),
            labels=self.dice.choice(("{}", "{app: one}", "{app: two}")),
            config=self.dice.choice(("", "code", "more")),
        )
        self.fleet.commit(f"workloads/{team}/{name}.yaml", manifest)

    def app(self) -> None:
        name, replicas = self.dice.choice(("web", "api")), self.dice.randint(1, 5)
        manifest = deployment(name, replicas, more=self.dice.choice(("", "# comment")))
        if self.dice.randint(0, 1):
            volume = b"      volumes: [{name: code, configMap: {name: code}}]\n      containers:"
            manifest = manifest.replace(b"      containers:", volume)
        self.fleet.commit(f"workloads/{self.team()}/{name}.yaml", manifest)

    def companion(self) -> None:
        name, value = self.dice.choice(("code", "more")), self.dice.choice(("print(1)", "print(2)"))
        labels = self.dice.choice(("{}", "{app: one}", "{app: one, b: c}", "{b: c, app: one}"))
        self.fleet.commit(f"workloads/{self.team()}/{name}.yaml", config_map(name, value, labels))

    def ray_cluster(self) -> None:
        self.fleet.commit(f"workloads/{self.team()}/big.yaml", ray_cluster("big", cpu=self.dice.choice(("1", "2"))))

    def attached(self) -> None:
        manifest = f"apiVersion: ray.io/v1\nkind: RayJob\nmetadata: {{name: task}}\nspec:\n  {ATTACHED}\n"
        self.fleet.commit(f"workloads/{self.team()}/task.yaml", manifest.encode())

    def namespace(self) -> None:
        team, labels = self.team(), self.dice.choice(("{team: a}", "{team: b}", "{skyray.dev/x: y}"))
        manifest = text(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {team}, labels: {labels}}}")
        self.fleet.commit(f"workloads/{team}/namespace.yaml", manifest)

    def remove(self) -> None:
        path = self._some("workloads/")
        if path is not None:
            self.fleet.commit(path, None)

    def foreign(self) -> None:
        """An object that names another namespace than that of its folder."""
        manifest = config_map("code").replace(b"{name: code,", f"{{name: code, namespace: {self.team()},".encode())
        self.fleet.commit(f"workloads/{self.team()}/foreign.yaml", manifest)

    def duplicate(self) -> None:
        """The same objects in a second file of a folder."""
        path = self._some("workloads/")
        if path is not None and path not in self.fleet.modes:
            self.fleet.commit(f"{path.rpartition('/')[0]}/twice.yaml", self.fleet.files[path])

    def rename(self) -> None:
        path = self._some("workloads/")
        if path is not None and path not in self.fleet.modes:
            data = self.fleet.files[path]
            self.fleet.commit(path, None)
            self.fleet.commit(f"{path.rpartition('/')[0]}/renamed{self.dice.randint(0, 2)}.yaml", data)

    def break_file(self) -> None:
        path = self._some("workloads/")
        if path is not None:
            self.fleet.commit(path, self.dice.choice((b"kind: [\n", b"apiVersion: v1\nkind: ConfigMap\n")))

    def outside(self) -> None:
        self.fleet.commit("workloads/stray.yaml", config_map("stray"))

    def link(self) -> None:
        path = self._some("workloads/") if self.dice.randint(0, 1) else f"workloads/{self.team()}/link.yaml"
        if path is not None:
            self.fleet.link(path, "elsewhere")

    def reorder(self) -> None:
        """A file with the keys of its maps in another order: the same object."""
        path = self._some("workloads/")
        if path is not None and path not in self.fleet.modes:
            data = self.fleet.files[path]
            head, kind = b"apiVersion: v1\n", b"kind: ConfigMap\n"
            self.fleet.commit(path, data.replace(head + kind, kind + head))

    # What operators say.

    def policy(self) -> None:
        team = self.team()
        self.fleet.commit(f"policies/{team}.yaml", own_policy(team, self.dice.choice(SPECS)))

    def labelled_policy(self) -> None:
        selected = policy("labelled", self.dice.choice(SPECS[:3]), namespaces="{matchLabels: {team: a}}")
        here = "policies/labelled.yaml" in self.fleet.files
        self.fleet.commit("policies/labelled.yaml", None if here else selected)

    def tenants(self) -> None:
        for name, others in (("t1", TEAMS[:2]), ("t2", TEAMS[2:])):
            lending = self.dice.choice(("", "borrowing: {from: [t2]}")) if name == "t1" else ""
            spec = f"namespaces: [{', '.join(others)}], {quota(self.dice.randint(1, 6), lending)}"
            self.fleet.commit(f"policies/{name}.yaml", tenant(name, spec))

    def settings(self) -> None:
        data = fleet_file(self.dice.choice(SETTINGS))
        self.fleet.commit("fleet.yaml", data.replace(b"argocd", self.dice.choice((b"argocd", b"flux"))))

    def addon(self) -> None:
        name = self.dice.choice(tuple(ADDONS))
        path = f"addons/{name}/addon.yaml"
        if path in self.fleet.files and self.dice.randint(0, 1):
            self.fleet.commit(path, None)
            return
        spec = self.dice.choice(ADDONS[name])
        manifest = f"apiVersion: skyray.dev/v1alpha1\nkind: AddOn\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
        self.fleet.commit(path, manifest.encode())

    def inventory(self) -> None:
        """A cluster leaves, joins, or is declared in another way."""
        name = self.dice.choice(CLUSTERS)
        path = f"inventory/{name}.yaml"
        if path in self.fleet.files and self.dice.randint(0, 2) == 0:
            self.fleet.commit(path, None)
        else:
            self._join(name)

    # What the clusters show.

    def show(self, name: str = "") -> None:
        name = name or self.dice.choice(CLUSTERS)
        shown = [node(f"n{i}", self.dice.randint(0, 2)) for i in range(self.dice.randint(0, 4))]
        pods, statuses = [], []
        for team in TEAMS:
            if self.dice.randint(0, 5) == 0:
                statuses.append(ended(team, "train", self.dice.choice(("SUCCEEDED", "FAILED"))))
            if shown and self.dice.randint(0, 3) == 0:
                owner = self.dice.choice(("train", "web-abcdef1234", "big"))
                pods.append(f"{{namespace: {team}, name: {owner}-1, owner: {owner}, node: n0, requests: {{cpu: 1}}}}")
            if self.dice.randint(0, 6) == 0:
                statuses.append(f"{{kind: RayCluster, namespace: {team}, name: big, state: ready}}")
        self.fleet.files[f"snapshots/{name}.yaml"] = picture(name, *shown, pods=tuple(pods), ray=tuple(statuses))

    def unread(self) -> None:
        self.unreadable = tuple(name for name in CLUSTERS if self.dice.randint(0, 3) == 0)

    def later(self) -> None:
        self.now += self.dice.choice((1, 2, 10)) * MINUTE

    # What should not happen, and does.

    def hand_edit(self) -> None:
        path = self._some("clusters/", "placements/")
        if path is not None:
            self.fleet.commit(path, self.fleet.files[path] + b"# by hand\n")

    def hand_break(self) -> None:
        path = self._some("clusters/")
        if path is not None:
            self.fleet.commit(path, b"nonsense\n")

    def hand_removal(self) -> None:
        path = self._some("clusters/", "placements/")
        if path is not None:
            self.fleet.commit(path, None)

    def hand_file(self) -> None:
        """A file that SkyRay did not write, in one of its folders."""
        folder = self.dice.choice(
            ("clusters/c0/", "clusters/", "clusters/gone/team0/x/", "placements/", "clusters/c1/team1/")
        )
        data = b"" if folder == "placements/" else b"hello\n"
        self.fleet.commit(f"{folder}by-hand.yaml", data)

    def hand_mode(self) -> None:
        path = self._some("clusters/", "placements/")
        if path is not None:
            self.fleet.commit(path, self.fleet.files[path])
            self.fleet.modes[path] = "120000" if path.startswith("clusters/") and self.dice.randint(0, 1) else "100755"

    def hand_move(self) -> None:
        """A Placement in the folder of another namespace, or in two files at once."""
        path = self._some("placements/")
        if path is not None:
            data, name = self.fleet.files[path], path.rpartition("/")[2]
            if self.dice.randint(0, 1):
                self.fleet.commit(path, None)
            self.fleet.commit(f"placements/{self.dice.choice((*TEAMS, ''))}/{name}".replace("//", "/"), data)

    def hand_join(self) -> None:
        """Two Placements in one file."""
        one, other = self._some("placements/"), self._some("placements/")
        if one is not None and other is not None:
            self.fleet.commit(one, self.fleet.files[one] + b"---\n" + self.fleet.files[other])

    def restore(self) -> None:
        """SkyRay's folders as an older commit had them, while users' files are new: a revert."""
        for path in sorted(self.fleet.rendered()):
            if self.dice.randint(0, 9) == 0:
                self.fleet.commit(path, None)

    def rewrite_history(self) -> None:
        paths = sorted(self.fleet.order)
        numbers = [self.fleet.order[path] for path in paths]
        self.dice.shuffle(numbers)
        self.fleet.order = dict(zip(paths, numbers, strict=True))


CHANGES: tuple[Callable[[ChangingFleet], None], ...] = (
    ChangingFleet.job,
    ChangingFleet.job,
    ChangingFleet.job,
    ChangingFleet.app,
    ChangingFleet.app,
    ChangingFleet.companion,
    ChangingFleet.companion,
    ChangingFleet.ray_cluster,
    ChangingFleet.attached,
    ChangingFleet.namespace,
    ChangingFleet.remove,
    ChangingFleet.remove,
    ChangingFleet.foreign,
    ChangingFleet.duplicate,
    ChangingFleet.rename,
    ChangingFleet.break_file,
    ChangingFleet.outside,
    ChangingFleet.link,
    ChangingFleet.reorder,
    ChangingFleet.policy,
    ChangingFleet.labelled_policy,
    ChangingFleet.tenants,
    ChangingFleet.settings,
    ChangingFleet.addon,
    ChangingFleet.inventory,
    ChangingFleet.show,
    ChangingFleet.show,
    ChangingFleet.unread,
    ChangingFleet.later,
    ChangingFleet.hand_edit,
    ChangingFleet.hand_break,
    ChangingFleet.hand_removal,
    ChangingFleet.hand_file,
    ChangingFleet.hand_mode,
    ChangingFleet.hand_move,
    ChangingFleet.hand_join,
    ChangingFleet.restore,
    ChangingFleet.rewrite_history,
)
