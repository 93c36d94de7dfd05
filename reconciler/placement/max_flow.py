"""The most that lenders can cover of what borrowers have beyond their quotas, all at once: a maximum flow."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import pairwise

_Amounts = Mapping[str, int]


def max_flow(
    excess: _Amounts,
    lendable: _Amounts,
    lenders: Mapping[str, Iterable[str]],
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
        given = steps[::2]
        taken_back = [(borrower, lender) for lender, borrower in steps[1::2]]
        limits = [lent[pair] for pair in taken_back]
        amount = min(left[path[0]], spare[path[-1]], *limits)
        for pair in given:
            lent[pair] = lent.get(pair, 0) + amount
        for pair in taken_back:
            lent[pair] -= amount
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
    # Borrowers are sorted, so that equal input gives equal paths.
    borrowers = sorted(left)
    waiting = deque([one] for one in borrowers if left[one] > 0)
    seen: set[str] = set()
    while waiting:
        path = waiting.popleft()
        for lender in lenders[path[-1]]:
            if lender in seen:
                continue
            seen.add(lender)
            if spare[lender] > 0:
                return [*path, lender]
            # What it lent to others may be had from it, if these can borrow elsewhere.
            for borrower in borrowers:
                if lent.get((borrower, lender), 0) > 0:
                    waiting.append([*path, lender, borrower])
    return None
