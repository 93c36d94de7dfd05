"""What is kept for one object, and not for all that are equal to it: a key, and a comparison."""

from __future__ import annotations

from collections.abc import Collection


class Same:
    """A key that is equal for one and the same object only: it stands for what is too large to be compared."""

    __slots__ = ("_it",)

    def __init__(self, it: object) -> None:
        self._it = it  # held, so that nothing else can get its id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self._it is other._it

    def __hash__(self) -> int:
        return id(self._it)


def same_objects(one: Collection[object], other: Collection[object]) -> bool:
    """Tell whether two collections have the same objects in the same order."""
    if len(one) != len(other):
        return False
    return all(left is right for left, right in zip(one, other, strict=True))
