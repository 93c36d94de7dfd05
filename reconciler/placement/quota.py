"""What tenants use of their quotas while a plan is made, and why a group may not use more.

A tenant uses what its placed groups request, as admitted, whether or not their pods exist yet. Beyond its quota it may
borrow what others leave unused, and all that is borrowed must be coverable at once: per resource, the excess of every
borrower is matched with the unused quota of those it may borrow from, as a maximum flow. A group is refused when it
would leave more uncovered than before, so a quota lowered under running groups stops new ones only.

Borrowers come after all who stay within their own quota, and what a lender's own waiting group was refused is not lent
on. So what was lent comes back as fast as the borrowers' groups end; nothing is evicted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from reconciler.kube_scheduler.gang import Gang
from reconciler.policy.tenant import Tenant
from reconciler.reasons.quota import Borrowable, NeverWithinQuota, QuotaExceeded
from reconciler.workloads.group import Group, GroupKey
from reconciler.workloads.grouping import Grouping

PODS = "pods"

_Amounts = Mapping[str, int]


def requested(gangs: Iterable[Gang]) -> dict[str, int]:
    """Return what all `gangs` together request, in nano units by resource; `pods` is their number."""
    total: dict[str, int] = {PODS: 0}
    for pod_set in (one for gang in gangs for one in gang.pod_sets):
        total[PODS] += pod_set.count * 10**9
        for name, amount in pod_set.requests.items():
            if name != PODS:
                total[name] = total.get(name, 0) + amount.nano * pod_set.count
    return total


def limited(tenant: Tenant | None) -> bool:
    """Tell whether there is anything to count for a tenant's groups."""
    return tenant is not None and bool(tenant.quota)


def most(gang: Gang, clusters: Iterable[str]) -> dict[str, int]:
    """Return the most of each resource that a gang requests on any of the `clusters`, see `requested`."""
    variants = {id(one): one for one in map(gang.on, clusters)} or {0: gang}
    total: dict[str, int] = {}
    for amounts in (requested([one]) for one in variants.values()):
        total = {
            name: max(total.get(name, 0), amounts.get(name, 0))
            for name in {**total, **amounts}
        }
    return total


