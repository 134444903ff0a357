"""PKCS#11, for the child process alone: module, token, login, one key, its keyed function.

Owns what is asked of `python-pkcs11`, and when the library is initialised anew: once, and only
after an error that says that the session is gone. It knows neither keys of the ledger nor leases;
how tokens fail, and what they tell of keys, is token_objects.py. A PIN that was refused is never
tried again from here.
"""

from collections.abc import Callable
from typing import Any

from strongroom.consensus import codec
from strongroom.enclave.outside.token_key import POINT_SIZE
from strongroom.node.custodian import token_handover
from strongroom.node.custodian.token_objects import (
    LOOKED_AT_ANEW,
    KeyAbsent,
    TokenProblem,
    bounded,
    kept,
    key_facts,
    problem_of,
    said,
    token_facts,
    told,
    uses,
)
from strongroom.node.custodian.token_words import (
    HALF_INPUT_BYTES_MAX,
    HALF_SIZE,
    KEY_ID_SIZE,
    Ask,
    Form,
)

try:
    import pkcs11
    from pkcs11 import KDF, Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass, TokenFlag
    from pkcs11 import exceptions as errors
    from pkcs11.util.ec import encode_named_curve_parameters
except ImportError:
    pkcs11 = None  # type: ignore[assignment]

PROBED = (
    ("half by HMAC", "SHA256_HMAC", "GENERIC_SECRET_KEY_GEN"),
    ("half by ECDH", "ECDH1_DERIVE", "EC_KEY_PAIR_GEN"),
    (
        "hand a key to a room (custody hsm)",
        "AES_KEY_GEN",
        "AES_CBC_ENCRYPT_DATA",
        "EC_KEY_PAIR_GEN",
        "ECDH1_DERIVE",
        "AES_KEY_WRAP_PAD",
    ),
    ("export as .byok", "RSA_AES_KEY_WRAP"),
    ("export as .byok in two steps", "RSA_PKCS_OAEP", "AES_KEY_WRAP_PAD", "AES_KEY_GEN"),
)
"""What a custodian may need, and the mechanisms that it takes. The first or the second must be."""
_ONCE = frozenset({Ask.CREATE, Ask.MAKE_DATA_KEY})
"""What makes something in the token is not asked twice."""


