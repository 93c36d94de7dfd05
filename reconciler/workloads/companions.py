"""What goes with a workload because something names it, and what names something that is nowhere.

The one idea: a reference is to a name, and whatever brings an object of that name satisfies it. A Secret may come of an
ExternalSecret or a SealedSecret, so these follow in its place; and what follows has needs of its own (a service
account its Secrets, an ExternalSecret its store), so companions are found along the whole chain.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.manifests import fields
from reconciler.manifests.fields import Path, dotted
from reconciler.manifests.identity import ObjectKey
from reconciler.policy.model import SchedulePolicy
from reconciler.ray.references import CONFIG_MAP, SECRET, SERVICE_ACCOUNT, Reference, references
from reconciler.workloads.group import BrokenFile, WorkloadObject

EXTERNAL_SECRETS, SEALED_SECRETS = "external-secrets.io", "bitnami.com"
_EXTERNAL_SECRET, _SECRET_STORE = "ExternalSecret", "SecretStore"

_ALWAYS_THERE = frozenset({(SERVICE_ACCOUNT, "default"), (CONFIG_MAP, "kube-root-ca.crt")})
"""What Kubernetes itself puts into every namespace."""

_Found = Iterator[Reference]


def needs(body: Mapping[str, Any]) -> tuple[Reference, ...]:
    """Return what an object of any kind refers to in its namespace, each kind and name once.

    Raises `InvalidField`.
    """
    found: dict[tuple[str, str], Reference] = {}
    for one in (*references(body), *_of_companion(body)):
        known = found.get((one.kind, one.name))
        if known is None or (known.optional and not one.optional):
            found[one.kind, one.name] = one
    return tuple(found.values())


def is_plain_secret(key: ObjectKey, body: Mapping[str, Any]) -> bool:
    """Tell whether the object is a Secret whose contents anyone can read; one that a controller fills has none."""
    return key.kind == SECRET and not key.group and bool(body.get("data") or body.get("stringData"))


def made_secret(key: ObjectKey, body: Mapping[str, Any]) -> str:
    """Return the name of the Secret that a controller makes of the object; empty when it makes none.

    A SealedSecret always makes a Secret of its own name, whatever its template says (sealed-secrets,
    `sealedsecret_expansion.go`, `Unseal`).
    """
    if (key.group, key.kind) == (SEALED_SECRETS, "SealedSecret"):
        return key.name
    if (key.group, key.kind) != (EXTERNAL_SECRETS, _EXTERNAL_SECRET):
        return ""
    target = _child(_child(body, "spec"), "target")
    return "" if target.get("creationPolicy") == "None" else _text(target, "name") or key.name


class Companions:
    """Who follows whom among `objects`.

    `followers` are the objects that follow by reference instead of being members of a group of their own. `policy_of`
    tells which policy each object falls under, of those that fall under one.
    """

    def __init__(self, objects: Sequence[WorkloadObject], policy_of: Mapping[ObjectKey, SchedulePolicy]) -> None:
        self._policy_of = policy_of
        self._named: dict[tuple[str, str, str], list[WorkloadObject]] = defaultdict(list)
        for item in objects:
            self._named[item.key.namespace, item.key.kind, item.key.name].append(item)
            secret = made_secret(item.key, item.body)
            if secret:
                self._named[item.key.namespace, SECRET, secret].append(item)
        self._leaders = {o.key for o in objects if o.demand is not None or self.claimed_by_label(o)}
        self.followers: set[ObjectKey] = set()
        self._sort_out(objects)

    def of(self, members: Iterable[WorkloadObject]) -> tuple[WorkloadObject, ...]:
        """Return what follows the `members` of a group, in order of key."""
        found: dict[ObjectKey, WorkloadObject] = {}
        open_ends = list(members)
        while open_ends:
            for item in self.named(open_ends.pop()):
                if item.key in self.followers and item.key not in found:
                    found[item.key] = item
                    open_ends.append(item)
        return tuple(found[key] for key in sorted(found))

    def named(self, item: WorkloadObject) -> Iterator[WorkloadObject]:
        """Yield what satisfies the references of an object."""
        for kind, name in sorted(item.references):
            yield from self._named.get((item.key.namespace, kind, name), ())

    def unknown(self, item: WorkloadObject) -> set[tuple[str, str]]:
        """Return the kinds and names that an object refers to and that nothing satisfies."""
        named = item.references - _ALWAYS_THERE
        return {(kind, name) for kind, name in named if (item.key.namespace, kind, name) not in self._named}

    def missing(self, item: WorkloadObject) -> tuple[Reference, ...]:
        """Return the references of an object that nothing satisfies and that its pods cannot do without."""
        unknown = self.unknown(item)
        return tuple(r for r in needs(item.body) if (r.kind, r.name) in unknown and not r.optional) if unknown else ()

    def claimed_by_label(self, item: WorkloadObject) -> bool:
        """Tell whether the object's own `groupBy` label makes it a member of a group."""
        own = self._policy_of.get(item.key)
        return own is not None and bool(own.group_by) and bool(item.labels.get(own.group_by))

    def _sort_out(self, objects: Sequence[WorkloadObject]) -> None:
        """Decide who follows: first what pods need, then what else leads others; nothing is lost in a circle."""
        placed = [item for item in objects if item.key in self._policy_of]
        for item in placed:
            if item.key in self._leaders:
                self.followers |= self._reach(item)
        rest = [item for item in placed if item.key not in self._leaders | self.followers]
        needed = {key for item in rest for key in self._reach(item)}
        for item in sorted(rest, key=lambda one: (one.key in needed, one.key)):
            if item.key not in self.followers:
                self.followers |= self._reach(item)

    def _reach(self, leader: WorkloadObject) -> set[ObjectKey]:
        """Return what follows `leader`: what nobody else has a claim on, along the chain of references."""
        policy = self._policy_of[leader.key]
        found: set[ObjectKey] = set()
        open_ends = [leader]
        while open_ends:
            for item in self.named(open_ends.pop()):
                free = self._policy_of.get(item.key, policy) is policy and item.key not in self._leaders
                if free and item.key != leader.key and item.key not in found:
                    found.add(item.key)
                    open_ends.append(item)
        return found


