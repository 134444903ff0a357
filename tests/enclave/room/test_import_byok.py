"""`.byok` files by the published format: what a vendor's tool writes opens, all else is refused."""

import json
import os
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from strongroom.consensus.errors import ClientFault
from strongroom.enclave.primitives import DoesNotOpen
from strongroom.enclave.room.programs.import_byok import (
    BYOK_BYTES_MAX,
    ExchangeKey,
    NotByok,
    TransferBlob,
)

KID = "https://contoso.vault.example/keys/exchange/664f5aa2797a4075b8e36ca4500636d8"
TARGET = bytes(range(32))
SHA1 = hashes.SHA1()


@pytest.fixture(scope="module")
def exchange() -> ExchangeKey:
    return ExchangeKey.generate(KID, bits=2048)


def vendors_tool(
    public_pem: bytes,
    target: bytes = TARGET,
    *,
    wrapping: bytes | None = None,
    kid: str = KID,
    hash_: hashes.HashAlgorithm = SHA1,
    **changes: Any,
) -> bytes:
    """What a tool writes, made from the specification alone: nothing here is the product's code."""
    wrapping = wrapping if wrapping is not None else os.urandom(32)
    public = load_pem_public_key(public_pem)
    assert isinstance(public, rsa.RSAPublicKey)
    oaep = padding.OAEP(mgf=padding.MGF1(hash_), algorithm=hash_, label=None)
    ciphertext = public.encrypt(wrapping, oaep) + aes_key_wrap_with_padding(wrapping, target)
    document: dict[str, Any] = {
        "schema_version": "1.0.0",
        "header": {"kid": kid, "alg": "dir", "enc": "CKM_RSA_AES_KEY_WRAP"},
        "ciphertext": urlsafe_b64encode(ciphertext).decode().rstrip("="),
        "generator": "BYOK tool 1.2; source HSM model 7, firmware 3",
    }
    return json.dumps(document | changes).encode()


def test_what_a_vendors_tool_writes_opens(exchange: ExchangeKey) -> None:
    blob = TransferBlob.decode(vendors_tool(exchange.public_pem))
    assert exchange.open(blob).reveal() == TARGET
    assert blob.generator.startswith("BYOK tool")
    assert TARGET.hex() not in repr(exchange.open(blob))


def test_a_tool_that_pads_base64_is_understood(exchange: ExchangeKey) -> None:
    document = json.loads(vendors_tool(exchange.public_pem))
    document["ciphertext"] += "=" * (-len(document["ciphertext"]) % 4)
    assert document["ciphertext"].endswith("=")
    assert exchange.open(TransferBlob.decode(json.dumps(document).encode())).reveal() == TARGET


HEADER = {"kid": KID, "alg": "dir", "enc": "CKM_RSA_AES_KEY_WRAP"}


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"schema_version": "2.0.0"}, "schema_version"),
        ({"schema_version": 1.0}, "schema_version"),
        ({"header": HEADER | {"alg": "RSA-OAEP"}}, "header.alg"),
        ({"header": HEADER | {"enc": "A256GCM"}}, "header.enc"),
        ({"header": HEADER | {"more": 1}}, "header: 1 unknown"),
        ({"header": {"kid": KID, "alg": "dir"}}, "header: no enc"),
        ({"header": HEADER | {"kid": 7}}, "header.kid"),
        ({"header": []}, "header"),
        ({"ciphertext": "***"}, "ciphertext"),
        ({"ciphertext": ""}, "ciphertext"),
        ({"ciphertext": "A"}, "ciphertext"),
        ({"ciphertext": "AAB"}, "ciphertext"),
        ({"ciphertext": ["AAAA"]}, "ciphertext"),
        ({"generator": 5}, "generator"),
        ({"surprise": 1}, "the file: 1 unknown"),
    ],
)
def test_every_field_is_checked_and_named(
    exchange: ExchangeKey, changes: dict[str, Any], names: str
) -> None:
    with pytest.raises(NotByok, match=names):
        TransferBlob.decode(vendors_tool(exchange.public_pem, **changes))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"header": NaN}', b"[" * 5000, b" " * (BYOK_BYTES_MAX + 1)],
)
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(NotByok):
        TransferBlob.decode(data)


def test_a_field_that_stands_twice_is_refused(exchange: ExchangeKey) -> None:
    text = vendors_tool(exchange.public_pem).decode()
    with pytest.raises(NotByok, match="twice"):
        TransferBlob.decode(text.replace("{", '{"generator": "x", ', 1).encode())
    with pytest.raises(NotByok, match="twice"):
        TransferBlob.decode(text.replace('"kid"', '"kid": "x", "kid"', 1).encode())


def test_a_blob_for_another_exchange_key_is_refused(exchange: ExchangeKey) -> None:
    blob = TransferBlob.decode(vendors_tool(exchange.public_pem))
    other = ExchangeKey.generate("https://elsewhere.example/keys/1", bits=2048)
    with pytest.raises(NotByok, match="another exchange key"):
        other.open(blob)
    with pytest.raises(DoesNotOpen):
        ExchangeKey.generate(KID, bits=2048).open(blob)


@pytest.mark.parametrize("size", [16, 24, 40])
def test_a_target_of_another_length_is_refused(exchange: ExchangeKey, size: int) -> None:
    blob = TransferBlob.decode(vendors_tool(exchange.public_pem, bytes(size)))
    with pytest.raises(ClientFault):
        exchange.open(blob)


@pytest.mark.parametrize("size", [31, 30])
def test_a_shorter_key_that_fills_the_same_blocks_is_refused(
    exchange: ExchangeKey, size: int
) -> None:
    blob = TransferBlob.decode(vendors_tool(exchange.public_pem, bytes(size)))
    with pytest.raises(DoesNotOpen):
        exchange.open(blob)


def test_a_wrapping_key_that_is_not_aes_256_is_refused(exchange: ExchangeKey) -> None:
    with pytest.raises(DoesNotOpen):
        exchange.open(TransferBlob.decode(vendors_tool(exchange.public_pem, wrapping=bytes(16))))


def test_another_oaep_hash_is_refused(exchange: ExchangeKey) -> None:
    with pytest.raises(DoesNotOpen):
        exchange.open(TransferBlob.decode(vendors_tool(exchange.public_pem, hash_=hashes.SHA256())))


def test_a_changed_ciphertext_does_not_open_and_all_failures_sound_alike(
    exchange: ExchangeKey,
) -> None:
    blob = TransferBlob.decode(vendors_tool(exchange.public_pem))
    words = set()
    for at in (0, 100, 255, 256, 270, 295):
        changed = bytearray(blob.ciphertext)
        changed[at] ^= 1
        with pytest.raises(DoesNotOpen) as raised:
            exchange.open(TransferBlob(kid=KID, ciphertext=bytes(changed), generator=""))
        words.add(str(raised.value))
    assert len(words) == 1


@pytest.mark.parametrize("bits", [1024, 1536])
def test_an_exchange_key_has_a_size_of_the_specification(bits: int) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    with pytest.raises(ValueError, match="bits"):
        ExchangeKey("k", key)
