"""Settings for all tests."""

import os

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

settings.register_profile(
    "skyray",
    deadline=None,  # no test asserts a time, so a slow machine fails none
    derandomize=bool(os.environ.get("CI")),  # what passed once passes again; people's own runs go on exploring
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("skyray")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave properties out of the measured coverage: their input is random, and a floor must not depend on luck."""
    for item in items:
        if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
            item.add_marker("no_cover")
