"""Amounts in sentences: scheduler units back into what users write (`500m`, `4`, `12Gi`, `12G`)."""

from __future__ import annotations

from msgspec import Struct

from reconciler.manifests.quantity import Format, Quantity

_BYTES = ("memory", "ephemeral-storage")
_NAMES = {"cpu": "CPU", "pods": "pod slots"}
_STEPS = {
    Format.BinarySI: (1024, ("", "Ki", "Mi", "Gi", "Ti", "Pi")),
    Format.DecimalSI: (1000, ("", "k", "M", "G", "T", "P")),
}


class Request(Struct, frozen=True):
    """What one pod requests: `amount` of `resource` in scheduler units (`manifests.podshape`), and as `written`."""

    resource: str
    amount: int
    written: Quantity | None = None

    def __str__(self) -> str:
        """Return for example `cpu 500m`."""
        return (
            f"{self.resource} {self.written or amount_text(self.resource, self.amount)}"
        )

    def text_of(self, amount: int) -> str:
        """Return another amount of the resource (scheduler units) in the notation of the request."""
        return amount_text(self.resource, amount, self.written)


def resource_name(resource: str) -> str:
    """Return a resource as a sentence names it: `CPU`, `pod slots`; others as users write them."""
    return _NAMES.get(resource, resource)


def amount_text(resource: str, amount: int, like: Quantity | None = None) -> str:
    """Return `amount` of `resource` as a quantity, rounded down to three digits or so.

    `like`: the notation to use for bytes, that of the amount it is compared with; binary without.
    """
    if resource == "cpu":
        return str(Quantity(amount * 10**6))
    if resource not in _BYTES and not resource.startswith("hugepages-"):
        return str(amount)
    binary = like is None or like.format is Format.BinarySI
    step, suffixes = _STEPS[Format.BinarySI if binary else Format.DecimalSI]
    power = 0
    while abs(amount) >= step ** (power + 1) and power < len(suffixes) - 1:
        power += 1
    unit = step**power
    whole, rest = divmod(abs(amount), unit)
    tenths = rest * 10 // unit
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole}{f'.{tenths}' if tenths else ''}{suffixes[power]}"
