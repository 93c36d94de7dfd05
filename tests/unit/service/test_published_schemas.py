"""The published JSON Schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.service.schemas import schema_files, write_schemas

PUBLISHED = Path(__file__).parents[3] / "docs/schemas"
KINDS = {
    "fleet.json": "Fleet",
    "cluster.json": "Cluster",
    "schedulepolicy.json": "SchedulePolicy",
    "nova-schedulepolicy.json": "SchedulePolicy",
    "tenant.json": "Tenant",
    "addon.json": "AddOn",
    "placement.json": "Placement",
    "clustersnapshot.json": "ClusterSnapshot",
    "fleetsnapshot.json": "FleetSnapshot",
}


def every_schema(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, list):
        for one in part:
            yield from every_schema(one)
    elif isinstance(part, dict):
        yield part
        for one in part.values():
            yield from every_schema(one)


def test_the_published_files_are_what_the_models_say() -> None:
    there = {path.name: path.read_bytes() for path in PUBLISHED.glob("*.json")}
    assert there == schema_files(), "run `make schemas`"


def test_every_schema_is_explained_where_it_lies() -> None:
    readme = (PUBLISHED / "README.md").read_text()
    assert set(schema_files()) == set(KINDS)
    assert [name for name in KINDS if f"`{name}`" not in readme] == []


@pytest.mark.parametrize("name", KINDS)
def test_a_schema_is_whole_and_refuses_unknown_fields(name: str) -> None:
    schema = json.loads(schema_files()[name])
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].endswith(f"/{name}")
    for part in every_schema(schema):
        if isinstance(part.get("$ref"), str):
            assert part["$ref"].startswith("#/$defs/")
            assert part["$ref"].removeprefix("#/$defs/") in schema["$defs"]
    top = schema["$defs"][schema["$ref"].removeprefix("#/$defs/")] if "$ref" in schema else schema
    kind = top["properties"]["kind"]
    assert KINDS[name] in {kind.get("const"), *kind.get("enum", [])}
    assert "kind" in top["required"]
    objects = [part for part in every_schema(schema) if part.get("type") == "object" and "properties" in part]
    lax = [part.get("description") for part in objects if part.get("additionalProperties") is not False]
    assert lax == [] or name == "nova-schedulepolicy.json", "what a running Nova adds to its objects is let through"


def test_writing_removes_schemas_that_are_no_more(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("{}")
    (tmp_path / "README.md").write_text("kept")
    write_schemas(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", *KINDS}
