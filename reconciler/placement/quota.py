"""What tenants use of their quotas while a plan is made, and why a group may not use more.

A tenant uses what its placed groups request, as admitted, whether or not their pods exist yet. Beyond its quota it may
borrow what others leave unused, and all that is borrowed must be coverable at once: per resource, the excess of every
borrower is matched with the unused quota of those it may borrow from, as a maximum flow. A group is refused when it
would leave more uncovered than before, so a quota lowered under running groups stops new ones only.

Borrowers come after all who stay within their own quota, and what a lender's own waiting group was refused is not lent
on. So what was lent comes back as fast as the borrowers' groups end; nothing is evicted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.kube_scheduler.gang import Gang
from reconciler.placement.max_flow import max_flow
from reconciler.policy.tenant import Tenant
from reconciler.reasons.quota import Borrowable, NeverWithinQuota, QuotaExceeded
from reconciler.workloads.group import Group, GroupKey

PODS = "pods"

_Amounts = Mapping[str, int]
"""Amounts by resource, in nano units."""

_Charge = tuple[str, _Amounts]
"""A tenant's name, and what a group counts for in its usage."""

_NO_CHARGE: _Charge = ("", {})


def requested(gangs: Iterable[Gang]) -> dict[str, int]:
    """Return what all `gangs` together request, in nano units by resource; `pods` is their number."""
    total: dict[str, int] = {PODS: 0}
    for gang in gangs:
        for pod_set in gang.pod_sets:
            total[PODS] += pod_set.count * 10**9
            for name, amount in pod_set.requests.items():
                # Pods are counted, whatever they say that they request of them.
                if name == PODS:
                    continue
                of_set = amount.nano * pod_set.count
                total[name] = total.get(name, 0) + of_set
    return total


def limited(tenant: Tenant | None) -> bool:
    """Tell whether there is anything to count for a tenant's groups."""
    return tenant is not None and bool(tenant.quota)


