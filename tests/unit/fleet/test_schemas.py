"""The published schemas."""

from __future__ import annotations

import json

from reconciler.fleet.schemas import json_schemas
from reconciler.fleet.snapshot_kinds import PodPart


def test_every_kind_of_the_fleet_is_published_under_its_own_name() -> None:
    schemas = json_schemas()
    for file, schema in schemas.items():
        assert schema["$id"].endswith(f"/v1alpha1/{file}")
        assert schema["title"].lower() + ".json" == file
        json.dumps(schema)
    assert set(schemas) == {"cluster.json", "fleet.json", "clustersnapshot.json", "fleetsnapshot.json"}


def test_the_schema_of_a_snapshot_refuses_unknown_fields() -> None:
    pod = json_schemas()["clustersnapshot.json"]["$defs"]["PodPart"]
    assert pod["additionalProperties"] is False
    assert pod["required"] == ["name"]
    assert len(pod["properties"]) == len(PodPart.__struct_fields__)
