"""Data keys in a real token: derived, wrapped and handed over inside it, and in no memory of the
custodian's (T55, T56)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.hang import HANG_SECONDS
from tests.node.custodian.softhsm import MODULE, PIN, SoftHsm, needs_softhsm, softhsm
from tests.node.custodian.test_device import _with_token, device

from strongroom.consensus.types import ChainId, Digest
from strongroom.enclave.outside.half_request import WHOLE
from strongroom.enclave.outside.split_key import KeyName
from strongroom.enclave.outside.token_key import (
    HandoverKey,
    cbc,
    handover_context,
    key_id,
    key_input,
)
from strongroom.node.custodian.errors import TokenFault
from strongroom.node.custodian.token_keys import TokenKeys, label_of

pytestmark = needs_softhsm
KEY = KeyName(chain=ChainId(Digest(b"c" * 32)), owner=b"o" * 32, name="design", version=1)
NEXT = KeyName(chain=ChainId(Digest(b"c" * 32)), owner=b"o" * 32, name="design", version=2)
KNOWN = bytes(range(200, 232))


@pytest.fixture
def hsm(tmp_path: Path) -> SoftHsm:
    made = softhsm(tmp_path / "hsm")
    made.token()
    return made


async def taken(keys: TokenKeys, key: KeyName = KEY, piece: int = WHOLE) -> bytes:
    """As a room takes it."""
    room = HandoverKey()
    context = handover_context(key, lease=b"l" * 16, nonce=b"n" * 32, piece=piece, point=room.point)
    own, wrapped = await keys.hand_over(key, piece, point=room.point, context=context)
    return room.open(own, wrapped, context).reveal()


async def test_a_key_is_made_in_the_token_and_handed_over_to_a_room(hsm: SoftHsm) -> None:
    async with device(hsm) as one:
        keys = TokenKeys(one)
        made = await keys.make(KEY)
        assert (made.stays_inside, made.never_extractable, made.local) == (True, True, True)
        assert await keys.make(KEY) == made, "an attempt before has made it"
        await keys.make(NEXT)
        given = [await taken(keys, key, piece) for key in (KEY, NEXT) for piece in (WHOLE, 0, 1)]
        assert len(set(given)) == 6
        again = await taken(keys)
    async with device(hsm) as restarted:
        assert await taken(TokenKeys(restarted)) == given[0] == again


async def test_the_token_computes_what_is_written(hsm: SoftHsm) -> None:
    """Against another implementation, with a key that was brought into the token."""
    _with_token(hsm, lambda session: _bring(session, KNOWN))
    async with device(hsm) as one:
        for piece in (WHOLE, 7):
            assert await taken(TokenKeys(one), piece=piece) == cbc(KNOWN, key_input(KEY, piece))


async def test_t55_what_the_token_wrapped_opens_with_that_point_and_context_alone(
    hsm: SoftHsm,
) -> None:
    from strongroom.enclave.primitives import DoesNotOpen

    async with device(hsm) as one:
        keys, room = TokenKeys(one), HandoverKey()
        await keys.make(KEY)
        own, wrapped = await keys.hand_over(KEY, WHOLE, point=room.point, context=b"c" * 32)
        room.open(own, wrapped, b"c" * 32)
        with pytest.raises(DoesNotOpen):
            HandoverKey().open(own, wrapped, b"c" * 32)
        with pytest.raises(DoesNotOpen):
            room.open(own, wrapped, b"d" * 32)
        other, _ = await keys.hand_over(KEY, WHOLE, point=room.point, context=b"c" * 32)
        assert other != own, "each handing over has a key pair of its own"
        with pytest.raises(DoesNotOpen):
            room.open(other, wrapped, b"c" * 32)


async def test_a_handing_over_leaves_nothing_in_the_token(hsm: SoftHsm) -> None:
    """Neither objects of the token nor of the session, also after one that fails half-way."""
    from strongroom.node.custodian import token_handover
    from strongroom.node.custodian.token_objects import TokenProblem

    async with device(hsm) as one:
        await TokenKeys(one).make(KEY)

    def act(session):  # type: ignore[no-untyped-def]
        before = len(list(session.get_objects({})))
        id, label = key_id(KEY), label_of(KEY)
        for _ in range(3):
            token_handover.hand_over(session, id, label, bytes(32), HandoverKey().point, bytes(32))
        told = iter((True, True, False))
        patched = pytest.MonkeyPatch()
        patched.setattr(token_handover, "said", lambda *_: next(told, False))
        with pytest.raises(TokenProblem, match="would show"):
            token_handover.hand_over(session, id, label, bytes(32), HandoverKey().point, bytes(32))
        patched.undo()
        with pytest.raises(Exception, match=r".*"):
            token_handover.hand_over(session, id, label, bytes(32), bytes(65), bytes(32))
        assert len(list(session.get_objects({}))) == before

    _with_token(hsm, act)


@pytest.mark.parametrize("defect", ["extractable", "twice", "disabled", "none"])
async def test_t56_a_data_key_that_is_not_as_it_must_be_is_refused_by_name(
    hsm: SoftHsm, defect: str
) -> None:
    if defect != "none":
        _with_token(
            hsm,
            lambda session: _bring(
                session, KNOWN, extractable=defect == "extractable", usable=defect != "disabled"
            ),
        )
    if defect == "twice":
        _with_token(hsm, lambda session: _bring(session, KNOWN))
    code = {"extractable": "weak-key", "twice": "two-keys", "disabled": "cannot"}
    async with device(hsm) as one:
        for ask in (TokenKeys(one).known(KEY), taken(TokenKeys(one))):
            with pytest.raises(TokenFault, match=r"^Acme Toys: ") as raised:
                await ask
            assert raised.value.code == code.get(defect, "no-key")


async def test_a_destroyed_version_is_gone_and_others_go_on(hsm: SoftHsm) -> None:
    async with device(hsm) as one:
        keys = TokenKeys(one)
        for key in (KEY, NEXT):
            await keys.make(key)
        after = await taken(keys, NEXT)
        _with_token(hsm, _destroy_first)
        with pytest.raises(TokenFault) as raised:
            await taken(keys)
        assert raised.value.code == "no-key"
        assert await taken(keys, NEXT) == after


async def test_a_point_that_is_none_is_refused_by_the_token_too(hsm: SoftHsm) -> None:
    async with device(hsm) as one:
        keys = TokenKeys(one)
        await keys.make(KEY)
        for point in (bytes(65), b"\x04" + b"\x01" * 64):
            with pytest.raises(TokenFault):
                await keys.hand_over(KEY, WHOLE, point=point, context=bytes(32))
        await taken(keys)


CUSTODIAN = """
import asyncio, sys
from strongroom.consensus.types import ChainId, Digest
from strongroom.enclave.outside.split_key import KeyName
from strongroom.node.custodian.device import Device
from strongroom.node.custodian.halves import HalfKey
from strongroom.node.custodian.pin import Pin
from strongroom.node.custodian.token_keys import TokenKeys
from strongroom.node.custodian.token_words import Form

