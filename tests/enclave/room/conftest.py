"""What tests of rooms beside a custodian share."""

import pytest

from strongroom.enclave.room import halves


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A room that waits for no custodian long."""
    monkeypatch.setattr(halves, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(halves, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(
        halves, "AGAIN_SECONDS", dict.fromkeys(("custodian-away", "busy", "ledger", "rate"), 0.1)
    )
