"""Settings for all tests: no verdict of hypothesis depends on this machine's speed."""

from hypothesis import settings

settings.register_profile("strongroom", deadline=None)
settings.load_profile("strongroom")
