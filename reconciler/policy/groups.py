"""Returns the name of a group, and the cluster that its annotations pin it to.

The name becomes a folder in Git, a label value and a word in commits. With `groupBy` it is a label value that users
chose, so a value that cannot be a folder is an error with a remedy; `<kind>-<name>` is formed here and always made
safe. A workload without the `groupBy` label is a group of its own: Nova makes one group per label value, and unrelated
workloads must not become one group because all lack the label.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from reconciler.errors import InvalidObject, Place
from reconciler.manifests.identity import ObjectKey, is_dns_label
from reconciler.policy.model import SchedulePolicy

PIN_ANNOTATIONS = ("skyray.dev/cluster", "nova.elotl.co/cluster")
"""The annotations that name the one cluster that an object must go to."""

_UNSAFE = re.compile(r"[^a-z0-9]+")
_LONGEST = 63


def group_name(
    policy: SchedulePolicy,
    key: ObjectKey,
    labels: Mapping[str, str],
    place: Place | None = None,
) -> str:
    """Return the group of an object under `policy`: the value of its `groupBy` label, else `<kind>-<name>`.

    Raises `InvalidObject` when the label value cannot name a folder.
    """
    value = labels.get(policy.group_by, "") if policy.group_by else ""
    if not value:
        # Also an empty label value: it cannot name a folder.
        return as_dns_label(f"{key.kind.lower()}-{key.name}")
    if not is_dns_label(value):
        raise InvalidObject(
            f"{key}: label {policy.group_by}, by which policy {policy.name} groups, is {value!r}, not a folder name; "
            "use at most 63 small letters, digits and '-', starting and ending with a letter or digit",
            place,
        )
    return value


def as_dns_label(text: str) -> str:
    """Return `text` if it is a DNS label, else a readable label derived from it.

    Eight digits of the text's SHA-256 keep derived labels apart: `configmap-a.b` becomes `configmap-a-b-` and digits.
    """
    if is_dns_label(text):
        return text
    # Any text must get a label, also one with a lone surrogate, which strict UTF-8 refuses.
    data = text.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(data).hexdigest()[:8]
    safe = _UNSAFE.sub("-", text.lower()).strip("-")
    room = _LONGEST - len(f"-{digest}")
    readable = safe[:room].rstrip("-")
    # Nothing readable is left of a text without small letters and digits, such as an emoji.
    return f"{readable}-{digest}" if readable else digest


def pinned_cluster(
    annotations: Iterable[Mapping[str, str]],
    place: Place | None = None,
) -> str | None:
    """Return the cluster that the objects of a group are pinned to by annotation; None without such an annotation.

    Raises `InvalidObject` when the annotations name different clusters: a group goes to one cluster.
    """
    pins: set[str] = set()
    for of_object in annotations:
        for annotation in PIN_ANNOTATIONS:
            # An empty annotation pins nothing.
            cluster = of_object.get(annotation)
            if cluster:
                pins.add(cluster)
    if len(pins) > 1:
        raise InvalidObject(
            f"pinned to {' and '.join(sorted(pins))} at once: use one cluster for all objects of a group "
            f"({' or '.join(PIN_ANNOTATIONS)})",
            place,
        )
    return pins.pop() if pins else None
