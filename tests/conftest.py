"""Settings for all tests."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "skyray",
    deadline=None,  # no test asserts a time, so a slow machine fails none
    derandomize=bool(os.environ.get("CI")),  # what passed once passes again; people's own runs go on exploring
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("skyray")
