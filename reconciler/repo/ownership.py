"""Tells which paths and commits are SkyRay's own.

Users own their files; SkyRay writes only below `clusters/` and `placements/`, as ARCHITECTURE.md says. A commit is
SkyRay's own when it carries SkyRay's trailers *and* touches nothing else: a person can make a commit with either alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

OWN_PREFIXES: tuple[str, ...] = ("clusters/", "placements/")
"""The directories that SkyRay writes."""
OWN_REFS = "refs/skyray/"
"""SkyRay writes refs below this name only, besides the branch."""
SNAPSHOT_REF = "refs/skyray/snapshots"
"""Where the capacity snapshots that decisions were made on are kept."""
TRAILER_PREFIX = "SkyRay-"
"""How every trailer of an own commit starts."""


def is_own_path(path: str, prefixes: Iterable[str] = OWN_PREFIXES) -> bool:
    """Say whether SkyRay may write `path`."""
    return path.startswith(tuple(prefixes))


def has_own_trailer(trailers: Mapping[str, str]) -> bool:
    """Say whether a commit message claims to be SkyRay's."""
    return any(key.startswith(TRAILER_PREFIX) for key in trailers)
