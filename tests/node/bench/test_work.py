"""What the load calls fills the envelopes that are said, and is told when it is not all on the
ledger."""

import asyncio
import shutil
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.enclave.chain import Chain, person

from strongroom.consensus.errors import OperatorFault
from strongroom.node.bench import disturbances
from strongroom.node.bench.profile import sampler
from strongroom.node.bench.work import CONTENTS_MAX, Payments, Records, Work

PEOPLE = [person(f"client {number}") for number in range(3)]


@pytest.mark.parametrize(
    "work", [Payments(256), Payments(512), Records(256), Records(1024), Records(CONTENTS_MAX)]
)
def test_a_call_fills_an_envelope_of_the_size_that_is_said(work: Work) -> None:
    chain = Chain()
    session, _ = chain.open("alice")
    for _ in range(200):
        _, envelope = session.seal_call(chain.call(work.operation, **work.arguments(PEOPLE, 2)))
        assert len(envelope) <= work.envelope_bytes
    assert len(envelope) > work.envelope_bytes * 0.9


async def test_a_slow_node_is_stopped_again_and_again_and_runs_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(disturbances, "SLICE_SECONDS", 0.002)
    sent: list[signal.Signals] = []
    process = SimpleNamespace(send=sent.append)
    node = SimpleNamespace(host=lambda: process, enclave=lambda: None)
    cluster: Any = SimpleNamespace(nodes=[None, node])
    async with disturbances.one_slow(cluster):
        while sent.count(signal.SIGSTOP) < 3:
            await asyncio.sleep(0.001)
    assert sent.count(signal.SIGCONT) >= 3
    assert sent[-1] is signal.SIGCONT


def test_without_py_spy_a_profile_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(OperatorFault, match="pip install"):
        sampler()
    (tmp_path / "py-spy").touch()
    assert sampler() == str(tmp_path / "py-spy")
