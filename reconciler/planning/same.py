"""A key of a cache that stands for one object, and not for all that are equal to it."""

from __future__ import annotations


class Same:
    """A key that is equal for one and the same object only: it stands for what is too large to be compared."""

    __slots__ = ("_it",)

    def __init__(self, it: object) -> None:
        self._it = it  # held, so that nothing else can get its id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self._it is other._it

    def __hash__(self) -> int:
        return id(self._it)