key = KeyName(chain=ChainId(Digest(b"c" * 32)), owner=b"o" * 32, name="design", version=1)

async def main():
    module, softhsm = sys.argv[1:]
    pin = Pin(sys.stdin.readline().strip())
    async with Device(customer="A", module=module, token="acme", pin=pin,
            environment={"SOFTHSM2_CONF": softhsm}, deadline=600.0, start_deadline=600.0) as device:
        keys, halves = TokenKeys(device), HalfKey(device, form=Form.HMAC, id=bytes(16), label="h")
        await keys.make(key)
        await device.create(Form.HMAC, bytes(16), "h")
        kept = []
        for line in iter(sys.stdin.readline, ""):
            point, context = (bytes.fromhex(part) for part in line.split())
            given = [await keys.hand_over(key, -1, point=point, context=context) for _ in range(20)]
            kept += [*given, await halves.half(key)]
            print(given[-1][0].hex(), given[-1][1].hex(), flush=True)

asyncio.run(main())
"""


def test_t55_no_key_that_is_handed_over_is_in_the_custodians_memory(hsm: SoftHsm) -> None:
    """The room opens it and the memory of the custodian's process is searched: for it, and for what
    must be found there (the wrapped key; a half, which custody split lets it see)."""
    room, context = HandoverKey(), b"x" * 32
    with subprocess.Popen(
        [sys.executable, "-c", CUSTODIAN, MODULE, hsm.environment["SOFTHSM2_CONF"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as custodian:
        assert custodian.stdin is not None
        assert custodian.stdout is not None
        custodian.stdin.write(f"{PIN}\n{room.point.hex()} {context.hex()}\n")
        custodian.stdin.flush()
        own, wrapped = (bytes.fromhex(part) for part in custodian.stdout.readline().split())
        opened = room.open(own, wrapped, context).reveal()
        os.kill(custodian.pid, signal.SIGSTOP)
        try:
            memory = _memory(custodian.pid)
        finally:
            os.kill(custodian.pid, signal.SIGCONT)
        custodian.stdin.close()
        assert custodian.wait(HANG_SECONDS) == 0
    half = _half(hsm)
    assert any(half in region for region in memory), "the search finds what is there"
    assert any(wrapped in region for region in memory)
    assert any(context in region for region in memory)
    assert not any(opened in region for region in memory)


def _memory(pid: int) -> list[bytes]:
    regions = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, permissions = line.split()[:2]
            if not permissions.startswith("rw"):
                continue
            begin, end = (int(part, 16) for part in span.split("-"))
            memory.seek(begin)
            regions.append(memory.read(end - begin))
    return regions


def _half(hsm: SoftHsm) -> bytes:
    """What the custodian's half was, from the same token."""
    import asyncio

    from strongroom.node.custodian.halves import HalfKey
    from strongroom.node.custodian.token_words import Form

    async def ask() -> bytes:
        async with device(hsm) as one:
            half = HalfKey(one, form=Form.HMAC, id=bytes(16), label="h")
            return (await half.half(KEY)).reveal()

    return asyncio.run(ask())


def _bring(session, value: bytes, *, extractable=False, usable=True) -> None:  # type: ignore[no-untyped-def]
    """A key that was made elsewhere, as HSMs' own tools bring it in."""
    from pkcs11 import Attribute, KeyType, ObjectClass

    session.create_object(
        {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.AES,
            Attribute.VALUE: value,
            Attribute.ID: key_id(KEY),
            Attribute.LABEL: label_of(KEY),
            Attribute.TOKEN: True,
            Attribute.PRIVATE: True,
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: extractable,
            Attribute.DERIVE: usable,
        }
    )


def _destroy_first(session) -> None:  # type: ignore[no-untyped-def]
    from pkcs11 import Attribute

    for one in list(session.get_objects({Attribute.LABEL: label_of(KEY)})):
        one.destroy()
