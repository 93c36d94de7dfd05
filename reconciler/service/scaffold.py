"""Makes a new fleet repo from `fleet-repo-template/`, or adds the files that an existing one lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import reconciler
from reconciler.errors import UsageError
from reconciler.fleet.inventory import FOLDER as INVENTORY
from reconciler.fleet.inventory import read_inventory
from reconciler.fleet.settings import FILE as FLEET_FILE
from reconciler.fleet.settings import read_fleet
from reconciler.manifests.identity import is_dns_label
from reconciler.render.engines import DEFAULT_ENGINE, engine_renderer

_PLACEHOLDERS = ("{{fleet_name}}", "{{engine}}")


@dataclass(frozen=True, slots=True)
class LaidDown:
    """Paths that were written, and those that existed already and stayed as they are."""

    written: tuple[str, ...]
    kept: tuple[str, ...]


def data_folder(name: str) -> Path:
    """Return a folder of files that come with SkyRay: `fleet-repo-template` or `policies`."""
    package = Path(reconciler.__file__).parent
    # An installed package has it in `_data`, a checkout beside the package.
    in_wheel = package / "_data" / name
    in_checkout = package.parent / name
    for folder in (in_wheel, in_checkout):
        if folder.is_dir():
            return folder
    raise UsageError(f"this installation lacks its folder {name}: install skyray again")


def lay_down(directory: Path, name: str, engine: str | None, repo_url: str) -> LaidDown:
    """Write the template's files that `directory` does not have yet, and the engine's for the clusters it has.

    An existing fleet.yaml says which engine and branch; without it they are `engine` (by default `DEFAULT_ENGINE`) and
    main. Raises `UsageError` for a name that is no DNS label, and for an engine that is unknown or is not the fleet's
    own; `InputError` for settings or inventory files that cannot be read.
    """
    settings = directory / FLEET_FILE
    if settings.is_file():
        fleet = read_fleet(settings.read_bytes(), str(settings))
        if engine not in {None, fleet.engine}:
            raise UsageError(
                f"{settings} says engine {fleet.engine}: edit it there, or leave out --engine"
            )
        name, engine, branch = fleet.name, fleet.engine, fleet.branch
    else:
        if not is_dns_label(name):
            rule = "use small letters, digits and '-', at most 63"
            raise UsageError(
                f"{name!r} cannot be the fleet's name: {rule}; --name sets it"
            )
        engine, branch = engine or DEFAULT_ENGINE, "main"
    renderer = engine_renderer(engine)
    files = _template(name, engine)
    files |= renderer.own_files(_clusters(directory), repo_url, branch)
    return _write_missing(directory, files)


def _template(name: str, engine: str) -> dict[str, bytes]:
    """Return the template's files by path, filled in for a fleet."""
    values = dict(zip(_PLACEHOLDERS, (name, engine), strict=True))
    folder = data_folder("fleet-repo-template")
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name_in_repo = str(path.relative_to(folder))
            files[name_in_repo] = _filled(path.read_bytes(), values)
    return files


def _write_missing(directory: Path, files: Mapping[str, bytes]) -> LaidDown:
    """Write those of `files` that `directory` does not have; existing files may have been edited, and stay."""
    written = []
    kept = []
    for path, data in sorted(files.items()):
        target = directory / path
        if target.exists():
            kept.append(path)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        written.append(path)
    return LaidDown(tuple(written), tuple(kept))


def _clusters(directory: Path) -> list[str]:
    """Return the names of the clusters in the inventory that is there."""
    folder = directory / INVENTORY
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name_in_repo = str(path.relative_to(directory))
            files[name_in_repo] = path.read_bytes()
    return [cluster.name for cluster in read_inventory(files)]


def _filled(data: bytes, values: dict[str, str]) -> bytes:
    for placeholder, value in values.items():
        data = data.replace(placeholder.encode(), value.encode())
    return data
