"""The kinds of reasons that there are."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import reconciler.reasons
from reconciler.reasons.reason import Reason


def kinds() -> list[type[Reason]]:
    """Every kind of reason that a module of the catalogue defines, without the bases of others."""
    found: list[type[Reason]] = []
    for module in pkgutil.iter_modules(reconciler.reasons.__path__, "reconciler.reasons."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(kind, Reason) and not inspect.isabstract(kind) and kind.__module__ == module.name:
                found.append(kind)
    return found
