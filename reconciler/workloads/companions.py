"""Finds the companions of a group: the objects without pods that its members refer to, and what these refer to.

A reference is to a kind and name in the namespace. Any object that provides that name satisfies it, also an
ExternalSecret that makes the Secret. `unresolved_warnings` reports the references that nothing in Git satisfies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from reconciler.manifests.fields import dotted
from reconciler.manifests.identity import ObjectKey
from reconciler.policy.model import SchedulePolicy
from reconciler.ray.references import CONFIG_MAP, SECRET, SERVICE_ACCOUNT, Reference
from reconciler.workloads.group import BrokenFile, WorkloadObject
from reconciler.workloads.object_references import generated_secret, object_references

NamespacedName = tuple[str, str, str]
"""Namespace, kind and name: the target of a reference."""

_IN_EVERY_NAMESPACE = frozenset(
    {(SERVICE_ACCOUNT, "default"), (CONFIG_MAP, "kube-root-ca.crt")}
)
"""The kinds and names that Kubernetes itself puts into every namespace."""


def provided_names(item: WorkloadObject) -> tuple[NamespacedName, ...]:
    """Return the targets that an object provides: its own name, and the Secret that a controller makes of it."""
    namespace = item.key.namespace
    own = (namespace, item.key.kind, item.key.name)
    secret = generated_secret(item.key, item.body)
    if not secret:
        return (own,)
    return (own, (namespace, SECRET, secret))


class Companions:
    """Tells which objects are companions, and whose.

    `keys` are the objects that follow by reference instead of being members of a group of their own. An object with
    pods, or with a `groupBy` label, is always a member. `policy_of` has the policy of each selected object.
    """

    def __init__(
        self,
        objects: Sequence[WorkloadObject],
        policy_of: Mapping[ObjectKey, SchedulePolicy],
    ) -> None:
        self._policy_of = policy_of
        self._providers: dict[NamespacedName, list[WorkloadObject]] = defaultdict(list)
        self._always_members: set[ObjectKey] = set()
        for item in objects:
            for name in provided_names(item):
                self._providers[name].append(item)
            if item.demand is not None or self.has_group_label(item):
                self._always_members.add(item.key)
        self.keys = self._companion_keys(objects)

    def of(self, members: Iterable[WorkloadObject]) -> tuple[WorkloadObject, ...]:
        """Return the companions of a group's `members`, in order of key."""
        found = _reached(members, self._companions_referenced_by)
        return tuple(sorted(found, key=lambda item: item.key))

    def referenced_by(self, item: WorkloadObject) -> Iterator[WorkloadObject]:
        """Yield the objects that satisfy the references of `item`."""
        namespace = item.key.namespace
        for kind, name in sorted(item.references):
            target = (namespace, kind, name)
            yield from self._providers.get(target, ())

    def unresolved(self, item: WorkloadObject) -> set[tuple[str, str]]:
        """Return the kinds and names that `item` refers to and that no object provides."""
        namespace = item.key.namespace
        found = set()
        for kind, name in item.references - _IN_EVERY_NAMESPACE:
            target = (namespace, kind, name)
            if target not in self._providers:
                found.add((kind, name))
        return found

    def unresolved_required(self, item: WorkloadObject) -> tuple[Reference, ...]:
        """Return the references of `item` that no object provides and without which its pods cannot start."""
        unresolved = self.unresolved(item)
        if not unresolved:
            # Most objects: their bodies need not be read again.
            return ()
        found = []
        for reference in object_references(item.body):
            target = (reference.kind, reference.name)
            if target in unresolved and not reference.optional:
                found.append(reference)
        return tuple(found)

    def has_group_label(self, item: WorkloadObject) -> bool:
        """Tell whether the object's own `groupBy` label makes it a member of a group."""
        policy = self._policy_of.get(item.key)
        if policy is None or not policy.group_by:
            return False
        return bool(item.labels.get(policy.group_by))

    def _companions_referenced_by(
        self,
        item: WorkloadObject,
    ) -> Iterator[WorkloadObject]:
        for target in self.referenced_by(item):
            if target.key in self.keys:
                yield target

    def _companion_keys(self, objects: Sequence[WorkloadObject]) -> set[ObjectKey]:
        """Return the companions of the objects with pods, then those of the remaining objects."""
        companions: set[ObjectKey] = set()
        selected = [item for item in objects if item.key in self._policy_of]
        for item in selected:
            if item.key in self._always_members:
                companions |= self._reachable_from(item)

        decided = self._always_members | companions
        remaining = [item for item in selected if item.key not in decided]
        referenced: set[ObjectKey] = set()
        for item in remaining:
            referenced |= self._reachable_from(item)
        # Objects that nothing refers to become members first. In a circle of references every object is referenced;
        # there the first by key becomes the member, so that the circle is placed.
        remaining.sort(key=lambda item: (item.key in referenced, item.key))
        for item in remaining:
            if item.key not in companions:
                companions |= self._reachable_from(item)
        return companions

    def _reachable_from(self, member: WorkloadObject) -> set[ObjectKey]:
        """Return the objects that can follow `member`, along the chain of references."""
        policy = self._policy_of[member.key]

        def may_follow(item: WorkloadObject) -> Iterator[WorkloadObject]:
            for target in self.referenced_by(item):
                # An object that another policy selects goes where that policy says.
                same_policy = self._policy_of.get(target.key, policy) is policy
                if same_policy and target.key not in self._always_members:
                    yield target

        return {item.key for item in _reached([member], may_follow)}


