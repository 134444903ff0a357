"""The import of a key from an HSM: a `.byok` file, as vendors' tools write it for Azure Key Vault,
is opened here with an exchange key that this room makes for it, and wrapped anew at once under both
halves of a split key. What leaves is the exchange key's public part, signed by this room together
with the name of that key, and the wrapped key, which opens in rooms alone (VAULT §4).

    --set key=id:HEX/payroll  --file blob=./payroll.byok  [--set kid=URL --set minutes=30]

Owns the file's form (Microsoft, "Bring your own key specification", schema 1.0.0): a JSON object
with `schema_version`, `header` {`kid`, `alg`: "dir", `enc`: "CKM_RSA_AES_KEY_WRAP"}, `ciphertext`
in base64url and `generator`. The ciphertext is PKCS#11's CKM_RSA_AES_KEY_WRAP: RSA-OAEP (SHA-1,
MGF1 with SHA-1, no label) of an AES-256 key, then the target key under AES-KWP (RFC 5649). Only
octet keys of 32 bytes are taken.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.primitives import SECRET_SIZE, DoesNotOpen, Secret
from strongroom.enclave.room.sdk import Refused, Room

SCHEMA = "1.0.0"
ALGORITHM = "dir"
ENCRYPTION = "CKM_RSA_AES_KEY_WRAP"
BYOK_BYTES_MAX = 16 * 1024
KID, FILE, MINUTES = "strongroom-import", "blob", 30
TRIES_MAX = 8
"""Different files that one exchange key is tried on: whoever wants to learn from refusals gets no
more."""
LOOK_SECONDS = 0.5
TEXT_CHARS_MAX = 512
"""Of `kid` and `generator`."""
EXCHANGE_BITS: Final = (2048, 3072, 4096)
"""Sizes of exchange keys that the specification knows."""
_TARGET_BYTES = SECRET_SIZE + 8
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+={0,2}")
# The published format says SHA-1, which as OAEP's mask needs no resistance to collisions.
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303


class NotByok(ClientFault):
    """The file is no key transfer blob that we take; the text says which field, and never shows
    the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferBlob:
    """A `.byok` file, read; nothing in it is proven before it opens."""

    kid: str
    """Of the exchange key that it was made for."""
    ciphertext: bytes
    generator: str
    """Which tool made it, by its own word."""

    @classmethod
    def decode(cls, data: bytes) -> "TransferBlob":
        """Read a `.byok` file.

        Raises:
            NotByok: a field is missing, doubled, unknown, or not what it must be.
        """
        document = _object(_load(data), "the file", _FIELDS)
        if document["schema_version"] != SCHEMA:
            raise NotByok(f"schema_version: this reads {SCHEMA} alone")
        header = _object(document["header"], "header", {"kid", "alg", "enc"})
        if header["alg"] != ALGORITHM:
            raise NotByok(f"header.alg: expected {ALGORITHM}")
        if header["enc"] != ENCRYPTION:
            raise NotByok(f"header.enc: expected {ENCRYPTION}; make the blob for this mechanism")
        return cls(
            kid=_text(header["kid"], "header.kid"),
            ciphertext=_bytes(document["ciphertext"]),
            generator=_text(document.get("generator", "not said"), "generator"),
        )


_FIELDS: Final = {"schema_version", "header", "ciphertext", "generator"}
_OPTIONAL: Final = {"generator"}


class ExchangeKey:
    """RSA private key of one import, made in a room. Has no repr of itself, and is not stored."""

    __slots__ = ("_key", "kid")

    def __init__(self, kid: str, key: rsa.RSAPrivateKey) -> None:
        if key.key_size not in EXCHANGE_BITS:
            raise ValueError(f"an exchange key has {EXCHANGE_BITS} bits")
        self.kid, self._key = kid, key

    @classmethod
    def generate(cls, kid: str, *, bits: int = 3072) -> "ExchangeKey":
        """A fresh one; some tenths of a second.

        Args:
            kid: how the blob's header names it, for example a URL.
            bits: 2048, 3072 or 4096.
        """
        return cls(kid, rsa.generate_private_key(public_exponent=65537, key_size=bits))

    @property
    def public_pem(self) -> bytes:
        """What the customer's tool takes: SubjectPublicKeyInfo in PEM."""
        return self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def open(self, blob: TransferBlob) -> Secret:
        """The customer's key, 32 bytes.

        Raises:
            NotByok: made for another exchange key, or of another length.
            DoesNotOpen: it does not open with this key, or what is in it is no key of 32 bytes.
        """
        if blob.kid != self.kid:
            raise NotByok("header.kid: the blob was made for another exchange key; ask for it anew")
        size = self._key.key_size // 8
        if len(blob.ciphertext) != size + _TARGET_BYTES:
            raise NotByok(
                f"ciphertext: expected {size + _TARGET_BYTES} bytes, a {self._key.key_size}-bit "
                f"RSA block and a wrapped key of {SECRET_SIZE} bytes; got {len(blob.ciphertext)}"
            )
        # One error for all: an opener that tells paddings apart is an oracle (RFC 8017 §7.1.2).
        try:
            wrapping = self._key.decrypt(blob.ciphertext[:size], _OAEP)
            if len(wrapping) != 32:
                raise ValueError
            target = aes_key_unwrap_with_padding(wrapping, blob.ciphertext[size:])
            return Secret(target)
        except (InvalidUnwrap, ValueError):
            raise DoesNotOpen(
                "the blob does not open with this exchange key, or holds no key of 32 bytes"
            ) from None

    def __repr__(self) -> str:
        return f"ExchangeKey(kid={self.kid!r})"


