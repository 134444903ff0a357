"""Connection keys and contexts, over real sockets."""

import asyncio
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom.node import tls


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    tls.write_identity(
        tls.make_certificate("n0", ["node0.example"]), certificate=certificate, key=key
    )
    return certificate, key


@asynccontextmanager
async def serving(certificate: Path, key: Path) -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(5))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(
        answer, "127.0.0.1", 0, ssl=tls.server_context(certificate, key)
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


async def dial(port: int, context: ssl.SSLContext) -> tuple[str, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        writer.write(b"hello")
        assert await reader.read(5) == b"hello"
        connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
        certificate = connection.getpeercert(binary_form=True)
        assert certificate is not None
        return connection.version() or "", certificate
    finally:
        writer.close()
        await writer.wait_closed()


def test_the_digest_is_of_the_public_key_info_in_pem_and_der_alike(
    files: tuple[Path, Path],
) -> None:
    pem = files[0].read_bytes()
    parsed = x509.load_pem_x509_certificate(pem)
    spki = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert (
        tls.spki_digest(pem)
        == tls.spki_digest(parsed.public_bytes(Encoding.DER))
        == sha256(spki).digest()
    )


def test_the_key_is_for_its_owner_only_and_never_replaced(files: tuple[Path, Path]) -> None:
    certificate, key = files
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(tls.CertificateInvalid, match="never replaced"):
        tls.write_identity(tls.make_certificate("n0"), certificate=certificate, key=key)


def test_a_key_has_no_repr() -> None:
    assert b"PRIVATE".decode() not in repr(tls.make_certificate("n0"))


async def test_a_peer_dials_with_tls_1_3_and_sees_the_digest(files: tuple[Path, Path]) -> None:
    async with serving(*files) as port:
        version, certificate = await dial(port, tls.dial_context())
    assert version == "TLSv1.3"
    assert tls.spki_digest(certificate) == tls.spki_digest(files[0].read_bytes())


async def test_a_client_takes_a_certificate_of_its_bundle(files: tuple[Path, Path]) -> None:
    async with serving(*files) as port:
        assert (await dial(port, tls.client_context(files[0])))[0] == "TLSv1.3"


async def test_t42_a_client_refuses_a_certificate_that_is_not_in_its_bundle(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    """T42."""
    other = tmp_path / "other.pem"
    other.write_bytes(tls.make_certificate("n0").certificate)
    async with serving(*files) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await dial(port, tls.client_context(other))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_2:DeprecationWarning")
async def test_tls_1_2_is_refused(files: tuple[Path, Path]) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(*files) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await dial(port, old)


def test_a_missing_or_foreign_key_is_an_operators_fault(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(tls.CertificateInvalid):
        tls.server_context(files[0], tmp_path / "none.key")
    with pytest.raises(tls.CertificateInvalid):
        tls.client_context(tmp_path / "none.pem")
    with pytest.raises(tls.CertificateInvalid):
        tls.spki_digest(b"not a certificate")


def of_version(version: int, certificate: bytes) -> bytes:
    """The certificate, its version changed: DER of [0] INTEGER."""
    der = x509.load_pem_x509_certificate(certificate).public_bytes(Encoding.DER)
    before = bytes.fromhex("a003020102")
    assert der.count(before) == 1
    return der.replace(before, bytes.fromhex("a0030201") + bytes((version,)))


async def test_T31_a_certificate_that_tls_takes_and_the_parser_does_not_is_an_invalid_one(
    tmp_path: Path,
) -> None:
    """T31: it is shown by whoever is dialled. The parser raises what is no ValueError, and every
    node that dialled the liar ended."""
    identity = tls.make_certificate("n9")
    shown = of_version(3, identity.certificate)
    certificate, key = tmp_path / "tls.pem", tmp_path / "tls.key"
    certificate.write_text(ssl.DER_cert_to_PEM_cert(shown))
    key.write_bytes(identity.key)
    async with serving(certificate, key) as port:
        _, seen = await dial(port, tls.dial_context())
    assert seen == shown
    with pytest.raises(tls.CertificateInvalid):
        tls.spki_digest(seen)
