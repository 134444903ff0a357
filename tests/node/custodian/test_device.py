"""A device behind its own process: halves, and what goes wrong with tokens and keys (T56)."""

from hashlib import sha256
from pathlib import Path

import pytest
from tests.hang import HANG_SECONDS
from tests.node.custodian.softhsm import MODULE, SoftHsm, needs_softhsm, pin, softhsm

from strongroom.consensus import labels
from strongroom.consensus.types import ChainId, Digest
from strongroom.enclave.outside.split_key import KeyName
from strongroom.node.custodian.device import Device
from strongroom.node.custodian.errors import TokenFault
from strongroom.node.custodian.halves import HalfKey, point_of
from strongroom.node.custodian.token_words import Form

pytestmark = needs_softhsm
ID, LABEL = bytes(range(16)), "strongroom"
KEY = KeyName(chain=ChainId(Digest(b"c" * 32)), owner=b"o" * 32, name="design", version=1)
FORMS = pytest.mark.parametrize("form", list(Form))


@pytest.fixture
def hsm(tmp_path: Path) -> SoftHsm:
    made = softhsm(tmp_path / "hsm")
    made.token()
    return made


def device(
    hsm: SoftHsm, token: str = "acme", *, text: str | None = None, customer: str = "Acme Toys"
) -> Device:
    return Device(
        customer=customer,
        environment=hsm.environment,
        module=MODULE,
        token=token,
        pin=pin() if text is None else pin(text),
        deadline=HANG_SECONDS,
        start_deadline=HANG_SECONDS,
    )


@FORMS
async def test_a_half_is_a_function_of_chain_key_version_and_piece(
    hsm: SoftHsm, form: Form
) -> None:
    async with device(hsm) as one:
        await one.create(form, ID, LABEL)
        key = HalfKey(one, form=form, id=ID, label=LABEL)
        halves = {(await key.half(KEY, piece)).reveal() for piece in (None, 0, 1)}
        assert len(halves) == 3
        first = (await key.half(KEY)).reveal()
        assert first in halves
    async with device(hsm) as again:
        same = HalfKey(again, form=form, id=ID, label=LABEL)
        assert (await same.half(KEY)).reveal() == first


@FORMS
async def test_a_made_key_never_leaves_the_token(hsm: SoftHsm, form: Form) -> None:
    async with device(hsm) as one:
        made = await one.create(form, ID, LABEL)
        assert made.stays_inside
        assert made.never_extractable
        assert made.local
        assert await one.show(form, ID, LABEL) == made
        with pytest.raises(TokenFault, match="exists already") as raised:
            await one.create(form, ID, LABEL)
        assert raised.value.code == "exists"


async def test_the_ecdh_half_is_what_openssl_computes() -> None:
    """Both forms of the function against another implementation: d · P with a key that is known."""
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    point = point_of(b"input")
    shared = private.exchange(
        ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    )

    class Known(Device):
        async def half(self, form, id, label, data):  # type: ignore[no-untyped-def]
            from strongroom.enclave.primitives import Secret

            assert form is Form.ECDH
            given = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)
            return Secret(private.exchange(ec.ECDH(), given))

    known = Known(customer="x", module="", token="", pin=pin())
    key = HalfKey(known, form=Form.ECDH, id=ID, label=LABEL)
    assert len(shared) == 32
    assert (await key._function(b"input")).reveal() == sha256(
        labels.CUSTODIAN_POINT + b"\x00" + shared
    ).digest()


async def test_t56_a_wrong_pin_is_tried_once_and_never_locks_the_token(hsm: SoftHsm) -> None:
    wrong = device(hsm, text="271828")
    for _ in range(20):
        with pytest.raises(TokenFault, match=r"Acme Toys: the PIN is wrong.*tr(y|ies)") as raised:
            await wrong.ping()
        assert raised.value.code == "pin"
        assert "271828" not in str(raised.value)
    async with device(hsm) as one:
        await one.ping()


async def test_t56_two_keys_of_one_label_and_id_are_refused(hsm: SoftHsm) -> None:
    async with device(hsm) as one:
        await one.create(Form.HMAC, ID, LABEL)
        key = HalfKey(one, form=Form.HMAC, id=ID, label=LABEL)
        await key.half(KEY)
        _with_token(hsm, lambda session: _make(session, ID, LABEL))
        with pytest.raises(TokenFault, match="2 hmac keys 'strongroom'") as raised:
            await key.half(KEY)
        assert raised.value.code == "two-keys"


async def test_keys_of_another_class_id_or_label_are_not_taken(hsm: SoftHsm) -> None:
    async with device(hsm) as one:
        await one.create(Form.ECDH, ID, LABEL)
        await one.create(Form.HMAC, bytes(16), LABEL)
        await one.create(Form.HMAC, ID, "another")
        with pytest.raises(TokenFault) as raised:
            await one.half(Form.HMAC, ID, LABEL, b"data")
        assert raised.value.code == "no-key"


async def test_a_key_that_may_leave_the_token_is_refused(hsm: SoftHsm) -> None:
    async with device(hsm) as one:
        _with_token(hsm, lambda session: _make(session, ID, LABEL, extractable=True))
        with pytest.raises(TokenFault, match="may leave the token") as raised:
            await one.half(Form.HMAC, ID, LABEL, b"data")
        assert raised.value.code == "weak-key"


async def test_t56_a_missing_token_is_named_with_what_is_there(hsm: SoftHsm) -> None:
    with pytest.raises(TokenFault, match=r"no token 'other' \(there: 'acme'\)") as raised:
        await device(hsm, "other").ping()
    assert raised.value.code == "no-token"


