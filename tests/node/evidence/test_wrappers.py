"""Conceptual message wrappers, and the strict readers below every kind."""

import cbor2
import pytest
from cryptography import x509
from tests.node.evidence.forging import (
    answer,
    certificate,
    cmw_certificate,
    der,
    encode,
    p256,
    pem,
    said,
    spki,
)

from strongroom.consensus.errors import AttestationError
from strongroom.enclave.tokens.jose import decode_base64url
from strongroom.node.evidence import cbor, chains, strict
from strongroom.node.evidence.certificates import FieldCertificate, oid

RECORD = ["application/eat+jwt", "YQ"]


def cmw(data: bytes) -> str:
    return said("cmw", {"cmw": data})


@pytest.mark.parametrize(
    "data",
    [
        b'["application/vnd.a", "YQ"]',
        b'["application/eat+cwt; eat_profile=\\"tag:x\\"", "YQ", 4]',
        b'{"__cmwc_t": "tag:example.com,2024:x", "a": ["a/b", "YQ"], "b": {"c": ["a/b", ""]}}',
        encode([64999, b"ab"]),
        encode(["application/vnd.a", b"ab", 15]),
        encode({0: ["a/b", b""], "b": cbor2.CBORTag(1668612070, b"ab")}),
        encode({"__cmwc_t": "2.999.1", 1: [0, b""]}),
    ],
)
def test_a_wrapper_is_read(data: bytes) -> None:
    assert cmw(data) == "good: parsed-only"


def test_a_content_format_as_a_tag_is_the_one_of_rfc_9277() -> None:
    assert answer("cmw", {"cmw": encode(cbor2.CBORTag(1668612070, b"ab"))}).facts["types"] == [
        "content format 64999"
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'["a/b"]',
        b'["a/b", "YQ", 0]',
        b'["a/b", "YQ", 16]',
        b'["a/b", "YQ", true]',
        b'["a/b", "YQ", 1, 2]',
        b'["a/b", "YR"]',
        b'["a/b", "YQ=="]',
        b'["ab", "YQ"]',
        b'[5, "YQ"]',
        b'{"a": ["a/b", "YQ"], "a": ["a/b", "YQ"]}',
        b'{"__cmwc_t": "x"}',
        b'{"__cmwc_t": "x y", "a": ["a/b", "YQ"]}',
        b'{"a": {"a": {"a": {"a": ["a/b", "YQ"]}}}}',
        b'["a/b", "YQ"] x',
        encode([65536, b""]),
        encode(["a/b", "YQ"]),
        encode({b"a": ["a/b", b""]}),
        encode(cbor2.CBORTag(1, 2)),
        encode(cbor2.CBORTag(0x63740101 + 255, b"")),
        encode([0, b""]) + b"\x00",
        b"\x9f\x00\x40\xff",
        b"\x82\x18\x00\x40",
    ],
)
def test_a_wrapper_in_another_form_is_bad(data: bytes) -> None:
    assert answer("cmw", {"cmw": data}).verdict == "bad"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'\x0c\x0f["text/a","YQ"]', "good: parsed-only"),
        (b"\x04\x06" + encode([0, b"abc"]), "good: parsed-only"),
        (b"\x04\x07" + encode([0, b"abc"]) + b"\x00", "bad: encoding"),
        (b"\x05\x00", "bad: certificate-form"),
        (b"", "bad: certificate-form"),
    ],
)
def test_a_certificate_carries_a_wrapper(value: bytes, expected: str) -> None:
    assert said("cmw", {"cert": cmw_certificate(value)}) == expected


# --- readers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"\x1a\x00\x00\x00\x01",
        b"\xa2\x01\x01\x01\x01",
        b"\x01\x01",
        b"\xf9\x3c\x00",
        b"\xc2\x41\x01",
        b"\xd8\x1c\x80",
        b"\x5f\x41\x00\xff",
        b"\xa1\xf5\x01",
        b"\x81" * 20 + b"\x00",
        b"\xff",
        b"",
    ],
)
def test_cbor_in_another_than_its_shortest_form_is_refused(data: bytes) -> None:
    with pytest.raises(AttestationError):
        cbor.decode(data, "it")


@pytest.mark.parametrize("text", ['{"a":1,"a":2}', "NaN", "[1", "\ufeff1", "[" * 5000 + "]" * 5000])
def test_json_that_can_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(AttestationError):
        strict.decode_json(text.encode(), "it")


def named(size: int) -> bytes:
    return der(certificate("x" * size, p256("named")))


@pytest.mark.parametrize(
    "change", ["crlf", "space", "junk", "short lines", "label", "padding", "no end"]
)
def test_pem_in_another_form_is_refused(change: str) -> None:
    good = next(text for text in (pem(named(size)) for size in range(1, 60)) if b"=\n" in text)
    assert strict.read_certificates(good) == strict.read_certificates(good.replace(b"\n", b"\r\n"))
    changed = {
        "crlf": good.replace(b"\n", b"\r\n", 3),
        "space": good.replace(b"\n", b" \n", 1),
        "junk": good + b"junk\n",
        "short lines": good.replace(b"\nM", b"\nM\n", 1),
        "label": good.replace(b"END CERTIFICATE", b"END CERTIFICATF"),
        "padding": good.replace(b"=\n", b"\n"),
        "no end": good[:-10],
    }[change]
    with pytest.raises(AttestationError):
        strict.read_certificates(changed)


@pytest.mark.parametrize("text", ["a", "YR", "YQ==", "Y Q", "YQ\n", "Y+"])
def test_base64url_in_another_than_its_canonical_form_is_refused(text: str) -> None:
    with pytest.raises(AttestationError):
        decode_base64url(text)


def test_a_dotted_identifier_is_encoded_as_x690_has_it() -> None:
    assert oid("2.23.133.5.4.9").hex() == "678105050409"
    assert oid("1.3.6.1.5.5.7.1.35").hex() == "2b06010505070123"


def test_both_readers_of_certificates_see_the_same() -> None:
    data = cmw_certificate(b"\x05\x00")
    ours, theirs = FieldCertificate.parse(data), x509.load_der_x509_certificate(data)
    assert ours.spki == spki(p256("cmw"))
    assert ours.begin == int(theirs.not_valid_before_utc.timestamp())
    assert ours.end == int(theirs.not_valid_after_utc.timestamp())
    assert ours.signed == theirs.tbs_certificate_bytes
    assert len(ours.extensions) == len(theirs.extensions)
    ours.check_self_signed()


def test_a_signature_is_a_whole_number_of_bytes() -> None:
    """T20: the libraries ignore this byte, which nobody signs, so that one certificate would have
    eight encodings."""
    data = next(one for one in (named(1) for _ in range(100)) if one[-1] & 1 == 0)
    place = data.rindex(x509.load_der_x509_certificate(data).signature) - 1
    changed = data[:place] + b"\x01" + data[place + 1 :]
    assert (
        x509.load_der_x509_certificate(changed).signature
        == x509.load_der_x509_certificate(data).signature
    )
    for read in (strict.read_certificates, FieldCertificate.parse, chains.load):
        read(data)
        with pytest.raises(AttestationError, match="whole number of bytes"):
            read(changed)


def test_an_unknown_kind_gets_no_verdict() -> None:
    assert said("sorcery", {}) == "cannot check: unknown-kind"
