"""Why a tenant's quota refuses a group. Amounts are in nano units, and are written as the quota is."""

from __future__ import annotations

from msgspec import Struct

from reconciler.manifests.quantity import Format, Quantity
from reconciler.reasons.reason import Reason
from reconciler.reasons.resource_text import amount_text

EXCEEDED = "QuotaExceeded"
_LONGEST = 8
"""Characters of an amount in a message."""


class Borrowable(Struct, frozen=True):
    """What others can lend a tenant beyond its quota: `amount` more, from `lenders` (None: from all).

    `limit` is the most that the tenant may borrow in all; None: there is no limit.
    """

    amount: int
    lenders: tuple[str, ...] | None
    limit: Quantity | None


class QuotaExceeded(Reason, frozen=True):
    """The tenant uses `used` of its `quota` of `resource`, and the group needs `requested`.

    `current` is what the group itself uses now, 0 for a new one. `lent` is what of the quota others use until their
    groups end. `borrowable` is None for a tenant that may not borrow.
    """

    code = EXCEEDED
    tenant: str
    resource: str
    quota: Quantity
    used: int
    requested: int
    current: int = 0
    lent: int = 0
    borrowable: Borrowable | None = None

    def _words(self) -> str:
        text = f"tenant {self.tenant} uses {self._amount(self.used)} of {self.quota} {self.resource}"
        text += f", group needs {self._amount(self.requested)}"
        if self.current:
            text += f" instead of {self._amount(self.current)}"
        if self.lent:
            text += f"; {self._amount(self.lent)} of it is lent to others until their groups end"
        more = self.borrowable
        if more is None:
            return text
        whom = "other tenants" if more.lenders is None else ", ".join(more.lenders)
        text += f"; {whom} can lend it {self._amount(more.amount)} more"
        return text + (
            f", and it may borrow {more.limit} in all" if more.limit is not None else ""
        )

    def _amount(self, nano: int) -> str:
        return _amount(self.resource, nano, self.quota)


class NeverWithinQuota(Reason, frozen=True):
    """The group alone requests more than its tenant may ever use, `at_most`, even with nothing else placed."""

    code = EXCEEDED
    waiting_helps = False
    tenant: str
    resource: str
    quota: Quantity
    requested: int
    at_most: int

    def _words(self) -> str:
        requested = _amount(self.resource, self.requested, self.quota)
        at_most = _amount(self.resource, self.at_most, self.quota)
        return f"needs {requested} {self.resource}, and tenant {self.tenant} may use at most {at_most}"


def _amount(resource: str, nano: int, like: Quantity) -> str:
    """Write an amount of a resource as its quota is written; of bytes that come out long, the first digits."""
    text = str(
        Quantity(
            nano,
            like.format
            if like.format is not Format.DecimalExponent
            else Format.DecimalSI,
        )
    )
    return (
        text
        if resource == "cpu" or len(text) <= _LONGEST
        else amount_text(resource, nano // 10**9, like)
    )
