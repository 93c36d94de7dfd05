"""The published JSON Schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.manifests.loader import load
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


def refused(schema: dict[str, Any], part: Any, value: Any, at: str = "") -> str:
    """Say where `part` of a schema does not accept `value`; empty if it does. It knows the words that we use only."""
    if "$ref" in part:
        part = schema["$defs"][part["$ref"].removeprefix("#/$defs/")]
    if "anyOf" in part:
        told = [refused(schema, one, value, at) for one in part["anyOf"]]
        return "" if "" in told else told[0]
    types = {"string": str, "boolean": bool, "integer": int, "number": int | float, "object": dict, "array": list}
    if "type" in part and not (isinstance(value, types[part["type"]]) if part["type"] != "null" else value is None):
        return f"{at}: {value!r} is no {part['type']}"
    if value not in part.get("enum", [value]) or value != part.get("const", value):
        return f"{at}: {value!r} is not among the values"
    if isinstance(value, list):
        return next(filter(None, (refused(schema, part.get("items", {}), one, f"{at}[]") for one in value)), "")
    if not isinstance(value, dict):
        return ""
    known, more = part.get("properties", {}), part.get("additionalProperties", True)
    if missing := [name for name in part.get("required", []) if name not in value]:
        return f"{at}: {missing} missing"
    told = [
        f"{at}.{name}: unknown" if more is False and name not in known
        else refused(schema, known.get(name, more if isinstance(more, dict) else {}), one, f"{at}.{name}")
        for name, one in value.items()
    ]  # fmt: skip
    return next(filter(None, told), "")


REPO = PUBLISHED.parents[1]
WRITTEN = {
    str(path.relative_to(REPO)): path.read_text()
    for folder in ("policies", "fleet-repo-template/policies", "fleet-repo-template/addons")
    for path in sorted((REPO / folder).rglob("*.yaml"))
}
EXAMPLES = {
    "a tenant": """
apiVersion: skyray.dev/v1alpha1
kind: Tenant
metadata: {name: a}
spec:
  namespaces: [a]
  kinds: [RayJob, {kind: Job, group: batch}]
  additionalKinds: [SecretStore]
  quota: {requests: {nvidia.com/gpu: 8, cpu: 500m}}
  borrowing: {from: any, limit: {nvidia.com/gpu: "2"}}
  podFeatures: {allow: [HostPath, Sysctls], serviceAccounts: [ray], capabilities: [SYS_PTRACE]}
""",
    "a cluster": """
apiVersion: skyray.dev/v1alpha1
kind: Cluster
metadata: {name: c, labels: {cluster.class: production}}
spec:
  access: {snapshot: {file: snapshots/c.json}}
  autoscaler:
    kind: ClusterAutoscaler
    nodePools: [{name: l4, maxNodes: 8, pricePerHour: 0.71, allocatable: {cpu: "15", memory: 58Gi, nvidia.com/gpu: 1}}]
  headroom: {cpu: 5%, memory: 2Gi}
  standby: {mode: Suspend, idleAfter: 1h}
""",
}


@pytest.mark.parametrize("title", [*WRITTEN, *EXAMPLES])
def test_an_editor_accepts_what_skyray_accepts(title: str) -> None:
    schemas = {name: json.loads(data) for name, data in schema_files().items()}
    for document in load((WRITTEN | EXAMPLES)[title].encode(), title).documents:
        group, kind = document.body["apiVersion"].partition("/")[0], document.body["kind"]
        name = {"skyray.dev": "", "policy.elotl.co": "nova-"}.get(group)
        if name is not None:
            schema = schemas[f"{name}{kind.lower()}.json"]
            assert refused(schema, schema, document.body) == ""
            assert refused(schema, schema, {**document.body, "spce": {}}) != ""


@pytest.mark.parametrize("name", KINDS)
def test_an_editor_shows_what_is_meant_and_not_where_the_code_says_it(name: str) -> None:
    told = [part.get("description", "") for part in every_schema(json.loads(schema_files()[name]))]
    assert [text for text in told if "see `" in str(text)] == []


def test_writing_removes_schemas_that_are_no_more(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("{}")
    (tmp_path / "README.md").write_text("kept")
    write_schemas(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", *KINDS}