def companions_of(leaders: Iterable[WorkloadObject], offered: Iterable[WorkloadObject]) -> tuple[WorkloadObject, ...]:
    """Return those of `offered`, without pods, that `leaders` refer to, along the chain of references."""
    leaders = list(leaders)
    named: dict[tuple[str, str], list[WorkloadObject]] = defaultdict(list)
    for item in offered if leaders else ():
        if item.demand is None:
            for name in {(item.key.kind, item.key.name), (SECRET, made_secret(item.key, item.body))}:
                named[name].append(item)
    found = {item.key: item for item in leaders}
    open_ends = list(leaders)
    while open_ends:
        for name in sorted(open_ends.pop().references):
            for item in named.get(name, ()):
                if item.key not in found:
                    found[item.key] = item
                    open_ends.append(item)
    return tuple(found.values())[len(leaders) :]


def missing_warnings(
    objects: Iterable[WorkloadObject], companions: Companions, broken: Mapping[str, BrokenFile]
) -> tuple[str, ...]:
    """Return a warning for each object that `objects` need and that is nowhere, told at the first that names it.

    `broken` has for each namespace a file that cannot be read, if there is any: it may be in there.
    """
    users: dict[tuple[str, str, str], list[WorkloadObject]] = defaultdict(list)
    for item in sorted(objects, key=lambda one: (one.place.file, one.place.line, one.key)):
        for kind, name in companions.unknown(item):
            users[item.key.namespace, kind, name].append(item)
    found = []
    for target in sorted(users):
        needed = ((item, one) for item in users[target] for one in companions.missing(item))
        first = next(((item, one) for item, one in needed if (one.kind, one.name) == target[1:]), None)
        if first is not None:
            found.append(_missing(*first, len(users[target]) - 1, broken.get(target[0])))
    return tuple(found)