def companions_of(
    members: Iterable[WorkloadObject],
    candidates: Iterable[WorkloadObject],
) -> tuple[WorkloadObject, ...]:
    """Return the `candidates` without pods that `members` refer to, along the chain of references.

    Members and candidates are of one namespace.
    """
    members = list(members)
    if not members:
        return ()
    providers: dict[tuple[str, str], list[WorkloadObject]] = defaultdict(list)
    for item in candidates:
        if item.demand is not None:
            # What makes pods is a member, never a companion.
            continue
        for _, kind, name in provided_names(item):
            providers[kind, name].append(item)

    def referenced_by(item: WorkloadObject) -> Iterator[WorkloadObject]:
        for target in sorted(item.references):
            yield from providers.get(target, ())

    return _reached(members, referenced_by)


def _reached(
    start: Iterable[WorkloadObject],
    follow: Callable[[WorkloadObject], Iterator[WorkloadObject]],
) -> tuple[WorkloadObject, ...]:
    """Return the objects that `follow` leads to from those of `start`, without these, in order of discovery."""
    to_visit = list(start)
    seen = {item.key for item in to_visit}
    reached: list[WorkloadObject] = []
    while to_visit:
        for target in follow(to_visit.pop()):
            if target.key not in seen:
                seen.add(target.key)
                reached.append(target)
                to_visit.append(target)
    return tuple(reached)


def unresolved_warnings(
    objects: Iterable[WorkloadObject],
    companions: Companions,
    broken: Mapping[str, BrokenFile],
) -> tuple[str, ...]:
    """Return a warning for each target that `objects` require and that no object provides, at its first user.

    `broken` has for each namespace a file that cannot be read, if there is any: the target may be in it.
    """
    users: dict[NamespacedName, list[WorkloadObject]] = defaultdict(list)
    for item in sorted(objects, key=_position):
        for kind, name in companions.unresolved(item):
            users[item.key.namespace, kind, name].append(item)
    warnings = []
    for target in sorted(users):
        first = _first_required(target, users[target], companions)
        if first is None:
            # Every user can do without it.
            continue
        item, reference = first
        other_users = len(users[target]) - 1
        file = broken.get(item.key.namespace)
        warning = _unresolved_warning(item, reference, other_users, file)
        warnings.append(warning)
    return tuple(warnings)


def _position(item: WorkloadObject) -> tuple[str, int, ObjectKey]:
    """Return the sort key of objects by where they are written."""
    return (item.place.file, item.place.line, item.key)


def _first_required(
    target: NamespacedName,
    users: Iterable[WorkloadObject],
    companions: Companions,
) -> tuple[WorkloadObject, Reference] | None:
    """Return the first of `users` that requires `target`, with its reference."""
    _, kind, name = target
    for item in users:
        for reference in companions.unresolved_required(item):
            if reference.kind == kind and reference.name == name:
                return item, reference
    return None


def _unresolved_warning(
    item: WorkloadObject,
    reference: Reference,
    other_users: int,
    broken: BrokenFile | None,
) -> str:
    field = dotted(reference.path)
    refers = f"{item.place}: {item.key} refers in {field} to {reference.kind} {reference.name}"
    more = ""
    if other_users:
        objects_refer = "objects refer" if other_users > 1 else "object refers"
        more = f" ({other_users} other {objects_refer} to it)"
    if broken is not None:
        return (
            f"{refers}, which may be in {broken.path}: that file cannot be read{more}"
        )
    remedy = (
        "an ExternalSecret or SealedSecret that makes it"
        if reference.kind == SECRET
        else "its manifest"
    )
    return (
        f"{refers}, which is not in workloads/{item.key.namespace}/: add {remedy}, unless the cluster has it "
        f"already{more}"
    )
