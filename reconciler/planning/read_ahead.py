"""The files that a first plan reads, read together.

Later plans read what changed. A first one looks at every namespace and at every cluster, one after the other, and each
of them read by itself is a process of git. So the contents are fetched once before, and found again where they are
asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from reconciler.planning.files import Files
from reconciler.planning.state import READ
from reconciler.render.addons import FOLDER
from reconciler.render.cluster import ROOT as CLUSTERS
from reconciler.repo.folder import Entry
from reconciler.workloads.files import ROOT as WORKLOADS

_MOST_FILES = 2_000
"""With more, the first of them would not be kept any more when they are asked for."""


def read_ahead(files: Files) -> None:
    """Fetch what a first plan will ask for, but for a rendered group's files: those are seldom looked at."""
    files.fetch(islice(_looked_at(files), _MOST_FILES))


def _looked_at(files: Files) -> Iterator[Entry]:
    """Return the entries in the order in which they are asked for."""
    top = files.root
    yield from top.files.values()
    # Workloads are read together where they are read, as far as each namespace may have them.
    by_others = {f"{CLUSTERS}/", f"{WORKLOADS}/"}
    for prefix in READ:
        if prefix not in by_others:
            yield from files.folder(prefix.removesuffix("/")).walk()
    for cluster in files.folder(CLUSTERS).folders.values():
        yield from cluster.files.values()
        addons = cluster.folders.get(FOLDER)
        if addons is not None:
            yield from addons.walk()