def _missing(item: WorkloadObject, one: Reference, others: int, broken: BrokenFile | None) -> str:
    brings = "an ExternalSecret or SealedSecret that makes it" if one.kind == SECRET else "its manifest"
    more = f" ({others} other object{'s refer' if others > 1 else ' refers'} to it)" if others else ""
    if broken is not None:
        return (
            f"{item.place}: {item.key} refers in {dotted(one.path)} to {one.kind} {one.name}, which may be in "
            f"{broken.path}: that file cannot be read{more}"
        )
    return (
        f"{item.place}: {item.key} refers in {dotted(one.path)} to {one.kind} {one.name}, which is nowhere in "
        f"workloads/{item.key.namespace}/: add {brings}, unless it is on the cluster already{more}"
    )


def _of_companion(body: Mapping[str, Any]) -> _Found:
    group, _, _ = str(body.get("apiVersion", "")).rpartition("/")
    kind = (group, body.get("kind"))
    if kind == ("", SERVICE_ACCOUNT):
        for field in ("imagePullSecrets", "secrets"):
            for path, secret in fields.maps(body, field, ()):
                yield from _named(SECRET, secret, "name", path)
    elif kind == (EXTERNAL_SECRETS, _EXTERNAL_SECRET):
        yield from _of_external_secret(fields.mapping(body, "spec", ()), ("spec",))
    elif kind == (EXTERNAL_SECRETS, _SECRET_STORE):
        yield from _credentials(fields.mapping(fields.mapping(body, "spec", ()), "provider", ("spec",)), _PROVIDER)


_PROVIDER: Path = ("spec", "provider")
_ACCOUNTS = frozenset({"serviceAccountRef", "serviceAccount"})
"""Where a store names a service account: the latter in the provider `kubernetes`."""


def _of_external_secret(spec: Mapping[str, Any], at: Path) -> _Found:
    yield from _store(spec, "secretStoreRef", at)
    for field in ("data", "dataFrom"):
        for path, entry in fields.maps(spec, field, at):
            origin, here = fields.mapping(entry, "sourceRef", path), (*path, "sourceRef")
            yield from _store(origin, "storeRef", here)
            generator = fields.mapping(origin, "generatorRef", here)
            kind = fields.text(generator, "kind", (*here, "generatorRef"))
            if kind and kind != "ClusterGenerator":
                yield from _named(kind, generator, "name", (*here, "generatorRef"))
    target = fields.mapping(spec, "target", at)
    template = fields.mapping(target, "template", (*at, "target"))
    for path, source in fields.maps(template, "templateFrom", (*at, "target", "template")):
        for field, kind in (("configMap", CONFIG_MAP), ("secret", SECRET)):
            yield from _named(kind, fields.mapping(source, field, path), "name", (*path, field))


def _store(parent: Mapping[str, Any], field: str, at: Path) -> _Found:
    """Yield the store of the namespace that is named; a ClusterSecretStore belongs to the cluster."""
    store = fields.mapping(parent, field, at)
    if fields.text(store, "kind", (*at, field), _SECRET_STORE) == _SECRET_STORE:
        yield from _named(_SECRET_STORE, store, "name", (*at, field))


def _credentials(value: Any, at: Path) -> _Found:
    """Yield what a store signs in with: in every provider a map with `name` and `key` selects from a Secret."""
    if isinstance(value, list):
        for index, element in enumerate(value):
            yield from _credentials(element, (*at, index))
    if not isinstance(value, dict):
        return
    if _text(value, "name") and at[-1] in _ACCOUNTS:
        yield Reference(SERVICE_ACCOUNT, value["name"], (*at, "name"))
    elif _text(value, "name") and _text(value, "key"):
        yield Reference(CONFIG_MAP if value.get("type") == CONFIG_MAP else SECRET, value["name"], (*at, "name"))
    for key, inner in value.items():
        yield from _credentials(inner, (*at, key))


def _named(kind: str, parent: Mapping[str, Any], field: str, at: Path) -> _Found:
    name = fields.text(parent, field, at)
    if name:
        yield Reference(kind, name, (*at, field))


def _child(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def _text(parent: Mapping[str, Any], key: str) -> str:
    value = parent.get(key)
    return value if isinstance(value, str) else ""
