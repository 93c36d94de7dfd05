"""The candidates of a Placement file, most of it: the same lines stand in many files, and are read once.

A group that many clusters refused lists all of them with their reasons, and groups that ask for the same were refused
in the same words.
"""

from __future__ import annotations

from functools import lru_cache

from reconciler.manifests.emitter import emit_item
from reconciler.manifests.loader import load
from reconciler.placement.model import Candidate, written_candidate
from reconciler.render.placement_parts import CandidatePart


def candidate_of(part: CandidatePart) -> Candidate:
    """Return the candidate that a part of the file says."""
    # The amounts that the words were made of are not in the file.
    return written_candidate(part.cluster, part.verdict, part.reason, part.message)


@lru_cache(maxsize=1 << 16)
def candidate_lines(
    cluster: str, verdict: str, reason: str, message: str
) -> tuple[str, ...]:
    """Return what the file has of a candidate; most groups of a fleet were refused by a cluster in the same words."""
    written = {
        "cluster": cluster,
        "verdict": str(verdict),
        "reason": reason,
        "message": message,
    }
    return emit_item(written)


_CANDIDATES = b"\n  candidates:\n"


def split_candidates(data: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Return what is before the candidates of a Placement, each of them, and what is after them.

    Most of a file are its candidates, and most of those stand in many files, so each is parsed once. There are none
    where the file does not have them as SkyRay writes them.
    """
    head, found, rest = data.partition(_CANDIDATES)
    if not found or _CANDIDATES in rest:
        return data, [], b""
    items: list[list[bytes]] = []
    lines = rest.splitlines(keepends=True)
    end = len(lines)
    for number, line in enumerate(lines):
        if line.startswith(b"  - "):
            items.append([line[4:]])
        elif line.startswith(b"    ") and items:
            items[-1].append(line[4:])
        else:
            end = number
            break
    tail = b"".join(lines[end:])
    return head + b"\n", [b"".join(item) for item in items], tail


@lru_cache(maxsize=1 << 16)
def candidate_in(item: bytes) -> Candidate:
    """Return the candidate that the lines of one item say. Raises `InputError` or `ValueError`."""
    (document,) = load(item, "").documents
    return candidate_of(CandidatePart.model_validate(document.body))
