from __future__ import annotations

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.errors import InvalidObject, Place
from reconciler.manifests.quantity import (
    Format,
    Quantity,
    add_resources,
    max_resources,
    parse_resources,
    scheduler_units,
)

FACTORS: dict[str, int | Fraction] = {"": 1, "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000)}
FACTORS |= {suffix: 1000**power for power, suffix in enumerate("kMGTPE", 1)}
FACTORS |= {suffix + "i": 1024**power for power, suffix in enumerate("KMGTPE", 1)}
FACTORS |= {f"e{power}": Fraction(10) ** power for power in range(-12, 13)}

# written, canonical, Value(), MilliValue(): what k8s.io/apimachinery v0.34.0 answers.
GO_ANSWERS = [
    ("12G", "12G", 12 * 10**9, 12 * 10**12),
    ("1536Mi", "1536Mi", 1536 * 2**20, 1536 * 2**20 * 1000),
    ("1.5Gi", "1536Mi", 1536 * 2**20, 1536 * 2**20 * 1000),
    ("1024Mi", "1Gi", 2**30, 2**30 * 1000),
    ("0.5", "500m", 1, 500),
    (".5", "500m", 1, 500),
    ("2.", "2", 2, 2000),
    ("+3", "3", 3, 3000),
    ("007", "7", 7, 7000),
    ("1e3", "1e3", 1000, 10**6),
    ("1E3", "1e3", 1000, 10**6),
    ("100e-3", "100e-3", 1, 100),
    ("1500m", "1500m", 2, 1500),
    ("1500", "1500", 1500, 1_500_000),
    ("3000", "3k", 3000, 3_000_000),
    ("1E", "1E", 10**18, 10**21),
    ("0.1Ki", "102400m", 103, 102_400),
    ("512Ki", "512Ki", 512 * 1024, 512 * 1024 * 1000),
    ("0.001Ki", "1024m", 2, 1024),
    ("0.0005Ki", "512m", 1, 512),
    ("1Ki", "1Ki", 1024, 1_024_000),
    ("9Ei", "9223372036854775807", 2**63 - 1, (2**63 - 1) * 1000),
    ("0.1n", "1n", 1, 1),
    ("1n", "1n", 1, 1),
    ("0.0000000011", "2n", 1, 1),
    ("-1.5", "-1500m", -2, -1500),
    ("0", "0", 0, 0),
    ("0Gi", "0", 0, 0),
]


@pytest.mark.parametrize(("written", "canonical", "value", "milli"), GO_ANSWERS)
def test_a_quantity_means_what_kubernetes_reads(written: str, canonical: str, value: int, milli: int) -> None:
    quantity = Quantity.parse(written)
    assert (str(quantity), quantity.value, quantity.milli) == (canonical, value, milli)


@pytest.mark.parametrize(
    ("number", "canonical"),
    [(4, "4"), (0.5, "500m"), (1.0, "1"), (1e16, "10P"), (1e21, "1e21"), (1e-7, "100e-9"), (12_000, "12k")],
)
def test_plain_yaml_numbers_are_quantities(number: float, canonical: str) -> None:
    assert str(Quantity.parse(number)) == canonical


@pytest.mark.parametrize(
    "garbage",
    [
        *["", " ", "m", "Ki", ".", "+", "1 Gi", "1gi", "1K", "12GB", "1e", "1e1.5", "1_000", "0x10", "--1", "1.2.3"],
        *["1,5", "٣", "e3", "1e99999999", "1" * 65, "NaN", True, False, None, [], {}, float("nan"), float("inf")],
    ],
)  # fmt: skip
def test_what_is_no_quantity_is_refused_in_one_line(garbage: object) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]*(is not a quantity; write|out of range; write)[^\n]*$"):
        Quantity.parse(garbage)  # type: ignore[arg-type] # users write anything


def test_space_around_a_quantity_is_ignored_as_kubernetes_does() -> None:
    assert Quantity.parse(" 4Gi ") == Quantity.parse("4Gi")


decimals = st.decimals(0, 10**15, places=None, allow_nan=False, allow_infinity=False).map(lambda number: f"{number:f}")


