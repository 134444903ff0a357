"""Evidence with a chosen defect: what a hostile host, operator or manufacturer could put
together."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from tests.enclave.fixtures import (
    CREATED_MS,
    MEASUREMENT,
    REGION,
    Applicant,
    make_applicants,
    make_constitution,
    make_policy,
)

from strongroom.consensus.types import NO_DIGEST, ChainId, Digest
from strongroom.enclave.attestation.certificates import SIMULATED_ORGANISATION
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.deployment import Deployment, host_data
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.attestation.verifier import VerifiedEnclave, verify_evidence
from strongroom.enclave.member.founding import genesis_claims
from strongroom.enclave.platform.chip import GUEST_POLICY
from strongroom.enclave.primitives import SigningKey
from strongroom.enclave.proofs.constitution import Constitution

PSS_384 = padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=48)


@dataclass(frozen=True)
class Bench:
    """Two applicants under one constitution."""

    first: Applicant
    second: Applicant
    constitution: Constitution

    @property
    def policy(self) -> Policy:
        return self.constitution.policy

    def claims(self, **changes: Any) -> Claims:
        """The first applicant's claims, changed."""
        claims = genesis_claims(
            self.first.keys,
            self.constitution,
            node=self.first.name,
            operator=self.first.operator,
            region=REGION,
            tls_key=Digest(sha256(b"tls").digest()),
        )
        return replace(claims, **changes)

    def deployment(self, **changes: Any) -> Deployment:
        """The first applicant's deployment, changed."""
        deployment = Deployment(
            name=self.first.name,
            operator=self.first.operator,
            chip_id=self.first.chip.chip_id,
            measurement=MEASUREMENT,
            region=REGION,
        )
        return replace(deployment, **changes)

    def evidence(
        self,
        *,
        claims: Claims | None = None,
        deployment: Deployment | None = None,
        signer: SigningKey | None = None,
        measurement: bytes = MEASUREMENT,
        policy: int = GUEST_POLICY,
        vmpl: int = 0,
        launched_under: bytes | None = None,
    ) -> bytes:
        """The first applicant's evidence: what is changed here is changed before its chip signs."""
        said, chip = claims or self.claims(), self.first.chip
        signed = (deployment or self.deployment(measurement=measurement)).sign(
            signer or self.first.operator_key
        )
        report = chip.attest(
            said.report_data,
            measurement=measurement,
            host_data=host_data(signed.statement) if launched_under is None else launched_under,
            policy=policy,
            vmpl=vmpl,
        )
        own = chip.endorsements
        return Evidence(
            report=report,
            vek=own.vek,
            ask=own.ask,
            ark=own.ark,
            claims=said.encode(),
            deployment=signed.statement,
            operator_signature=signed.signature,
        ).encode()

    def judge(self, evidence: bytes, **changes: Any) -> VerifiedEnclave:
        """Judge as genesis does, or with another policy, chain, nonce or time."""
        arguments: dict[str, Any] = {
            "policy": self.policy,
            "chain": ChainId(NO_DIGEST),
            "nonce": self.constitution.digest,
            "time_ms": CREATED_MS,
        }
        arguments.update(changes)
        return verify_evidence(evidence, arguments.pop("policy"), **arguments)


@cache
def bench() -> Bench:
    """The one of this process."""
    first, second = make_applicants(2)
    return Bench(first, second, make_constitution(make_policy([first, second]), {}))


@cache
def rsa_key(bits: int = 4096) -> rsa.RSAPrivateKey:
    """A key of the forger's own."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def subject(common_name: str, organisation: str = SIMULATED_ORGANISATION) -> x509.Name:
    """A subject as the simulated manufacturer writes it."""
    return x509.Name(
        (
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        )
    )


def reissue(
    original: bytes,
    signer: rsa.RSAPrivateKey,
    *,
    public_key: CertificatePublicKeyTypes | None = None,
    issuer: x509.Name | None = None,
    name: x509.Name | None = None,
    scheme: padding.PSS | padding.PKCS1v15 = PSS_384,
    algorithm: SHA256 | SHA384 | SHA512 | None = None,
    valid: tuple[datetime, datetime] = (
        datetime(2020, 1, 1, tzinfo=UTC),
        datetime(2050, 1, 1, tzinfo=UTC),
    ),
    without: str = "",
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = (),
) -> bytes:
    """The original certificate signed anew, with one thing changed."""
    old = x509.load_der_x509_certificate(original)
    builder = x509.CertificateBuilder(
        issuer_name=issuer or old.issuer,
        subject_name=name or old.subject,
        public_key=public_key or old.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=valid[0],
        not_valid_after=valid[1],
    )
    replaced = {extension.oid for extension, _ in extra}
    for extension in old.extensions:
        if extension.oid.dotted_string != without and extension.oid not in replaced:
            builder = builder.add_extension(extension.value, extension.critical)
    for value, critical in extra:
        builder = builder.add_extension(value, critical)
    certificate = builder.sign(signer, algorithm or SHA384(), rsa_padding=scheme)
    return certificate.public_bytes(Encoding.DER)


def swap(evidence: bytes, **fields: Any) -> bytes:
    """Evidence with parts of it replaced after its chip signed."""
    return replace(Evidence.decode(evidence), **fields).encode()


def p256_key() -> ec.EllipticCurvePublicKey:
    """A key on the wrong curve."""
    return ec.generate_private_key(ec.SECP256R1()).public_key()
