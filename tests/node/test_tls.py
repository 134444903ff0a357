"""Connection keys and contexts, over real sockets."""

import asyncio
import socket
import ssl
import stat
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom.node import tls
from strongroom.node.config import Address, NodeConfig
from strongroom.node.host.doors import Doors
from strongroom.node.layout import NodeLayout
from strongroom.node.network.links import Links


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


# --- renewing -------------------------------------------------------------------------------------


@pytest.fixture
def old(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A node's files whose certificate ends in a month."""
    monkeypatch.setattr(tls, "_LIFETIME", timedelta(days=30))
    monkeypatch.setattr(tls, "_BACKDATED", timedelta(days=367))
    certificate, key = files
    certificate.write_bytes(tls.renewed(certificate.read_bytes(), key.read_bytes()))
    monkeypatch.undo()
    return files


def test_a_renewed_certificate_has_the_key_and_names_of_the_old_one(
    old: tuple[Path, Path],
) -> None:
    before = old[0].read_bytes()
    after = tls.renewed(before, old[1].read_bytes())
    assert tls.spki_digest(after) == tls.spki_digest(before)
    assert tls.valid_until(after) - tls.valid_until(before) > timedelta(days=360)
    assert tls.renewal_due(before) < datetime.now(UTC) < tls.renewal_due(after)
    names = x509.SubjectAlternativeName
    one, other = map(x509.load_pem_x509_certificate, (before, after))
    assert (
        one.extensions.get_extension_for_class(names).value
        == other.extensions.get_extension_for_class(names).value
    )
    assert one.serial_number != other.serial_number


def test_a_certificate_is_renewed_with_its_own_key_alone(old: tuple[Path, Path]) -> None:
    with pytest.raises(tls.CertificateInvalid, match="not this key's"):
        tls.renewed(old[0].read_bytes(), tls.make_certificate("n0").key)
    with pytest.raises(tls.CertificateInvalid, match="cannot renew"):
        tls.renewed(old[0].read_bytes(), b"no key")
    with pytest.raises(tls.CertificateInvalid, match="not a certificate"):
        tls.renewal_due(b"none")


async def test_a_short_life_is_renewed_in_its_last_third(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_LIFETIME", timedelta(hours=6))
    monkeypatch.setattr(tls, "_BACKDATED", timedelta(0))
    made = tls.make_certificate("n0").certificate
    assert tls.valid_until(made) - tls.renewal_due(made) == timedelta(hours=2)


async def test_a_running_door_renews_and_clients_with_the_old_bundle_go_on(
    old: tuple[Path, Path], tmp_path: Path
) -> None:
    layout = NodeLayout(tmp_path / "n0")
    layout.directory.mkdir()
    old[0].rename(layout.tls_certificate)
    old[1].rename(layout.tls_key)
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(layout.tls_certificate.read_bytes())
    address = Address("127.0.0.1", 7400)
    config = NodeConfig(
        name="n0", directory=layout.directory, genesis=tmp_path, rpc=address, peer=address
    )
    doors = Doors(config, Links(*(None,) * 4))  # type: ignore[arg-type]
    doors._context = tls.server_context(layout.tls_certificate, layout.tls_key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(5))
        await writer.drain()
        writer.close()

    client = tls.client_context(bundle)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=doors._context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, before = await dial(port, client)
        doors.renew()
        _, after = await dial(port, client)
        assert before != after
        assert tls.spki_digest(before) == tls.spki_digest(after)
        kept = layout.tls_certificate.read_bytes()
        assert ssl.PEM_cert_to_DER_cert(kept.decode()) == after
        doors.renew()  # nothing is due any more
        assert layout.tls_certificate.read_bytes() == kept
        layout.tls_key.unlink()
        layout.tls_certificate.write_bytes(bundle.read_bytes())
        doors.renew()  # cannot, says so, and the door stays as it is
        assert (await dial(port, client))[1] == after


def test_a_client_over_a_plain_socket_looks_at_the_key_too(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(tls.make_certificate("n0").certificate)
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        for _ in range(2):
            end, _ = listening.accept()
            with suppress(OSError), tls.server_context(*files).wrap_socket(end, server_side=True):
                pass

    thread = threading.Thread(target=answer)
    thread.start()
    end = socket.create_connection(listening.getsockname())
    with tls.client_context(files[0]).wrap_socket(end) as held:
        assert held.version() == "TLSv1.3"
    end = socket.create_connection(listening.getsockname())
    with pytest.raises(ssl.SSLCertVerificationError, match="not in the bundle"):
        tls.client_context(other).wrap_socket(end)
    end.close()
    thread.join()
    listening.close()
