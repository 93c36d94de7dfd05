"""Settings for all tests."""

from hypothesis import HealthCheck, settings

settings.register_profile("skyray", deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""No test asserts a time, so a slow machine fails none."""

settings.load_profile("skyray")
