"""Certificates: exact profiles under pinned roots (T28). A forger owns an RSA key and copies
everything else."""

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID
from tests.enclave.attestation.forging import bench, p256_key, reissue, rsa_key, subject, swap
from tests.enclave.fixtures import CREATED_MS, manufacturer

from strongroom.consensus.errors import AttestationError
from strongroom.consensus.types import Milliseconds
from strongroom.enclave.attestation.certificates import (
    AMD_EXTENSIONS,
    CHIP_ID,
    ORGANISATION,
    PRODUCT_NAME,
    TCB_COMPONENT,
    EndorsementChain,
    read_chain,
)
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.attestation.reasons import Reason
from strongroom.enclave.attestation.report import Product, SigningKey


def root_key() -> rsa.RSAPrivateKey:
    """The simulated manufacturer's own, as if its root had been bribed."""
    return manufacturer()._root._key


def intermediate_key() -> rsa.RSAPrivateKey:
    """Likewise its intermediate's."""
    return manufacturer()._intermediate._key


def own() -> tuple[bytes, bytes, bytes]:
    """The genuine simulated chain: chip key, intermediate, root."""
    endorsements = bench().first.chip.endorsements
    return endorsements.vek, endorsements.ask, endorsements.ark


def refused(vek: bytes, ask: bytes, ark: bytes) -> str:
    """The reason for which a chain is refused."""
    with pytest.raises(AttestationError) as caught:
        read_chain(vek, ask, ark)
    return caught.value.reason


def test_the_simulated_chain_has_the_form_of_amds() -> None:
    chain = read_chain(*own())
    assert (chain.product, chain.signing_key) == (Product.SIMULATED, SigningKey.CHIP)
    assert chain.root == manufacturer().root_digest
    assert chain.chip_id == bench().first.chip.chip_id


@pytest.mark.parametrize("position", [0, 1, 2])
def test_every_name_in_a_simulated_chain_says_simulated(position: int) -> None:
    """T26."""
    certificate = x509.load_der_x509_certificate(own()[position])
    for attribute in (*certificate.subject, *certificate.issuer):
        assert "SIMULATED" in str(attribute.value)


@pytest.mark.parametrize(
    "change",
    [
        {"scheme": padding.PKCS1v15()},
        {"algorithm": SHA256(), "scheme": padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=48)},
        {"algorithm": SHA512(), "scheme": padding.PSS(mgf=padding.MGF1(SHA512()), salt_length=48)},
        {"algorithm": SHA256(), "scheme": padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=48)},
        {"scheme": padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=48)},
        {"scheme": padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=32)},
    ],
    ids=["pkcs1", "sha256", "sha512", "sha256-mgf1-sha384", "mgf1-sha256", "salt-32"],
)
def test_another_signature_algorithm_is_refused_everywhere_in_the_chain(
    change: dict[str, Any],
) -> None:
    """T28: swapped algorithm, though each signature verifies."""
    vek, ask, ark = own()
    assert (
        refused(reissue(vek, intermediate_key(), **change), ask, ark)
        == Reason.CERTIFICATE_ALGORITHM
    )
    assert refused(vek, reissue(ask, root_key(), **change), ark) == Reason.CERTIFICATE_ALGORITHM
    assert refused(vek, ask, reissue(ark, root_key(), **change)) == Reason.CERTIFICATE_ALGORITHM


def test_another_kind_of_key_is_refused() -> None:
    """T28: a P-256 chip key, an RSA chip key, a short RSA intermediate, an elliptic one."""
    vek, ask, ark = own()
    short, curve = rsa_key(2048).public_key(), ec.generate_private_key(ec.SECP384R1()).public_key()
    for public in (p256_key(), rsa_key().public_key()):
        assert (
            refused(reissue(vek, intermediate_key(), public_key=public), ask, ark)
            == Reason.CERTIFICATE_ALGORITHM
        )
    for other in (short, curve):
        assert (
            refused(vek, reissue(ask, root_key(), public_key=other), ark)
            == Reason.CERTIFICATE_ALGORITHM
        )


def test_a_certificate_signed_by_another_key_of_the_same_name_is_refused() -> None:
    """T28: every name is right, no key is."""
    vek, ask, ark = own()
    assert refused(reissue(vek, rsa_key()), ask, ark) == Reason.CERTIFICATE_SIGNATURE
    assert refused(vek, reissue(ask, rsa_key()), ark) == Reason.CERTIFICATE_SIGNATURE
    assert refused(vek, ask, reissue(ark, rsa_key())) == Reason.CERTIFICATE_SIGNATURE
    assert refused(vek, reissue(ask, root_key(), public_key=rsa_key().public_key()), ark) == (
        Reason.CERTIFICATE_SIGNATURE
    )