async def program(room: Room) -> None:
    """Make an exchange key, wait for the file that was made for it, wrap what is in it anew."""
    words = room.parameters
    exchange = ExchangeKey.generate(words.get("kid", KID))
    room.tell(
        "exchange-key",
        kid=exchange.kid,
        pem=exchange.public_pem,
        evidence=await room.evidence(),
        signature=room.sign(exchange_statement(exchange.public_pem, words["key"])),
    )
    imported = await opened_file(room, exchange, float(words.get("minutes", MINUTES)) * 60)
    version, wrapped = await room.rewrap(words["key"], "import", imported)
    room.tell("imported", key=f"{words['key'].partition('@')[0]}@{version}", wrapped=wrapped)


def exchange_statement(pem: bytes, key: str) -> bytes:
    """What the room signs: this exchange key, and for which key alone it imports. Without the
    second, its host could have it wrap what a customer sends under a key of the host's own, whose
    halves both are the host's."""
    return pem + key.encode()


async def opened_file(room: Room, exchange: ExchangeKey, seconds: float) -> Secret:
    """The key in the host's file, once there is one that opens.

    Raises:
        Refused: ``byok``: none came in time, or too many did not open.
    """
    began, tried, waits = monotonic(), list[bytes](), ""
    while monotonic() - began < seconds and len(tried) < TRIES_MAX:
        await room.rest(LOOK_SECONDS)
        try:
            data = await room.file(FILE, BYOK_BYTES_MAX)
        except ClientFault as fault:  # it is not there yet
            if str(fault) != waits:
                room.tell("waiting", why=(waits := str(fault)))
            continue
        if data in tried:
            continue
        tried.append(data)
        try:
            return exchange.open(TransferBlob.decode(data))
        except (NotByok, DoesNotOpen) as fault:
            room.tell("not-taken", why=str(fault))
    raise Refused("byok", f"no file that opens came in {seconds:g} s or {TRIES_MAX} tries")


def _load(data: bytes) -> Any:
    if len(data) > BYOK_BYTES_MAX:
        raise NotByok(f"longer than {BYOK_BYTES_MAX} bytes: not a key transfer blob")
    try:
        return json.loads(
            data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant
        )
    except NotByok:
        raise
    except (ValueError, RecursionError):
        raise NotByok("not JSON: expected the .byok file as the vendor's tool wrote it") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise NotByok("a field stands twice")
    return fields


def _no_constant(_name: str) -> Any:
    raise NotByok("a number that is none")


def _object(value: object, name: str, fields: set[str]) -> dict[str, Any]:
    if type(value) is not dict:
        raise NotByok(f"{name}: expected a JSON object")
    if unknown := value.keys() - fields:
        raise NotByok(
            f"{name}: {len(unknown)} unknown fields; known are {', '.join(sorted(fields))}"
        )
    if missing := fields - value.keys() - _OPTIONAL:
        raise NotByok(f"{name}: no {', '.join(sorted(missing))}")
    return value


def _text(value: object, name: str) -> str:
    if type(value) is not str or not 0 < len(value) <= TEXT_CHARS_MAX:
        raise NotByok(f"{name}: expected a text of 1 to {TEXT_CHARS_MAX} characters")
    return value


def _bytes(value: object) -> bytes:
    """Base64url as RFC 7515 writes it, without padding; some tools pad it, which is taken too."""
    if type(value) is not str or _BASE64URL.fullmatch(value) is None:
        raise NotByok("ciphertext: expected base64url")
    bare = value.rstrip("=")
    data = b"" if len(bare) % 4 == 1 else urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    padded = urlsafe_b64encode(data).decode()
    if value not in (padded, padded.rstrip("=")):
        raise NotByok("ciphertext: not the one base64url form of its bytes")
    return data
