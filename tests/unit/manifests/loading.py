"""Reads a file of one document, or says why it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import ManifestError
from reconciler.manifests.loader import Limits, load


def body_of(text: str | bytes) -> Any:
    (document,) = load(text.encode() if isinstance(text, str) else text, "f.yaml").documents
    return document.body


def refusal(text: str | bytes, limits: Limits | None = None) -> ManifestError:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(ManifestError) as caught:
        load(data, "f.yaml", limits or Limits())
    assert "\n" not in str(caught.value)
    return caught.value


def place_of(text: str | bytes, limits: Limits | None = None) -> str:
    return str(refusal(text, limits).place)