@dataclass(frozen=True, slots=True)
class QuotaUsage:
    """What every tenant uses at one point of a plan, as a value; amounts are in nano units.

    `used` and `claimed` are by tenant and resource. Claimed is what a tenant's own waiting groups were refused though
    its own quota would do: it is not lent to borrowers. `charged` is what each group counts for, by tenant.
    """

    tenants: Mapping[str, Tenant]
    used: Mapping[str, _Amounts] = field(default_factory=dict)
    claimed: Mapping[str, _Amounts] = field(default_factory=dict)
    charged: Mapping[GroupKey, tuple[str, _Amounts]] = field(default_factory=dict)
    changed: Mapping[GroupKey, tuple[str, _Amounts]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        tenants: Iterable[Tenant],
        charged: Iterable[tuple[GroupKey, Tenant | None, _Amounts]],
    ) -> QuotaUsage:
        """Return the usage with what placed groups are `charged`: group, its tenant, and what it requests."""
        used: dict[str, dict[str, int]] = {}
        known: dict[GroupKey, tuple[str, _Amounts]] = {}
        for key, tenant, amounts in charged:
            if tenant is None or not limited(tenant):
                continue
            known[key] = (tenant.name, amounts)
            own = used.setdefault(tenant.name, {})
            for name, amount in amounts.items():
                own[name] = own.get(name, 0) + amount
        return cls({tenant.name: tenant for tenant in tenants}, used, {}, known)

    def add_usage(
        self, key: GroupKey, tenant: Tenant | None, amounts: _Amounts
    ) -> QuotaUsage:
        """Return the usage with `amounts` as what a group uses, in place of what it used before."""
        owner, before = self._charge_of(key)
        counted = limited(tenant) and tenant is not None
        if not before and not counted:
            return self
        used = dict(self.used)
        if before:
            used[owner] = _sum(used.get(owner, {}), before, -1)
        charge: tuple[str, _Amounts] = ("", {})
        if counted and tenant is not None:
            used[tenant.name] = _sum(used.get(tenant.name, {}), amounts, 1)
            charge = (tenant.name, amounts)
        return replace(self, used=used, changed={**self.changed, key: charge})

    def without_claims(self) -> QuotaUsage:
        """Return the usage with no claims of waiting groups."""
        return replace(self, claimed={})

    def refusal(
        self, key: GroupKey, tenant: Tenant | None, amounts: _Amounts
    ) -> QuotaExceeded | None:
        """Return why a group may not use `amounts` in place of what it uses now; None when it may."""
        if tenant is None:
            return None
        owner, before = self._charge_of(key)
        for name, quota in tenant.quota.items():
            own = before.get(name, 0) if owner == tenant.name else 0
            more = amounts.get(name, 0) - own
            used = self._used(tenant, name)
            if more > 0 and not self._granted(
                tenant, name, more, max(0, used + more - quota.nano)
            ):
                return self._exceeded(tenant, name, used, amounts[name], own)
        return None

    def enter(
        self, group: Group, amounts: _Amounts
    ) -> tuple[QuotaExceeded | None, QuotaUsage]:
        """Return why a group may not have `amounts`, None when it may, and the usage with what it then claims.

        What it is refused although its tenant's own quota would do is lent to others: it is not lent on.
        """
        tenant = group.tenant
        refusal = self.refusal(group.key, tenant, amounts)
        if (
            refusal is None
            or tenant is None
            or self.exceeds(group.key, tenant, amounts)
        ):
            return refusal, self
        claimed = {
            **self.claimed,
            tenant.name: _sum(self.claimed.get(tenant.name, {}), amounts, 1),
        }
        return refusal, replace(self, claimed=claimed)

    def must_borrow(self, group: Group) -> bool:
        """Tell whether a group can only be placed with quota that others lend."""
        tenant = group.tenant
        if tenant is None or tenant.borrowing is None:
            return False
        return self.exceeds(group.key, tenant, requested([group.gang]))

    def exceeds(self, key: GroupKey, tenant: Tenant, amounts: _Amounts) -> bool:
        """Tell whether a group that uses `amounts` would take its tenant beyond its own quota."""
        owner, before = self._charge_of(key)
        for name, quota in tenant.quota.items():
            own = before.get(name, 0) if owner == tenant.name else 0
            if (
                amounts.get(name)
                and self._used(tenant, name) - own + amounts[name] > quota.nano
            ):
                return True
        return False

    def _charge_of(self, key: GroupKey) -> tuple[str, _Amounts]:
        return self.changed.get(key) or self.charged.get(key) or ("", {})

    def _used(self, tenant: Tenant, name: str) -> int:
        return self.used.get(tenant.name, {}).get(name, 0)

    def _lending(self) -> bool:
        return any(tenant.borrowing for tenant in self.tenants.values())

    def _granted(self, tenant: Tenant, name: str, more: int, excess: int) -> bool:
        """Tell whether a tenant may use `more` of a resource, which brings it `excess` beyond its quota."""
        if excess and tenant.borrowing is None:
            return False
        if not self._lending():
            return True
        limit = tenant.borrowing.limit.get(name) if tenant.borrowing else None
        if limit is not None and excess > limit.nano:
            return False
        borrows = excess > 0
        return self._uncovered(name, {tenant.name: more}, borrows) <= self._uncovered(
            name, {}, borrows
        )

    def _exceeded(
        self, tenant: Tenant, name: str, used: int, needs: int, own: int
    ) -> QuotaExceeded:
        borrowable = None
        if tenant.borrowing is not None:
            limit = tenant.borrowing.limit.get(name)
            borrowable = Borrowable(
                self._borrowable(tenant, name), tenant.borrowing.lenders, limit
            )
        lent = self._lent(tenant, name)
        return QuotaExceeded(
            tenant.name, name, tenant.quota[name], used, needs, own, lent, borrowable
        )

    def _lent(self, tenant: Tenant, name: str) -> int:
        """Return how much of a tenant's unused quota cannot be had back now, because borrowers use it."""
        spare = self._spare(tenant, name)
        if spare <= 0 or not self._lending():
            return 0
        return self._uncovered(name, {tenant.name: spare}, False) - self._uncovered(
            name, {}, False
        )

    def _borrowable(self, tenant: Tenant, name: str) -> int:
        """Return how much more than its quota, and than what it borrowed already, others can lend a tenant."""
        most = sum(
            max(0, self._spare(lender, name)) for lender in self._lenders(tenant)
        )
        more = max(0, self._spare(tenant, name)) + most
        return max(
            0,
            most
            - self._uncovered(name, {tenant.name: more}, True)
            + self._uncovered(name, {}, True),
        )

    def _spare(self, tenant: Tenant, name: str) -> int:
        quota = tenant.quota.get(name)
        return quota.nano - self._used(tenant, name) if quota is not None else 0

    def _lenders(self, tenant: Tenant) -> list[Tenant]:
        borrowing = tenant.borrowing
        if borrowing is None:
            return []
        named = self.tenants if borrowing.lenders is None else borrowing.lenders
        return [self.tenants[name] for name in sorted(named) if name != tenant.name]

    def _uncovered(self, name: str, more: Mapping[str, int], borrows: bool) -> int:
        """Return how much of resource `name` is used beyond quotas and covered by no lender, if `more` were used too.

        A lender covers with what it leaves unused; for one who `borrows`, less what its own waiting groups claim.
        """
        spare: dict[str, int] = {}
        for tenant in self.tenants.values():
            if name in tenant.quota:
                spare[tenant.name] = self._spare(tenant, name) - more.get(
                    tenant.name, 0
                )
        excess = {one: -left for one, left in spare.items() if left < 0}
        if not excess:
            return 0
        lendable: dict[str, int] = {}
        for one, left in spare.items():
            kept = self.claimed.get(one, {}).get(name, 0) if borrows else 0
            if left > kept:
                lendable[one] = left - kept
        lenders = {}
        for one in excess:
            lenders[one] = [
                lender.name
                for lender in self._lenders(self.tenants[one])
                if lender.name in lendable
            ]
        return sum(excess.values()) - max_flow(excess, lendable, lenders)


