"""Kubernetes resource quantities (`500m`, `12G`, `1536Mi`, `1e3`), exact to the nano unit.

A quantity is a whole number of nano units and the notation it was written in, so sums are exact and are written in the
notation of their author. The rules are those of `resource.Quantity` in
k8s.io/apimachinery/pkg/api/resource/quantity.go: finer amounts are rounded up, away from zero; binary amounts are
capped at 2^63 - 1. There are three differences. A number needs a digit (the Go parser reads `m` as 0, the schema
of every CRD refuses it); an exponent beyond 64 or a text beyond 64 characters is refused, because it is a mistake or an
attack; and `str()` is always the canonical form, also where Go happens to give back the text that it parsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from math import isfinite

from reconciler.errors import InvalidObject, Place

_NANO = 10**9
_MILLI_IN_NANO = 10**6
_MAX_BINARY = ((1 << 63) - 1) * _NANO
_MAX_TEXT = 64
_MAX_EXPONENT = 64
_QUANTITY = re.compile(
    r"([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?"
)
_DECIMAL_EXPONENT = {
    "n": -9,
    "u": -6,
    "m": -3,
    "": 0,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL_EXPONENT.items()}
_BINARY_SUFFIXES = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_BINARY_FACTOR = {
    suffix: 1024**power for power, suffix in enumerate(_BINARY_SUFFIXES) if power
}


class Format(Enum):
    """How a quantity is written: `12G`, `12Gi` or `12e9`."""

    DecimalSI = "DecimalSI"
    BinarySI = "BinarySI"
    DecimalExponent = "DecimalExponent"


@dataclass(frozen=True, slots=True, order=True)
class Quantity:
    """An amount of a resource, in units of 10^-9. Equality, order and hash look at the amount alone."""

    nano: int
    format: Format = field(default=Format.DecimalSI, compare=False)

    @classmethod
    def parse(cls, text: str | float) -> Quantity:
        """Read what a manifest says: a string, or a plain YAML number. Raise `ValueError`, in one line, for others."""
        if isinstance(text, float) and isfinite(text):
            return _parse(_go_float(text))
        if isinstance(text, int) and not isinstance(text, bool):
            return _parse(str(text))
        if isinstance(text, str):
            return _parse(text.strip())
        raise _not_a_quantity(text)

    @property
    def value(self) -> int:
        """Whole units, rounded up (away from zero)."""
        return _round_up(self.nano, _NANO)

    @property
    def milli(self) -> int:
        """Thousandths of a unit, rounded up (away from zero): millicores for `cpu`."""
        return _round_up(self.nano, _MILLI_IN_NANO)

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(
            self.nano + other.nano, self.format if self.nano else other.format
        )

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(
            self.nano - other.nano, self.format if self.nano else other.format
        )

    def __mul__(self, times: int) -> Quantity:
        return Quantity(self.nano * times, self.format)

    def __bool__(self) -> bool:
        return self.nano != 0

    def __str__(self) -> str:
        """Return the canonical form: the largest suffix that leaves a whole number, in the notation of `format`."""
        if not self.nano:
            return "0"
        if (
            self.format is Format.BinarySI
            and abs(self.nano) >= 1024 * _NANO
            and not self.nano % _NANO
        ):
            return _binary_text(self.nano // _NANO)
        return _decimal_text(
            self.nano, exponent_form=self.format is Format.DecimalExponent
        )


Resources = Mapping[str, Quantity]
"""Amounts by resource name, as in `requests`, `limits` and `allocatable`."""


def add_resources(a: Resources, b: Resources) -> dict[str, Quantity]:
    """Return the sum by name; a name that only one side has counts as it is."""
    total = dict(a)
    for name, amount in b.items():
        total[name] = total[name] + amount if name in total else amount
    return total


def max_resources(a: Resources, b: Resources) -> dict[str, Quantity]:
    """Return the larger amount by name; a name that only one side has counts as it is."""
    most = dict(a)
    for name, amount in b.items():
        if name not in most or most[name] < amount:
            most[name] = amount
    return most


def parse_resources(
    obj: object, what: str = "resources", place: Place | None = None
) -> dict[str, Quantity]:
    """Read a map of resource names to quantities; a missing map (None) is empty.

    `what` names the field in errors, as in `spec.containers[0].resources.requests`. Raises `InvalidObject` for anything
    that is not such a map, and for negative amounts, which Kubernetes refuses too.
    """
    if obj is None:
        return {}
    if not isinstance(obj, Mapping):
        raise InvalidObject(
            f"{what} must be a map such as {{cpu: 500m, memory: 16Gi}}", place
        )
    resources: dict[str, Quantity] = {}
    for name, text in obj.items():
        try:
            amount = Quantity.parse(text)
        except ValueError as error:
            raise InvalidObject(f"{what}.{name}: {error}", place) from None
        if amount.nano < 0:
            raise InvalidObject(
                f"{what}.{name}: {text!r} is negative; write 0 or more", place
            )
        resources[name] = amount
    return resources


def scheduler_units(resources: Resources) -> dict[str, int]:
    """Return what kube-scheduler counts in: `cpu` in millicores, all else in whole units, each rounded up.

    This is `Resource.Add` in kube-scheduler's framework/types.go.
    """
    return {
        name: amount.milli if name == "cpu" else amount.value
        for name, amount in resources.items()
    }


@lru_cache(maxsize=4096)
def _parse(text: str) -> Quantity:
    match = _QUANTITY.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if match is None:
        raise _not_a_quantity(text)
    sign, whole, fraction, only_fraction, suffix = match.groups(default="")
    fraction = fraction or only_fraction
    unscaled = int(whole + fraction or "0")
    if suffix in _BINARY_FACTOR:
        format_ = Format.BinarySI
        nano = min(
            _scaled_up(unscaled * _BINARY_FACTOR[suffix], 9 - len(fraction)),
            _MAX_BINARY,
        )
        if 0 < nano < _NANO:
            format_ = Format.DecimalSI
    else:
        format_ = (
            Format.DecimalSI if suffix in _DECIMAL_EXPONENT else Format.DecimalExponent
        )
        exponent = (
            _DECIMAL_EXPONENT[suffix]
            if suffix in _DECIMAL_EXPONENT
            else int(suffix[1:])
        )
        if abs(exponent) > _MAX_EXPONENT:
            raise ValueError(
                f"{text!r} is out of range; write an exponent of at most {_MAX_EXPONENT} either way"
            )
        nano = _scaled_up(unscaled, 9 + exponent - len(fraction))
    return Quantity(-nano if sign == "-" else nano, format_)


def _scaled_up(number: int, exponent: int) -> int:
    """Return number * 10^exponent, rounded up to a whole number."""
    return (
        number * int(10**exponent)
        if exponent >= 0
        else -(-number // int(10**-exponent))
    )


def _round_up(nano: int, unit: int) -> int:
    return -(-nano // unit) if nano >= 0 else nano // unit


def _decimal_text(nano: int, *, exponent_form: bool) -> str:
    number, exponent = nano, -9
    while number % 1000 == 0 and (exponent_form or exponent < 18):
        number //= 1000
        exponent += 3
    if exponent_form:
        return f"{number}e{exponent}" if exponent else str(number)
    return f"{number}{_DECIMAL_SUFFIX[exponent]}"


def _binary_text(number: int) -> str:
    power = 0
    while number % 1024 == 0 and power < len(_BINARY_SUFFIXES) - 1:
        number //= 1024
        power += 1
    return f"{number}{_BINARY_SUFFIXES[power]}"


def _go_float(number: float) -> str:
    """Write a float as Go's encoding/json does, which is the text that the API server parses."""
    text = repr(number)
    return format(Decimal(text), "f") if 1e-6 <= abs(number) < 1e21 else text


def _not_a_quantity(text: object) -> ValueError:
    shown = (
        repr(text) if len(repr(text)) <= _MAX_TEXT else repr(text)[:_MAX_TEXT] + "..."
    )
    return ValueError(
        f"{shown} is not a quantity; write a number such as 4, 500m or 16Gi"
    )
