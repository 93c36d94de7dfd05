"""What the autoscaler of a cluster may add beside what is known, so that nothing is said never to fit.

`file` is the cluster's inventory file, in which its pools can be declared.
"""

from __future__ import annotations

from reconciler.reasons.reason import Reason

_CODE = "UnknownPools"


class UndeclaredPools(Reason, frozen=True):
    """Luna does not report the nodes that it may add, and the inventory declares none."""

    code = _CODE
    file: str

    def _words(self) -> str:
        return f"Luna may add nodes, but which ones is not declared: {_declare('them', self.file)}"


class UnknownPools(Reason, frozen=True):
    """What `autoscaler` may add is not known; `note` says why, if the observer knows."""

    code = _CODE
    autoscaler: str
    note: str
    file: str

    def _words(self) -> str:
        why = f" ({self.note})" if self.note else ""
        return f"what {self.autoscaler} may add is not known{why}: {_declare('them', self.file)}"


class PoolOnHold(Reason, frozen=True):
    """The pool adds no nodes now; `held` says why, in the autoscaler's words."""

    code = _CODE
    pool: str
    held: str

    def _words(self) -> str:
        return f"node pool {self.pool} adds none now: {self.held}"


class UnknownNodeShape(Reason, frozen=True):
    """`pools` may add nodes of unknown size, because none of theirs exists yet."""

    code = _CODE
    pools: tuple[str, ...]
    file: str

    def _words(self) -> str:
        pools = " and ".join(self.pools)
        return f"the node shape of pool {pools} is not known, because no node of it exists: {_declare('it', self.file)}"


class OtherNodeShapes(Reason, frozen=True):
    """`pools` may add nodes of other types or zones than the known ones."""

    code = _CODE
    pools: tuple[str, ...]

    def _words(self) -> str:
        return f"node pool {' and '.join(self.pools)} may add nodes of other types or zones than those it has"


def _declare(what: str, file: str) -> str:
    return f"declare {what} under autoscaler.nodePools in {file}"