def _sum(amounts: _Amounts, more: _Amounts, sign: int) -> dict[str, int]:
    total = dict(amounts)
    for name, amount in more.items():
        total[name] = total.get(name, 0) + sign * amount
    return total


def max_flow(
    excess: _Amounts, lendable: _Amounts, lenders: Mapping[str, Iterable[str]]
) -> int:
    """Return how much of all `excess` can be covered at once: a maximum flow from borrowers to lenders.

    Augments along shortest paths (Edmonds and Karp); tenants are few.
    """
    left, spare = dict(excess), dict(lendable)
    lent: dict[tuple[str, str], int] = {}
    total = 0
    while True:
        path = _path(left, spare, lenders, lent)
        if path is None:
            return total
        # path: borrower, lender, borrower, lender, ...; every second step takes back what was lent before.
        steps = list(pairwise(path))
        backs = [lent[steps[i][1], steps[i][0]] for i in range(1, len(steps), 2)]
        amount = min(left[path[0]], spare[path[-1]], *backs)
        for i, (one, other) in enumerate(steps):
            pair = (other, one) if i % 2 else (one, other)
            lent[pair] = lent.get(pair, 0) + (-amount if i % 2 else amount)
        left[path[0]] -= amount
        spare[path[-1]] -= amount
        total += amount


def _path(
    left: _Amounts,
    spare: _Amounts,
    lenders: Mapping[str, Iterable[str]],
    lent: Mapping[tuple[str, str], int],
) -> list[str] | None:
    """Return the shortest way from a borrower with excess left to a lender with something to spare."""
    waiting = deque([one] for one in sorted(left) if left[one] > 0)
    seen: set[str] = set()
    while waiting:
        path = waiting.popleft()
        for lender in lenders[path[-1]]:
            if lender in seen:
                continue
            seen.add(lender)
            if spare[lender] > 0:
                return [*path, lender]
            waiting.extend(
                [*path, lender, one]
                for one in sorted(left)
                if lent.get((one, lender), 0) > 0
            )
    return None


def never(tenant: Tenant, amounts: _Amounts) -> NeverWithinQuota | None:
    """Return why a tenant could never have `amounts`, even with nothing else placed; None when it could."""
    for name, quota in tenant.quota.items():
        most = quota.nano
        if tenant.borrowing is not None:
            limit = tenant.borrowing.limit.get(name)
            if limit is None:
                # What others have may grow, so there is no most.
                continue
            most += limit.nano
        if amounts.get(name, 0) > most:
            return NeverWithinQuota(tenant.name, name, quota, amounts[name], most)
    return None


def beyond_quota(grouping: Grouping) -> tuple[str, ...]:
    """Return one warning for each group that waits for ever, because it alone is more than its tenant's quota."""
    warnings = []
    for group in grouping.groups:
        tenant = group.tenant
        # A group with a problem does not wait for quota.
        if tenant is None or not limited(tenant) or group.problem:
            continue
        why = never(tenant, requested([group.gang]))
        if why is not None:
            warnings.append(f"{group.members[0].place}: group {group.key} {why.text}")
    return tuple(warnings)