def most(
    gang: Gang,
    clusters: Iterable[str],
) -> dict[str, int]:
    """Return the most of each resource that a gang requests on any of the `clusters`, see `requested`."""
    # Many clusters may share one variant, which is counted once.
    variants: dict[int, Gang] = {}
    for cluster in clusters:
        variant = gang.on(cluster)
        variants[id(variant)] = variant
    total: dict[str, int] = {}
    for variant in variants.values() or [gang]:
        amounts = requested([variant])
        for name, amount in amounts.items():
            total[name] = max(total.get(name, 0), amount)
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
    charged: Mapping[GroupKey, _Charge] = field(default_factory=dict)
    changed: Mapping[GroupKey, _Charge] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        tenants: Iterable[Tenant],
        charged: Iterable[tuple[GroupKey, Tenant | None, _Amounts]],
    ) -> QuotaUsage:
        """Return the usage with what placed groups are `charged`: group, its tenant, and what it requests."""
        used: dict[str, dict[str, int]] = {}
        known: dict[GroupKey, _Charge] = {}
        for key, tenant, amounts in charged:
            # Nothing is counted for a tenant that has no quota.
            if tenant is None or not limited(tenant):
                continue
            known[key] = (tenant.name, amounts)
            own = used.setdefault(tenant.name, {})
            for name, amount in amounts.items():
                own[name] = own.get(name, 0) + amount
        by_name = {tenant.name: tenant for tenant in tenants}
        return cls(by_name, used, {}, known)

    def add_usage(
        self,
        key: GroupKey,
        tenant: Tenant | None,
        amounts: _Amounts,
    ) -> QuotaUsage:
        """Return the usage with `amounts` as what a group uses, in place of what it used before."""
        owner, before = self._charge_of(key)
        if not before and not limited(tenant):
            return self
        used = dict(self.used)
        # The namespace may have had another tenant when the group was charged.
        if before:
            so_far = used.get(owner, {})
            used[owner] = _sum(so_far, before, -1)
        charge = _NO_CHARGE
        if tenant is not None and limited(tenant):
            so_far = used.get(tenant.name, {})
            used[tenant.name] = _sum(so_far, amounts, 1)
            charge = (tenant.name, amounts)
        changed = {**self.changed, key: charge}
        return replace(self, used=used, changed=changed)

    def without_claims(self) -> QuotaUsage:
        """Return the usage with no claims of waiting groups."""
        return replace(self, claimed={})

    def refusal(
        self,
        key: GroupKey,
        tenant: Tenant | None,
        amounts: _Amounts,
    ) -> QuotaExceeded | None:
        """Return why a group may not use `amounts` in place of what it uses now; None when it may."""
        if tenant is None:
            return None
        before = self._charged_to(tenant, key)
        for name, quota in tenant.quota.items():
            own = before.get(name, 0)
            more = amounts.get(name, 0) - own
            # What does not grow is not refused, also where the quota was lowered.
            if more <= 0:
                continue
            used = self._used(tenant, name)
            excess = max(0, used + more - quota.nano)
            if not self._granted(tenant, name, more, excess):
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
        if refusal is None or tenant is None:
            return refusal, self
        # What it would have to borrow is not its own to claim.
        if self.exceeds(group.key, tenant, amounts):
            return refusal, self
        so_far = self.claimed.get(tenant.name, {})
        claims = _sum(so_far, amounts, 1)
        claimed = {**self.claimed, tenant.name: claims}
        return refusal, replace(self, claimed=claimed)

    def must_borrow(self, group: Group) -> bool:
        """Tell whether a group can only be placed with quota that others lend."""
        tenant = group.tenant
        if tenant is None or tenant.borrowing is None:
            return False
        amounts = requested([group.gang])
        return self.exceeds(group.key, tenant, amounts)

    def exceeds(
        self,
        key: GroupKey,
        tenant: Tenant,
        amounts: _Amounts,
    ) -> bool:
        """Tell whether a group that uses `amounts` would take its tenant beyond its own quota."""
        before = self._charged_to(tenant, key)
        for name, quota in tenant.quota.items():
            amount = amounts.get(name, 0)
            # The tenant may be beyond its quota of what this group does not request.
            if not amount:
                continue
            others = self._used(tenant, name) - before.get(name, 0)
            if others + amount > quota.nano:
                return True
        return False

    def _charge_of(self, key: GroupKey) -> _Charge:
        """Return what a group is charged at this point of the plan."""
        changed = self.changed.get(key)
        if changed is not None:
            return changed
        return self.charged.get(key, _NO_CHARGE)

    def _charged_to(self, tenant: Tenant, key: GroupKey) -> _Amounts:
        """Return what a group counts for in the usage of `tenant`."""
        owner, amounts = self._charge_of(key)
        return amounts if owner == tenant.name else {}

    def _used(self, tenant: Tenant, name: str) -> int:
        of_tenant = self.used.get(tenant.name, {})
        return of_tenant.get(name, 0)

    def _lending(self) -> bool:
        return any(tenant.borrowing for tenant in self.tenants.values())

    def _granted(
        self,
        tenant: Tenant,
        name: str,
        more: int,
        excess: int,
    ) -> bool:
        """Tell whether a tenant may use `more` of a resource, which brings it `excess` beyond its quota."""
        if excess and tenant.borrowing is None:
            return False
        # Where no tenant borrows, the quota is all that counts.
        if not self._lending():
            return True
        limit = tenant.borrowing.limit.get(name) if tenant.borrowing else None
        if limit is not None and excess > limit.nano:
            return False
        borrows = excess > 0
        uncovered_then = self._uncovered(name, {tenant.name: more}, borrows)
        # Some may be uncovered already, where a quota was lowered under running groups.
        uncovered_now = self._uncovered(name, {}, borrows)
        return uncovered_then <= uncovered_now

    def _exceeded(
        self,
        tenant: Tenant,
        name: str,
        used: int,
        needs: int,
        own: int,
    ) -> QuotaExceeded:
        """Return why a group may not have what it `needs` of a resource, `own` of which it uses already."""
        borrowable = None
        if tenant.borrowing is not None:
            limit = tenant.borrowing.limit.get(name)
            amount = self._borrowable(tenant, name)
            borrowable = Borrowable(amount, tenant.borrowing.lenders, limit)
        return QuotaExceeded(
            tenant.name,
            name,
            tenant.quota[name],
            used,
            needs,
            own,
            self._lent(tenant, name),
            borrowable,
        )

    def _lent(self, tenant: Tenant, name: str) -> int:
        """Return how much of a tenant's unused quota cannot be had back now, because borrowers use it."""
        spare = self._spare(tenant, name)
        if spare <= 0 or not self._lending():
            return 0
        # If the tenant used all of it, what borrowers have of it would be uncovered.
        uncovered_then = self._uncovered(name, {tenant.name: spare}, False)
        uncovered_now = self._uncovered(name, {}, False)
        return uncovered_then - uncovered_now

    def _borrowable(self, tenant: Tenant, name: str) -> int:
        """Return how much more than its quota, and than what it borrowed already, others can lend a tenant."""
        at_most = 0
        for lender in self._lenders(tenant):
            at_most += max(0, self._spare(lender, name))
        # If the tenant borrowed all that lenders have, what others have borrowed of it would be uncovered.
        more = max(0, self._spare(tenant, name)) + at_most
        uncovered_then = self._uncovered(name, {tenant.name: more}, True)
        uncovered_now = self._uncovered(name, {}, True)
        return max(0, at_most - uncovered_then + uncovered_now)

    def _spare(self, tenant: Tenant, name: str) -> int:
        """Return what a tenant leaves unused of its quota; negative where it uses more."""
        quota = tenant.quota.get(name)
        # Without a quota of the resource it has nothing to lend, and needs to borrow none.
        return quota.nano - self._used(tenant, name) if quota is not None else 0

    def _lenders(self, tenant: Tenant) -> list[Tenant]:
        borrowing = tenant.borrowing
        if borrowing is None:
            return []
        # None stands for `any`.
        named = self.tenants if borrowing.lenders is None else borrowing.lenders
        others = [name for name in sorted(named) if name != tenant.name]
        return [self.tenants[name] for name in others]

    def _uncovered(
        self,
        name: str,
        more: Mapping[str, int],
        borrows: bool,
    ) -> int:
        """Return how much of resource `name` is used beyond quotas and covered by no lender, if `more` were used too.

        A lender covers with what it leaves unused; for one who `borrows`, less what its own waiting groups claim.
        """
        spare: dict[str, int] = {}
        for tenant in self.tenants.values():
            if name in tenant.quota:
                left = self._spare(tenant, name)
                spare[tenant.name] = left - more.get(tenant.name, 0)
        excess = {one: -left for one, left in spare.items() if left < 0}
        if not excess:
            return 0
        lendable = self._lendable(name, spare, borrows)
        lenders: dict[str, list[str]] = {}
        for borrower in excess:
            lenders[borrower] = []
            for lender in self._lenders(self.tenants[borrower]):
                # `max_flow` knows only those that have something to lend.
                if lender.name in lendable:
                    lenders[borrower].append(lender.name)
        covered = max_flow(excess, lendable, lenders)
        return sum(excess.values()) - covered

    def _lendable(
        self,
        name: str,
        spare: _Amounts,
        borrows: bool,
    ) -> dict[str, int]:
        """Return what each tenant can lend of what it has to spare, see `_uncovered`."""
        lendable: dict[str, int] = {}
        for lender, left in spare.items():
            claims = self.claimed.get(lender, {})
            kept = claims.get(name, 0) if borrows else 0
            if left > kept:
                lendable[lender] = left - kept
        return lendable