async def test_t56_two_tokens_of_one_label_want_a_serial_number(hsm: SoftHsm) -> None:
    hsm.token("acme")
    with pytest.raises(TokenFault, match="by its serial") as raised:
        await device(hsm).ping()
    assert raised.value.code == "two-tokens"


async def test_a_module_that_is_none_is_refused(hsm: SoftHsm, tmp_path: Path) -> None:
    (tmp_path / "not-a-module.so").write_text("no")
    wrong = Device(customer="Acme", module=str(tmp_path / "not-a-module.so"), token="t", pin=pin())
    with pytest.raises(TokenFault, match="cannot be loaded") as raised:
        await wrong.ping()
    assert raised.value.code == "no-module"


async def test_t56_a_device_that_goes_and_comes_back_pauses_its_customer_alone(
    hsm: SoftHsm, tmp_path: Path
) -> None:
    """Offline: Acme's keys pause, with its name; the other customer's do not."""
    async with device(hsm) as acme:
        await acme.create(Form.HMAC, ID, LABEL)
        key = HalfKey(acme, form=Form.HMAC, id=ID, label=LABEL)
        before = (await key.half(KEY)).reveal()
        theirs = softhsm(tmp_path / "other")
        theirs.token("other")
        async with device(theirs, "other", customer="Bolt Ltd") as bolt:
            await bolt.create(Form.HMAC, ID, LABEL)
            hsm.unplug()
            with pytest.raises(TokenFault, match=r"^Acme Toys: ") as raised:
                await key.half(KEY)
            assert raised.value.customer == "Acme Toys"
            await HalfKey(bolt, form=Form.HMAC, id=ID, label=LABEL).half(KEY)
        hsm.plug()
        assert (await key.half(KEY)).reveal() == before


async def test_t56_a_destroyed_key_pauses_and_a_new_one_is_not_taken_for_it(
    hsm: SoftHsm,
) -> None:
    async with device(hsm) as one:
        await one.create(Form.HMAC, ID, LABEL)
        check = await HalfKey(one, form=Form.HMAC, id=ID, label=LABEL).check_value()
        key = HalfKey(one, form=Form.HMAC, id=ID, label=LABEL, check=check)
        await key.half(KEY)
        _with_token(hsm, _destroy)
        with pytest.raises(TokenFault) as raised:
            await key.half(KEY)
        assert raised.value.code == "no-key"
        _with_token(hsm, lambda session: _make(session, ID, LABEL))
        with pytest.raises(TokenFault, match=r"another than at `custodian init`") as raised:
            await key.half(KEY)
        assert raised.value.code == "other-key"


async def test_t56_a_key_that_was_disabled_in_the_hsm_pauses_until_it_is_enabled(
    hsm: SoftHsm,
) -> None:
    """Paused: the key is there and may not be used for now."""
    async with device(hsm) as one:
        _with_token(hsm, lambda session: _make(session, ID, LABEL, usable=False))
        key = HalfKey(one, form=Form.HMAC, id=ID, label=LABEL)
        with pytest.raises(TokenFault, match=r"^Acme Toys: .*disabled") as raised:
            await key.half(KEY)
        assert raised.value.code == "cannot"
        _with_token(hsm, lambda session: _allow(session, True))
        await key.half(KEY)
        _with_token(hsm, lambda session: _allow(session, False))
        with pytest.raises(TokenFault, match="disabled"):
            await key.half(KEY)


async def test_a_probe_says_what_the_token_can_do_and_what_it_lacks(hsm: SoftHsm) -> None:
    async with device(hsm) as one:
        table = {what: (can, lacks) for what, can, lacks in await one.probe()}
        assert one.facts is not None
        assert one.facts.label == "acme"
    assert table["half by HMAC"] == (True, ())
    assert table["half by ECDH"] == (True, ())
    assert table["export as .byok"] == (False, ("RSA_AES_KEY_WRAP",))


def _with_token(hsm, act) -> None:  # type: ignore[no-untyped-def]
    """Somebody else's program at the same token, in a process of its own."""
    import multiprocessing

    process = multiprocessing.get_context("fork").Process(target=_elsewhere, args=(hsm, act))
    process.start()
    process.join(HANG_SECONDS)
    assert process.exitcode == 0


def _elsewhere(hsm, act) -> None:  # type: ignore[no-untyped-def]
    import os

    import pkcs11
    from tests.node.custodian.softhsm import PIN

    os.environ |= hsm.environment
    token = pkcs11.lib(MODULE).get_token(token_label="acme")
    with token.open(rw=True, user_pin=PIN) as session:
        act(session)


def _make(session, id, label, *, extractable=False, usable=True) -> None:  # type: ignore[no-untyped-def]
    from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag

    session.generate_key(
        KeyType.GENERIC_SECRET,
        256,
        id=id,
        label=label,
        store=True,
        capabilities=MechanismFlag.SIGN,
        mechanism=Mechanism.GENERIC_SECRET_KEY_GEN,
        template={
            Attribute.EXTRACTABLE: extractable,
            Attribute.SENSITIVE: not extractable,
            Attribute.SIGN: usable,
            Attribute.MODIFIABLE: True,
        },
    )


def _allow(session, usable: bool) -> None:  # type: ignore[no-untyped-def]
    from pkcs11 import Attribute

    (key,) = list(session.get_objects({Attribute.LABEL: LABEL}))
    key[Attribute.SIGN] = usable


def _destroy(session) -> None:  # type: ignore[no-untyped-def]
    from pkcs11 import Attribute

    for one in list(session.get_objects({Attribute.LABEL: LABEL})):
        one.destroy()
