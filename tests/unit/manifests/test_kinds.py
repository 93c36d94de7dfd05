"""SkyRay's own kinds: strict, with every problem reported at its place."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from reconciler.errors import InvalidObject
from reconciler.manifests.kinds import (
    Duration,
    Items,
    ObjectMeta,
    Quantity,
    SkyRayModel,
    duration_text,
    json_schema,
    parse_duration,
    problems,
    read_object,
)
from reconciler.manifests.loader import load


class Wheel(SkyRayModel):
    size: int = 26


class CarSpec(SkyRayModel):
    engine: Literal["Petrol", "Electric"]
    idle_after: Duration = 5400.0
    wheels: Items[Wheel] = ()
    load: dict[str, Quantity] = Field(default_factory=dict)
    parked: bool = False


class Car(SkyRayModel):
    api_version: Literal["skyray.dev/v1alpha1"]
    kind: Literal["Car"]
    metadata: ObjectMeta
    spec: CarSpec


DNS_LABEL_RULE = "use small letters, digits and '-', starting and ending with a letter or digit"
HEAD = "apiVersion: skyray.dev/v1alpha1\nkind: Car\nmetadata: {name: beetle}\n"


def read(text: str) -> Car:
    return read_object(Car, load(text.encode(), "car.yaml").documents[0])


def complaints(text: str) -> list[str]:
    with pytest.raises(InvalidObject) as caught:
        read(text)
    return [str(problem) for problem in problems(caught.value)]


def test_fields_are_camel_case_and_lists_become_tuples() -> None:
    car = read(HEAD + "spec: {engine: Petrol, idleAfter: 1h30m, wheels: [{size: 20}, {}], load: {cpu: 1500m}}\n")
    assert car.spec.idle_after == 5400
    assert car.spec.wheels == (Wheel(size=20), Wheel())
    assert car.spec.load["cpu"].milli == 1500


def test_null_is_an_absent_field() -> None:
    assert read(HEAD + "spec: {engine: Petrol, idleAfter: null, wheels: null}\n").spec == CarSpec(engine="Petrol")


def test_every_problem_is_reported_in_the_order_of_the_file() -> None:
    text = HEAD.replace("beetle", "Beetle") + (
        "spec:\n  engine: Petrl\n  idleAftr: 1h\n  wheels:\n  - {size: '20'}\n  parked: yep\n  load: {cpu: -1}\n"
    )
    assert complaints(text) == [
        f"car.yaml:3:18: metadata.name: 'Beetle' is not allowed; {DNS_LABEL_RULE}",
        "car.yaml:5:11: spec.engine is 'Petrl'; use Petrol or Electric",
        "car.yaml:6:13: spec.idleAftr: unknown field; did you mean 'idleAfter'?",
        "car.yaml:8:12: spec.wheels[0].size is '20'; write a number without quotes",
        "car.yaml:9:11: spec.parked is 'yep'; write true or false",
        "car.yaml:10:15: spec.load.cpu: -1 is negative; write 0 or more",
    ]


def test_a_missing_field_is_reported_at_the_map_that_lacks_it() -> None:
    assert complaints(HEAD + "spec:\n  parked: true\n") == ["car.yaml:5:3: spec.engine is missing"]


def test_an_unknown_field_far_from_any_other_lists_what_there_is() -> None:
    assert complaints(HEAD + "spec: {engine: Petrol, wheels: [{colour: red}]}\n") == [
        "car.yaml:4:42: spec.wheels[0].colour: unknown field; use one of size"
    ]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("{engine: Petrol, wheels: {}}", "spec.wheels must be a list"),
        ("[]", "spec must be a map of fields"),
        ("{engine: Petrol, idleAfter: 90}", "write a number with a unit, such as 90s, 10m or 1h30m"),
        ("{engine: Petrol, load: {cpu: 4 cores}}", "is not a quantity"),
        ("{engine: Petrol, load: {cpu: [1]}}", "is not a quantity"),
    ],
)
def test_a_wrong_type_is_said_with_the_right_one(spec: str, said: str) -> None:
    [complaint] = complaints(f"{HEAD}spec: {spec}\n")
    assert complaint.startswith("car.yaml:4:")
    assert said in complaint


@pytest.mark.parametrize("text", ["", "90", "1h 30m", "-1h", "1w", "h", "1.h", "1e3s", None, 90, True])
def test_only_durations_are_durations(text: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**9))
def test_a_duration_is_written_as_it_is_read(seconds: int) -> None:
    assert parse_duration(duration_text(seconds)) == seconds


def test_durations_add_up_their_parts() -> None:
    assert parse_duration("1d2h3m4s500ms") == 86400 + 2 * 3600 + 3 * 60 + 4.5


def test_the_published_schema_says_what_the_reader_allows() -> None:
    schema = json_schema(Car, "Car")
    assert schema["title"] == "Car"
    assert schema["$id"].endswith("/v1alpha1/car.json")
    assert schema["additionalProperties"] is False
    assert schema["properties"]["kind"]["const"] == "Car"
    spec = schema["$defs"]["CarSpec"]["properties"]
    assert spec["idleAfter"]["type"] == "string"
    assert spec["idleAfter"]["default"] == "1h30m"
    assert "title" not in spec["parked"]
    assert spec["engine"]["enum"] == ["Petrol", "Electric"]
