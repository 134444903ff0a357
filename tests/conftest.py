"""Settings for all tests: no verdict of hypothesis depends on this machine's speed."""

from hypothesis import HealthCheck, settings

settings.register_profile("strongroom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("strongroom")
