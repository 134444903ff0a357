"""Data keys that are made and handed over inside a token (custody `hsm`), in the child process.

Owns the key object of each version, and the steps by which one key leaves it wrapped for one room:
what is computed is written in enclave/outside/token_key.py. No value of a key passes through here:
the token makes them all, shows none, and what a request left in it is destroyed at its end.
"""

from contextlib import ExitStack
from typing import Any

from strongroom.consensus import codec
from strongroom.enclave.outside.split_key import WRAPPED_SIZE
from strongroom.enclave.outside.token_key import POINT_SIZE, wrapping_input
from strongroom.node.custodian.token_objects import (
    KeyAbsent,
    TokenProblem,
    kept,
    key_facts,
    said,
    uses,
)
from strongroom.node.custodian.token_words import DATA_INPUT_SIZE, KEY_ID_SIZE

try:
    from pkcs11 import KDF, Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
    from pkcs11.util.ec import encode_named_curve_parameters
except ImportError:
    pass

AES_BITS = 256
_ZERO_IV = bytes(16)
_OCTET_STRING = bytes((0x04, POINT_SIZE))
"""DER before a point: CKA_EC_POINT is one by the standard, and a bare point from some tokens."""


def make_data_key(session: Any, id: bytes, label: str) -> codec.Wire:
    """A key that never leaves the token, from which data keys are derived in it."""
    _sized(id, KEY_ID_SIZE)
    if _objects(session, id, label):
        raise TokenProblem("exists", f"a key {label!r} with id {id.hex()} exists already")
    session.generate_key(
        KeyType.AES,
        AES_BITS,
        mechanism=Mechanism.AES_KEY_GEN,
        capabilities=MechanismFlag.DERIVE,
        store=True,
        template=kept(id, label)
        | {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES}
        | uses(Attribute.DERIVE),
    )
    return key_facts(_data_key(session, id, label)).to_wire()


def show_data_key(session: Any, id: bytes, label: str) -> codec.Wire:
    """What the token tells of one, if rooms may have keys of it."""
    return key_facts(_data_key(session, id, label)).to_wire()


def hand_over(
    session: Any, id: bytes, label: str, data: bytes, point: bytes, context: bytes
) -> codec.Wire:
    """(the token's point, a wrapped key), for the holder of a point.

    Args:
        session: a user's.
        id: CKA_ID of the key.
        label: CKA_LABEL.
        data: `key_input`.
        point: the room's.
        context: `handover_context`.
    """
    _sized(data, DATA_INPUT_SIZE)
    _sized(context, DATA_INPUT_SIZE)
    _sized(point, POINT_SIZE)
    root = _data_key(session, id, label)
    with ExitStack() as made:
        own_public, own = _pair(session)
        made.callback(own_public.destroy)
        made.callback(own.destroy)
        own_point = _point_of(own_public)
        shared = own.derive_key(
            KeyType.AES,
            AES_BITS,
            mechanism=Mechanism.ECDH1_DERIVE,
            mechanism_param=(KDF.NULL, None, point),
            capabilities=MechanismFlag.DERIVE,
            template=_passing(Attribute.DERIVE),
        )
        made.callback(shared.destroy)
        wrapping = _derived(shared, wrapping_input(context, own_point), Attribute.WRAP)
        made.callback(wrapping.destroy)
        data_key = _derived(root, data, None)
        made.callback(data_key.destroy)
        for key in (shared, wrapping, data_key):
            if not said(key, Attribute.SENSITIVE, False):
                raise TokenProblem("weak-key", "the token made a key that it would show: not used")
        wrapped = wrapping.wrap_key(data_key, mechanism=Mechanism.AES_KEY_WRAP_PAD)
    return own_point, _sized(bytes(wrapped), WRAPPED_SIZE)


def _pair(session: Any) -> tuple[Any, Any]:
    """A P-256 key pair of this request alone."""
    curve = encode_named_curve_parameters("secp256r1")
    parameters = session.create_domain_parameters(
        KeyType.EC, {Attribute.EC_PARAMS: curve}, local=True
    )
    passing = {Attribute.TOKEN: False}
    pair: tuple[Any, Any] = parameters.generate_keypair(
        mechanism=Mechanism.EC_KEY_PAIR_GEN,
        capabilities=MechanismFlag.DERIVE,
        store=False,
        public_template=passing | {Attribute.PRIVATE: False},
        private_template=passing
        | {Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
        | uses(Attribute.DERIVE, secret=False),
    )
    return pair


def _derived(key: Any, data: bytes, use: Any) -> Any:
    """AES-CBC of 32 bytes, as a key of this session; for wrapping, or (None) to be wrapped."""
    return key.derive_key(
        KeyType.AES,
        AES_BITS,
        mechanism=Mechanism.AES_CBC_ENCRYPT_DATA,
        mechanism_param=(_ZERO_IV, data),
        capabilities=0 if use is None else MechanismFlag.WRAP,
        template=_passing(use),
    )


def _passing(use: Any) -> dict[Any, Any]:
    """Of a key that lives for one request: shown to nobody, and only one without a use may be
    wrapped."""
    return {
        Attribute.TOKEN: False,
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: use is None,
        **uses(use),
    }


def _data_key(session: Any, id: bytes, label: str) -> Any:
    """Exactly one, that stays in the token and may derive."""
    found = _objects(session, id, label)
    if not found:
        raise KeyAbsent(
            "no-key",
            f"no data key {label!r} with id {id.hex()} in the token: it was destroyed, or never "
            "made (`strongroom custodian put`)",
        )
    if len(found) > 1:
        raise TokenProblem(
            "two-keys",
            f"{len(found)} data keys {label!r} with id {id.hex()}: exactly one may be; remove the "
            "others in the token",
        )
    if not key_facts(found[0]).stays_inside:
        raise TokenProblem(
            "weak-key",
            f"the data key {label!r} may leave the token: rotate it with "
            "`strongroom custodian put --rotate`",
        )
    if not said(found[0], Attribute.DERIVE, False):
        raise TokenProblem(
            "cannot", f"the data key {label!r} is disabled in the HSM: enable it there to go on"
        )
    return found[0]


def _objects(session: Any, id: bytes, label: str) -> list[Any]:
    wanted = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.ID: id,
        Attribute.LABEL: label,
    }
    return list(session.get_objects(wanted))


def _point_of(public: Any) -> bytes:
    shown = bytes(public[Attribute.EC_POINT])
    point = shown[len(_OCTET_STRING) :] if shown.startswith(_OCTET_STRING) else shown
    return _sized(point, POINT_SIZE)


def _sized(data: object, size: int) -> bytes:
    if type(data) is not bytes or len(data) != size:
        raise TokenProblem("device", f"expected {size} bytes")
    return data