class TokenSession:
    """One module, one token, one login."""

    def __init__(self) -> None:
        self._library: Any = None
        self._session: Any = None
        self._named = ("", "")
        """Label and serial number of the token that was found."""
        self._pin: str | None = None
        """Of a login that succeeded."""
        self._acts: dict[Ask, Callable[..., codec.Wire]] = {
            Ask.LOAD: self._load,
            Ask.OPEN: self._open,
            Ask.PING: self._ping,
            Ask.PROBE: self._probe,
            Ask.SHOW: self._show,
            Ask.HALF: self._half,
            Ask.CREATE: self._create,
            Ask.MAKE_DATA_KEY: self._with_session(token_handover.make_data_key),
            Ask.SHOW_DATA_KEY: self._with_session(token_handover.show_data_key),
            Ask.HAND_OVER: self._with_session(token_handover.hand_over),
        }

    def do(self, ask: Ask, arguments: tuple[Any, ...]) -> codec.Wire:
        """Answer one request; after an error that says that the session is gone, once more on a
        fresh one.

        Raises:
            TokenProblem: with a code of `TokenFault`.
        """
        if pkcs11 is None:
            raise TokenProblem(
                "no-module", "python-pkcs11 is not installed: `pip install strongroom[hsm]`"
            )
        act = self._acts[ask]
        if ask in (Ask.LOAD, Ask.OPEN):
            return told(act, arguments)
        if self._session is None or self._pin is None:
            raise TokenProblem("device", "not open")
        try:
            return act(*arguments)
        except LOOKED_AT_ANEW:
            if ask in _ONCE:
                raise TokenProblem(
                    "device",
                    "the session ended while a key was being made: look with `strongroom custodian "
                    "check` whether it is there",
                ) from None
            told(self._reinitialize, ())
            return told(act, arguments)
        except Exception as error:
            raise problem_of(error) from None

    def _with_session(self, act: Callable[..., codec.Wire]) -> Callable[..., codec.Wire]:
        """An act on whichever session is open when it is asked for."""
        return lambda *arguments: act(self._session, *arguments)

    # --- opening ----------------------------------------------------------------------------------

    def _load(self, module: str, label: str, serial: str) -> codec.Wire:
        try:
            self._library = pkcs11.lib(module)
        except (errors.PKCS11Error, OSError):
            raise TokenProblem(
                "no-module", f"{module} cannot be loaded as a PKCS#11 module: is it the right file?"
            ) from None
        token = self._token(label, serial)
        if not token.flags & TokenFlag.TOKEN_INITIALIZED:
            raise TokenProblem("no-token", f"the token {label!r} is not initialised")
        self._named = (label, token.serial.decode("ascii", "replace"))
        return token_facts(self._library, token).to_wire()

    def _open(self, pin: str) -> codec.Wire:
        if self._library is None:
            raise TokenProblem("device", "no module is loaded")
        label, serial = self._named
        try:
            self._session = self._token(label, serial).open(rw=True, user_pin=pin)
        except (errors.PinIncorrect, errors.PinInvalid, errors.PinLenRange):
            raise TokenProblem("pin", self._tries_left(label, serial)) from None
        except errors.PinLocked:
            raise TokenProblem(
                "pin-locked",
                f"the token {label!r} has locked its PIN: its security officer unlocks it",
            ) from None
        self._pin = pin
        return True

    def _token(self, label: str, serial: str) -> Any:
        """The one token of this label, and of this serial number where one is named."""
        tokens = [slot.get_token() for slot in self._library.get_slots(token_present=True)]
        found = [one for one in tokens if one.label == label]
        if serial:
            found = [one for one in found if one.serial.decode("ascii", "replace") == serial]
        if not found:
            there = ", ".join(sorted(repr(one.label) for one in tokens if one.label)) or "none"
            named = f"{label!r} with serial number {serial}" if serial else repr(label)
            raise TokenProblem(
                "no-token", f"no token {named} (there: {there}): is the HSM on, and connected?"
            )
        if len(found) > 1:
            serials = ", ".join(one.serial.decode("ascii", "replace") for one in found)
            raise TokenProblem(
                "two-tokens", f"{len(found)} tokens {label!r}: name one by its serial ({serials})"
            )
        return found[0]

    def _tries_left(self, label: str, serial: str) -> str:
        """PKCS#11 tells no number, but three flags."""
        flags = self._token(label, serial).flags
        if flags & TokenFlag.USER_PIN_LOCKED:
            left = "it is locked now: its security officer unlocks it"
        elif flags & TokenFlag.USER_PIN_FINAL_TRY:
            left = "one try is left before the token locks it"
        elif flags & TokenFlag.USER_PIN_COUNT_LOW:
            left = "the token counts wrong tries, and more than one is left"
        else:
            left = "the token does not say how many tries are left"
        return f"the PIN is wrong for token {label!r}; {left}; nothing tries it again by itself"

    def _reinitialize(self) -> None:
        """The library from the beginning, and a login with the PIN that was right before."""
        pin, self._session, self._pin = self._pin or "", None, None
        self._library.reinitialize()
        self._open(pin)

    # --- asking -----------------------------------------------------------------------------------

    def _ping(self) -> codec.Wire:
        """A question that goes to the token: networks forget silent sessions."""
        self._token(*self._named)
        self._session.generate_random(8)
        return True

    def _probe(self) -> codec.Wire:
        names = {getattr(one, "name", "") for one in self._session.token.slot.get_mechanisms()}
        return tuple(
            (what, not (missing := [one for one in needed if one not in names]), tuple(missing))
            for what, *needed in PROBED
        )

    def _show(self, form: str, id: bytes, label: str) -> codec.Wire:
        return key_facts(self._key(Form(form), id, label)).to_wire()

    def _half(self, form: str, id: bytes, label: str, data: bytes) -> codec.Wire:
        key = self._key(Form(form), id, label)
        if not key_facts(key).stays_inside:
            raise TokenProblem(
                "weak-key",
                f"the key {label!r} may leave the token: make one that cannot with "
                "`strongroom custodian init`",
            )
        if not said(key, Attribute.SIGN if Form(form) is Form.HMAC else Attribute.DERIVE, False):
            raise TokenProblem(
                "cannot", f"the key {label!r} is disabled in the HSM: enable it there to go on"
            )
        if Form(form) is Form.HMAC:
            half = key.sign(bounded(data, HALF_INPUT_BYTES_MAX), mechanism=Mechanism.SHA256_HMAC)
        else:
            half = self._shared(key, data)
        if type(half) is not bytes or len(half) != HALF_SIZE:
            raise TokenProblem("device", f"the token answered with another size than {HALF_SIZE}")
        return half

    def _shared(self, key: Any, point: bytes) -> bytes:
        """The x-coordinate of key · point, from a secret of this session that is destroyed at
        once."""
        if len(point) != POINT_SIZE:
            raise TokenProblem("device", f"a point has {POINT_SIZE} bytes")
        derived = key.derive_key(
            KeyType.GENERIC_SECRET,
            HALF_SIZE * 8,
            mechanism=Mechanism.ECDH1_DERIVE,
            mechanism_param=(KDF.NULL, None, point),
            capabilities=0,
            template={
                Attribute.TOKEN: False,
                Attribute.PRIVATE: True,
                Attribute.SENSITIVE: False,
                Attribute.EXTRACTABLE: True,
            },
        )
        try:
            return bytes(derived[Attribute.VALUE])
        finally:
            derived.destroy()

    def _key(self, form: Form, id: bytes, label: str) -> Any:
        """Exactly one object of this class, id and label."""
        found = self._objects(form, id, label)
        if not found:
            raise KeyAbsent(
                "no-key",
                f"no {form} key {label!r} with id {id.hex()} in the token: it was destroyed, "
                "renamed or never made",
            )
        if len(found) > 1:
            raise TokenProblem(
                "two-keys",
                f"{len(found)} {form} keys {label!r} with id {id.hex()}: exactly one may "
                "be; remove the others in the token",
            )
        return found[0]

    def _objects(self, form: Form, id: bytes, label: str) -> list[Any]:
        wanted = {
            Attribute.CLASS: ObjectClass.SECRET_KEY
            if form is Form.HMAC
            else ObjectClass.PRIVATE_KEY,
            Attribute.ID: id,
            Attribute.LABEL: label,
        }
        return list(self._session.get_objects(wanted))

    # --- making -----------------------------------------------------------------------------------

    def _create(self, form: str, id: bytes, label: str) -> codec.Wire:
        """A key that never leaves the token. Every attribute is written out: tokens differ in what
        they assume."""
        if len(id) != KEY_ID_SIZE:
            raise TokenProblem("device", f"a key's id has {KEY_ID_SIZE} bytes")
        if self._objects(Form(form), id, label):
            raise TokenProblem("exists", f"a key {label!r} with id {id.hex()} exists already")
        make = self._create_hmac if Form(form) is Form.HMAC else self._create_ecdh
        make(id, label)
        facts = key_facts(self._key(Form(form), id, label))
        if not facts.stays_inside:
            raise TokenProblem(
                "weak-key", f"the token made {label!r} as a key that may leave it: remove it there"
            )
        return facts.to_wire()

    def _create_hmac(self, id: bytes, label: str) -> None:
        self._session.generate_key(
            KeyType.GENERIC_SECRET,
            HALF_SIZE * 8,
            mechanism=Mechanism.GENERIC_SECRET_KEY_GEN,
            capabilities=MechanismFlag.SIGN,
            store=True,
            template=kept(id, label)
            | {
                Attribute.CLASS: ObjectClass.SECRET_KEY,
                Attribute.KEY_TYPE: KeyType.GENERIC_SECRET,
                Attribute.VALUE_LEN: HALF_SIZE,
                **uses(Attribute.SIGN),
            },
        )

    def _create_ecdh(self, id: bytes, label: str) -> None:
        curve = encode_named_curve_parameters("secp256r1")
        parameters = self._session.create_domain_parameters(
            KeyType.EC, {Attribute.EC_PARAMS: curve}, local=True
        )
        parameters.generate_keypair(
            mechanism=Mechanism.EC_KEY_PAIR_GEN,
            capabilities=MechanismFlag.DERIVE,
            store=True,
            id=id,
            label=label,
            private_template=kept(id, label) | uses(Attribute.DERIVE, secret=False),
        )