@given(decimals.filter(lambda text: len(text) < 50), st.sampled_from(sorted(FACTORS)))
def test_parsing_is_exact_and_rounds_up_to_the_nano(number: str, suffix: str) -> None:
    exact = Fraction(number) * FACTORS[suffix]
    if suffix.endswith("i"):
        exact = min(exact, Fraction(2**63 - 1))
    quantity = Quantity.parse(number + suffix)
    assert quantity.nano == ceil(exact * 10**9)
    assert quantity.milli == ceil(Fraction(quantity.nano, 10**6))
    assert quantity.value == ceil(Fraction(quantity.nano, 10**9))
    assert Quantity.parse(f"-{number}{suffix}").value == -quantity.value


@example(5000 * 10**9, Format.BinarySI)
@given(st.integers(-(10**30), 10**30), st.sampled_from(Format))
def test_the_canonical_form_is_read_back_and_is_stable(nano: int, form: Format) -> None:
    nano = max(min(nano, (2**63 - 1) * 10**9), -(2**63 - 1) * 10**9) if form is Format.BinarySI else nano
    text = str(Quantity(nano, form))
    again = Quantity.parse(text)
    assert again.nano == nano
    # A binary number that 1024 does not divide has no suffix, so it is read as a decimal one: Go's resource.Quantity
    # (apimachinery 0.36.4) writes 5000 in BinarySI as "5000", and what it reads from that as "5k".
    without_suffix = form is Format.BinarySI and again.format is Format.DecimalSI
    assert str(again) == (str(Quantity(nano, Format.DecimalSI)) if without_suffix else text)


def test_a_sum_is_written_as_its_left_side_unless_that_is_zero() -> None:
    binary, decimal, none = Quantity.parse("1Gi"), Quantity.parse("1G"), Quantity.parse("0")
    assert str(binary + binary) == "2Gi"
    assert (binary + decimal).format is Format.BinarySI
    assert (decimal + binary).format is Format.DecimalSI
    assert (none + binary).format is Format.BinarySI
    assert str(Quantity.parse("2Gi") - binary) == "1Gi"
    assert str(Quantity.parse("1536Mi") * 4) == "6Gi"


def test_quantities_compare_by_amount_alone() -> None:
    assert Quantity.parse("1024Mi") == Quantity.parse("1Gi")
    assert hash(Quantity.parse("1k")) == hash(Quantity.parse("1e3"))
    assert Quantity.parse("1G") < Quantity.parse("1Gi") < Quantity.parse("1.1Gi")
    assert not Quantity.parse("0Gi")
    assert Quantity.parse("1n")


def test_resources_add_and_take_the_larger_by_name() -> None:
    a = parse_resources({"cpu": "500m", "memory": "1Gi"})
    b = parse_resources({"cpu": 2, "nvidia.com/gpu": 1})
    assert {name: str(amount) for name, amount in add_resources(a, b).items()} == {
        "cpu": "2500m",
        "memory": "1Gi",
        "nvidia.com/gpu": "1",
    }
    assert {name: str(amount) for name, amount in max_resources(a, b).items()} == {
        "cpu": "2",
        "memory": "1Gi",
        "nvidia.com/gpu": "1",
    }
    assert str(a["cpu"]) == "500m"


def test_the_scheduler_counts_cpu_in_millicores_and_rounds_up() -> None:
    resources = parse_resources({"cpu": "1.0001", "memory": "1.5", "nvidia.com/gpu": 1, "example.com/cpu": "100m"})
    assert scheduler_units(resources) == {"cpu": 1001, "memory": 2, "nvidia.com/gpu": 1, "example.com/cpu": 1}


def test_missing_resources_are_none_at_all() -> None:
    assert parse_resources(None) == {}


@pytest.mark.parametrize("wrong", [[], "4", 4, {"cpu": "4 cores"}, {"cpu": None}, {"cpu": "-1"}, {"memory": {"a": 1}}])
def test_wrong_resources_name_the_field_and_the_place(wrong: object) -> None:
    with pytest.raises(InvalidObject) as caught:
        parse_resources(wrong, "resources.requests", Place("job.yaml", 7, 3))
    assert str(caught.value).startswith("job.yaml:7:3: resources.requests")