def test_a_self_made_chain_is_well_formed_and_worth_nothing() -> None:
    """T28, T26: its root is simulated by definition, and pinned by nobody."""
    vek, ask, ark = own()
    forged_root = reissue(ark, rsa_key(), public_key=rsa_key().public_key())
    forged = (vek, reissue(ask, rsa_key(), public_key=intermediate_key().public_key()), forged_root)
    assert read_chain(*forged).product is Product.SIMULATED
    evidence = swap(bench().evidence(), ask=forged[1], ark=forged[2])
    with pytest.raises(AttestationError) as caught:
        bench().judge(evidence)
    assert caught.value.reason == Reason.ROOT_UNKNOWN


def test_a_wrong_issuer_is_refused() -> None:
    """T28: the chip key names the root, the root names another, the intermediate names itself."""
    vek, ask, ark = own()
    root = x509.load_der_x509_certificate(ark).subject
    assert (
        refused(reissue(vek, intermediate_key(), issuer=root), ask, ark)
        == Reason.CERTIFICATE_ISSUER
    )
    assert (
        refused(vek, reissue(ask, root_key(), issuer=subject("SEV-SIMULATED")), ark)
        == Reason.CERTIFICATE_ISSUER
    )
    assert (
        refused(vek, ask, reissue(ark, root_key(), issuer=subject("ARK-other")))
        == Reason.CERTIFICATE_ISSUER
    )
    assert refused(vek, ark, ask) == Reason.CERTIFICATE_NAME


@pytest.mark.parametrize(
    ("organisation", "suffix"), [(ORGANISATION, "-SIMULATED"), (ORGANISATION, "-Milan")]
)
def test_names_of_amd_under_a_root_that_is_not_amds_are_refused(
    organisation: str, suffix: str
) -> None:
    """T26: a profile belongs to a root's key, not to its name."""
    name = subject("ARK" + suffix, organisation)
    vek, ask, ark = own()
    lying_root = reissue(ark, root_key(), name=name, issuer=name)
    assert (
        refused(vek, reissue(ask, root_key(), issuer=name), lying_root) == Reason.CERTIFICATE_NAME
    )


def test_a_chip_key_that_could_sign_certificates_is_refused() -> None:
    """T28."""
    vek, ask, ark = own()
    authority = ((x509.BasicConstraints(ca=True, path_length=None), True),)
    assert (
        refused(reissue(vek, intermediate_key(), extra=authority), ask, ark)
        == Reason.CERTIFICATE_EXTENSION
    )


def test_an_issuer_that_may_not_sign_certificates_is_refused() -> None:
    """T28: no authority, no path length, another path length, no key usage."""
    vek, ask, ark = own()
    for constraints in (
        x509.BasicConstraints(ca=False, path_length=None),
        x509.BasicConstraints(ca=True, path_length=None),
        x509.BasicConstraints(ca=True, path_length=1),
    ):
        changed = reissue(ask, root_key(), extra=((constraints, True),))
        assert refused(vek, changed, ark) == Reason.CERTIFICATE_EXTENSION
    for oid in ("2.5.29.19", "2.5.29.15"):
        assert (
            refused(vek, reissue(ask, root_key(), without=oid), ark) == Reason.CERTIFICATE_EXTENSION
        )
        assert (
            refused(vek, ask, reissue(ark, root_key(), without=oid)) == Reason.CERTIFICATE_EXTENSION
        )


def test_a_critical_extension_that_nobody_here_knows_is_refused() -> None:
    """T28: RFC 5280 §4.2."""
    unknown = ((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True),)
    vek, ask, ark = own()
    assert (
        refused(reissue(vek, intermediate_key(), extra=unknown), ask, ark)
        == Reason.CERTIFICATE_EXTENSION
    )
    assert (
        refused(vek, reissue(ask, root_key(), extra=unknown), ark) == Reason.CERTIFICATE_EXTENSION
    )


@pytest.mark.parametrize(
    ("oid", "value", "reason"),
    [
        (TCB_COMPONENT + "1", None, Reason.CERTIFICATE_EXTENSION),
        (TCB_COMPONENT + "8", None, Reason.CERTIFICATE_EXTENSION),
        (TCB_COMPONENT + "3", b"\x02\x02\x00\x17", Reason.CERTIFICATE_EXTENSION),
        (TCB_COMPONENT + "3", b"\x02\x01\x97", Reason.CERTIFICATE_EXTENSION),
        (TCB_COMPONENT + "3", b"\x02\x02\x01\x00", Reason.CERTIFICATE_EXTENSION),
        (TCB_COMPONENT + "3", b"\x04\x01\x17", Reason.CERTIFICATE_EXTENSION),
        (CHIP_ID, None, Reason.CERTIFICATE_EXTENSION),
        (CHIP_ID, bytes(8), Reason.CERTIFICATE_EXTENSION),
        (PRODUCT_NAME, None, Reason.CERTIFICATE_EXTENSION),
        (PRODUCT_NAME, b"\x16\x05Milan", Reason.PRODUCT),
        (PRODUCT_NAME, b"\x16\x09SIMULATE", Reason.CERTIFICATE_EXTENSION),
    ],
)
def test_chip_key_extensions_must_be_whole_and_exact(
    oid: str, value: bytes | None, reason: Reason
) -> None:
    """T28, T22: AMD's extensions, missing or in another encoding."""
    vek, ask, ark = own()
    extra = (
        ()
        if value is None
        else ((x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), False),)
    )
    assert oid.startswith(AMD_EXTENSIONS)
    assert refused(reissue(vek, intermediate_key(), without=oid, extra=extra), ask, ark) == reason


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize(
    ("years", "reason"),
    [((2020, 2026), Reason.CERTIFICATE_EXPIRED), ((2028, 2040), Reason.CERTIFICATE_NOT_YET_VALID)],
)
def test_a_certificate_outside_its_time_is_refused_wherever_it_stands(
    position: int, years: tuple[int, int], reason: Reason
) -> None:
    """T28: judged at a time in 2027."""
    valid = (datetime(years[0], 1, 1, tzinfo=UTC), datetime(years[1], 1, 1, tzinfo=UTC))
    chain = list(own())
    signer = intermediate_key() if position == 0 else root_key()
    chain[position] = reissue(chain[position], signer, valid=valid)
    evidence = swap(bench().evidence(), vek=chain[0], ask=chain[1], ark=chain[2])
    with pytest.raises(AttestationError) as caught:
        bench().judge(evidence)
    assert caught.value.reason == reason


