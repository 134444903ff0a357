"""What tokens hold and how they fail, in words of our own: templates, facts, errors.

Owns the attributes that a key is made with and what is told of it, and what each error of
`python-pkcs11` becomes: never a PIN, nor a module's own text. Loaded in the child process alone.
"""

from collections.abc import Callable, Iterable
from typing import Any

from strongroom.node.custodian.token_words import KeyFacts, TokenFacts

try:
    import pkcs11
    from pkcs11 import Attribute
    from pkcs11 import exceptions as errors
except ImportError:
    pkcs11 = None  # type: ignore[assignment]


class TokenProblem(Exception):
    """A code and words that may be shown: never a PIN, nor a module's own text."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class KeyAbsent(TokenProblem):
    """The key is not there: destroyed, or the module remembers a token that went and came back."""


def told(act: Callable[..., Any], arguments: Iterable[Any]) -> Any:
    """Act; what goes wrong in words of ours.

    Raises:
        TokenProblem: for every error.
    """
    try:
        return act(*arguments)
    except Exception as error:
        raise problem_of(error) from None


def kept(id: bytes, label: str) -> dict[Any, Any]:
    """Of every key that is made: it stays in the token, for ever, as it is."""
    return {
        Attribute.ID: id,
        Attribute.LABEL: label,
        Attribute.TOKEN: True,
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.MODIFIABLE: False,
    }


def uses(only: Any, *, secret: bool = True) -> dict[Any, Any]:
    """The one thing that the key may be used for, all others written as forbidden."""
    known = [Attribute.DECRYPT, Attribute.SIGN, Attribute.UNWRAP, Attribute.DERIVE]
    if secret:
        known += [Attribute.ENCRYPT, Attribute.VERIFY, Attribute.WRAP]
    return {use: use is only for use in known}


def token_facts(library: Any, token: Any) -> TokenFacts:
    """Which device this is."""

    def version(pair: tuple[int, int]) -> str:
        return f"{pair[0]}.{pair[1]}"

    return TokenFacts(
        label=token.label,
        serial=token.serial.decode("ascii", "replace"),
        manufacturer=token.manufacturer_id,
        model=token.model,
        firmware=version(token.firmware_version),
        library=f"{library.library_description} {version(library.library_version)}",
    )


def key_facts(key: Any) -> KeyFacts:
    """An attribute that a token does not tell counts as the worse one."""
    return KeyFacts(
        kind=getattr(key.key_type, "name", str(key.key_type)),
        sensitive=said(key, Attribute.SENSITIVE, False),
        extractable=said(key, Attribute.EXTRACTABLE, True),
        never_extractable=said(key, Attribute.NEVER_EXTRACTABLE, False),
        local=said(key, Attribute.LOCAL, False),
    )


def said(key: Any, attribute: Any, otherwise: bool) -> bool:
    """An attribute, or what counts where a token does not tell it."""
    try:
        return bool(key[attribute])
    except errors.AttributeTypeInvalid:
        return otherwise


def bounded(data: object, size_max: int) -> bytes:
    """Bytes of bounded length, or a problem."""
    if type(data) is not bytes or not 0 < len(data) <= size_max:
        raise TokenProblem("device", f"expected 1 to {size_max} bytes")
    return data


def problem_of(error: Exception) -> TokenProblem:
    """What is told of an error: its name, and ours for what can be done; no text of a module."""
    if isinstance(error, TokenProblem):
        return error
    name = type(error).__name__
    if isinstance(error, _AWAY):
        return TokenProblem(
            "no-token", f"the token is gone ({name}): is the HSM on, and connected?"
        )
    if isinstance(error, _CANNOT):
        return TokenProblem(
            "cannot", f"the token does not do this ({name}): see `strongroom custodian check`"
        )
    if isinstance(error, errors.PKCS11Error):
        return TokenProblem("device", f"the token failed ({name})")
    return TokenProblem("device", f"an unforeseen {name} of the device's module")


if pkcs11 is None:
    _GONE: tuple[type[Exception], ...] = ()
    _AWAY: tuple[type[Exception], ...] = ()
    _CANNOT: tuple[type[Exception], ...] = ()
else:
    _AWAY = (errors.DeviceRemoved, errors.TokenNotPresent, errors.SlotIDInvalid, errors.NoSuchToken)
    _GONE = (
        *_AWAY,
        errors.SessionHandleInvalid,
        errors.SessionClosed,
        errors.UserNotLoggedIn,
        errors.DeviceError,
        errors.GeneralError,
        errors.FunctionFailed,
        errors.KeyHandleInvalid,
        errors.ObjectHandleInvalid,
    )
    _CANNOT = (
        errors.MechanismInvalid,
        errors.MechanismParamInvalid,
        errors.FunctionNotSupported,
        errors.TemplateInconsistent,
        errors.KeyTypeInconsistent,
    )
LOOKED_AT_ANEW: tuple[type[Exception], ...] = (KeyAbsent, *_GONE)