def _sum(
    amounts: _Amounts,
    more: _Amounts,
    sign: int,
) -> dict[str, int]:
    """Return `amounts` with `sign` times `more` added."""
    total = dict(amounts)
    for name, amount in more.items():
        total[name] = total.get(name, 0) + sign * amount
    return total


def never(tenant: Tenant, amounts: _Amounts) -> NeverWithinQuota | None:
    """Return why a tenant could never have `amounts`, even with nothing else placed; None when it could."""
    for name, quota in tenant.quota.items():
        at_most = quota.nano
        if tenant.borrowing is not None:
            limit = tenant.borrowing.limit.get(name)
            # What others have may grow, so without a limit there is no most.
            if limit is None:
                continue
            at_most += limit.nano
        if amounts.get(name, 0) > at_most:
            return NeverWithinQuota(tenant.name, name, quota, amounts[name], at_most)
    return None


def beyond_quota(group: Group) -> str:
    """Return a warning for a group that waits for ever, because it alone is more than its tenant's quota; else none."""
    tenant = group.tenant
    # A group with a problem does not wait for quota.
    if tenant is None or not limited(tenant) or group.problem:
        return ""
    why = never(tenant, requested([group.gang]))
    if why is None:
        return ""
    return f"{group.members[0].place}: group {group.key} {why.text}"
