"""The base of all reasons. See `reconciler.reasons` for how to add one.

Reasons are msgspec structs: they are frozen values like the dataclasses elsewhere, but there are more than a hundred
kinds of them, and Python compiles the methods of each dataclass anew at every start (docs/decisions/0013).
"""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, StructMeta
from msgspec.structs import asdict


class _AbstractStructMeta(StructMeta, ABCMeta):
    """Makes structs that may have abstract methods."""


class Reason(Struct, frozen=True, metaclass=_AbstractStructMeta):
    """Why something was decided or refused: equal and hashable by its amounts, which are the fields of its class."""

    @property
    @abstractmethod
    def code(self) -> str:
        """The CamelCase word in records and reports, such as `InsufficientResource`."""

    @property
    def waiting_helps(self) -> bool:
        """Whether this may end without an edit by a person: pods end, nodes are added, time passes."""
        return True

    @property
    def text(self) -> str:
        """The reason in words, with its numbers: a clause without a capital letter and without a full stop."""
        return self._words()

    @property
    def amounts(self) -> Mapping[str, Any]:
        """Its amounts by name; of a reason with a cause, that cause is one of them."""
        return asdict(self)

    @abstractmethod
    def _words(self) -> str: ...


class Caused(Reason, frozen=True):
    """A reason that adds to another one, its `cause`: it has the code of that, and ends with it."""

    cause: Reason

    @property
    def code(self) -> str:
        """That of the cause."""
        return self.cause.code

    @property
    def waiting_helps(self) -> bool:
        """As of the cause."""
        return self.cause.waiting_helps
