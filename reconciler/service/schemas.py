"""The JSON Schemas of all of SkyRay's kinds, as they are published in `docs/schemas/`: `make schemas` writes them.

They come from the models that read the files, so an editor completes exactly what SkyRay accepts.
"""

from __future__ import annotations

import sys
from pathlib import Path

import orjson

from reconciler.fleet import schemas as fleet
from reconciler.policy import addon_kind, dialects, tenant_kind
from reconciler.render import placement_record


def schema_files() -> dict[str, bytes]:
    """Return the published files by name."""
    policies = {
        **dialects.json_schemas(),
        **tenant_kind.json_schemas(),
        **addon_kind.json_schemas(),
    }
    schemas = {
        **fleet.json_schemas(),
        **policies,
        "placement.json": placement_record.json_schema(),
    }
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return {
        name: orjson.dumps(schemas[name], option=options) for name in sorted(schemas)
    }


def write_schemas(folder: Path) -> None:
    """Write the files into `folder`, and remove schemas there that are no more."""
    files = schema_files()
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.json"):
        if stale.name not in files:
            stale.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