def test_the_chip_key_of_another_chip_is_refused() -> None:
    """T20, T28: both genuine."""
    other = bench().second.chip.endorsements.vek
    with pytest.raises(AttestationError) as caught:
        bench().judge(swap(bench().evidence(), vek=other))
    assert caught.value.reason == Reason.CHIP_MISMATCH


def test_a_report_signed_by_another_key_under_the_right_chip_id_is_refused() -> None:
    """T20: the certificate names this chip and firmware, and another key."""
    public = ec.generate_private_key(ec.SECP384R1()).public_key()
    vek = reissue(own()[0], intermediate_key(), public_key=public)
    with pytest.raises(AttestationError) as caught:
        bench().judge(swap(bench().evidence(), vek=vek))
    assert caught.value.reason == Reason.REPORT_SIGNATURE


@pytest.mark.parametrize("junk", [b"", b"\x30", b"\x30\x00", bytes(5000)])
def test_what_is_no_certificate_is_refused(junk: bytes) -> None:
    """T28, T31."""
    vek, ask, ark = own()
    for chain in ((junk, ask, ark), (vek, junk, ark), (vek, ask, junk), (vek + b"\x00", ask, ark)):
        assert refused(*chain) == Reason.CERTIFICATE_FORM


def test_a_certificate_in_pem_is_refused() -> None:
    """T28: one chain, one encoding."""
    vek, ask, ark = own()
    pem = x509.load_der_x509_certificate(vek).public_bytes(Encoding.PEM)
    assert refused(pem, ask, ark) == Reason.CERTIFICATE_FORM


def test_time_is_checked_apart_from_the_chain_so_that_a_remembered_chain_still_expires() -> None:
    """T28: signatures are remembered, validity is not."""
    chain: EndorsementChain = read_chain(*own())
    chain.check_time(CREATED_MS)
    with pytest.raises(AttestationError, match="expired"):
        chain.check_time(Milliseconds(2**45))
    assert Evidence.decode(bench().evidence()).ark == own()[2]


def odd(oid: x509.ObjectIdentifier, value: bytes) -> bytes:
    """A certificate of anybody's own making, with an extension of these bytes."""
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "anybody")])
    builder = x509.CertificateBuilder(
        subject_name=name, issuer_name=name, public_key=key.public_key(), serial_number=5
    )
    builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(
        datetime(2040, 1, 1, tzinfo=UTC)
    )
    return (
        builder.add_extension(x509.UnrecognizedExtension(oid, value), False)
        .sign(key, SHA384())
        .public_bytes(Encoding.DER)
    )


@pytest.mark.parametrize(
    "oid", [ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.ISSUER_ALTERNATIVE_NAME]
)
@pytest.mark.parametrize(
    "value", ["3002a300", "3002a500", "3003820180", "30058703010203", "0500", ""]
)
def test_T31_a_certificate_that_the_library_parses_by_halves_is_a_refusal(
    oid: x509.ObjectIdentifier, value: str
) -> None:
    """Anybody may show one at a link: an X.400 name once ended every enclave that looked at it."""
    vek, ask, ark = own()
    made = odd(oid, bytes.fromhex(value))
    for shown in ((made, ask, ark), (vek, made, ark), (vek, ask, made)):
        assert refused(*shown) in (Reason.CERTIFICATE_FORM, Reason.CERTIFICATE_ALGORITHM)


def test_a_signature_has_whole_octets_only() -> None:
    """T31: a BIT STRING that calls its last, zero bits unused is the same signature to the parser,
    and would be a second encoding of one certificate."""
    while (vek := manufacturer().make_chip().endorsements.vek)[-1] % 4 != 0:
        pass
    signature = x509.load_der_x509_certificate(vek).signature
    at = len(vek) - len(signature) - 1
    other = vek[:at] + b"\x02" + vek[at + 1 :]
    assert x509.load_der_x509_certificate(other).signature == signature
    assert refused(other, *own()[1:]) == Reason.CERTIFICATE_FORM
