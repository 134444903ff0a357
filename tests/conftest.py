"""Settings for all tests: no verdict of hypothesis depends on this machine's speed; the disk is
spared the syncs of this process. What those make durable is judged on the models of a disk
(node/ledger/disk.py, simulation/disk.py), and by nodes that are processes of their own."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("strongroom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("strongroom")


@pytest.fixture(autouse=True, scope="session")
def _no_real_syncs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        patch.setattr(os, "fdatasync", lambda _descriptor: None)
        yield
