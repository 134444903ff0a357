"""Long-lived seeds rest where nobody reads them, and are erased when nobody names them (DESIGN §5;
T10, T13)."""

import ctypes
import os
import re
from hashlib import sha256
from pathlib import Path

import pytest

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import Epoch
from strongroom.enclave.keys.keys import NodeKeys, ServiceSecret
from strongroom.enclave.primitives import SECRET_SIZE, Secret
from strongroom.enclave.sandbox import kernel, secret_memory
from strongroom.enclave.sandbox.secret_memory import RestingSecret, SecretMemory, at_rest


def in_ordinary_memory(slots: int) -> SecretMemory:
    """The same slots where a test can look at them."""
    return SecretMemory(memoryview(bytearray(slots * SECRET_SIZE)))


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> SecretMemory:
    memory = in_ordinary_memory(16)
    monkeypatch.setattr(secret_memory, "_home", memory)
    return memory


def content(memory: SecretMemory) -> bytes:
    return bytes(memory._memory)


def seed(name: str) -> Secret:
    return Secret(sha256(name.encode()).digest())


def test_a_resting_secret_is_the_same_secret_and_shows_itself_to_nobody(home: SecretMemory) -> None:
    rested = at_rest(seed("one"))
    assert isinstance(rested, RestingSecret)
    assert rested.reveal() == seed("one").reveal()
    assert (
        rested.derive(b"label", b"context").reveal()
        == seed("one").derive(b"label", b"context").reveal()
    )
    assert repr(rested) == "Secret(…)"
    assert at_rest(rested) is rested


def test_T13_a_secret_that_nobody_names_any_more_is_overwritten(home: SecretMemory) -> None:
    one, two = at_rest(seed("one")), at_rest(seed("two"))
    assert seed("one").reveal() in content(home)
    del one
    assert seed("one").reveal() not in content(home)
    assert two.reveal() == seed("two").reveal()
    three = at_rest(seed("three"))
    assert (two.reveal(), three.reveal()) == (seed("two").reveal(), seed("three").reveal())


def test_every_seed_of_a_node_and_both_secrets_of_an_epoch_rest(home: SecretMemory) -> None:
    keys, secrets = NodeKeys.fresh(), ServiceSecret.fresh().split(Epoch(0))
    node, votes, wraps = keys.seeds()
    assert secrets.input is not None
    held = [node, *votes.values(), *wraps.values(), secrets.input, secrets.ledger]
    assert all(isinstance(one, RestingSecret) for one in held)
    assert all(one.reveal() in content(home) for one in held)


def test_without_room_nothing_rests_half(home: SecretMemory) -> None:
    held = [at_rest(seed(str(number))) for number in range(16)]
    with pytest.raises(OperatorFault, match="no room"):
        at_rest(seed("one too many"))
    assert len({one.reveal() for one in held}) == 16


def test_where_there_is_no_secret_memory_a_secret_stays_what_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(secret_memory, "_home", None)
    secret = seed("one")
    assert at_rest(secret) is secret


def test_T10_not_even_root_reads_secret_memory_through_proc() -> None:
    try:
        memory = SecretMemory.map()
    except OSError as refusal:
        pytest.skip(f"no secret memory here: {refusal.strerror}")
    rested = memory.keep(seed("one"))
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory._memory))
    assert f"{start:x}-" in Path("/proc/self/maps").read_text()
    own = os.open("/proc/self/mem", os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="Input/output error"):
            os.pread(own, SECRET_SIZE, start)
    finally:
        os.close(own)
    assert rested.reveal() == seed("one").reveal()
    assert not [one for one in os.listdir("/proc/self/fd") if "secretmem" in _target(one)]


def _target(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except FileNotFoundError:
        return ""


def test_a_kernel_that_refuses_is_an_error_to_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "MEMFD_SECRET", 100_000)
    with pytest.raises(OSError, match=re.escape("Function not implemented")):
        SecretMemory.map()
