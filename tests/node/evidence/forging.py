"""Evidence of every kind, self-made under roots and keys of the test's own: good, or with one
chosen defect."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from tests.enclave.fixtures import MEASUREMENT, manufacturer

from strongroom.enclave.outside.tdx import SEPT_VE_DISABLE, TdxManufacturer, TdxPlatform
from strongroom.enclave.platform.chip import GUEST_POLICY, SimulatedChip
from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.judging import judge
from strongroom.node.evidence.pieces import Piece
from strongroom.node.evidence.verdict import Verdict

NOW = 1_800_000_000
"""2027-01-15, when everything here is valid."""
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
EKU = "1.3.6.1.4.1.99999.1"
FEED = "TestPlat"
MAA_ISSUER = "https://verifier.example"
RATLS_OID, CMW_OID = "2.23.133.5.4.9", "1.3.6.1.5.5.7.1.35"

Files = dict[str, bytes]


# --- keys -----------------------------------------------------------------------------------------


@cache
def p256(name: str = "") -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def p384(name: str = "") -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


@cache
def rsa2048(name: str = "") -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def raw_signature(
    key: ec.EllipticCurvePrivateKey, message: bytes, algorithm: HashAlgorithm
) -> bytes:
    size = (key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(algorithm)))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def spki(key: Any) -> bytes:
    data: bytes = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return data


def certificate(
    subject: str,
    key: Any,
    issuer: x509.Certificate | None = None,
    signer: Any = None,
    *,
    authority: bool = False,
    eku: str | None = None,
    begin: datetime = BEGIN,
    end: datetime = END,
    extra: tuple[tuple[Any, bool], ...] = (),
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = x509.CertificateBuilder(
        issuer_name=name if issuer is None else issuer.subject,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=begin,
        not_valid_after=end,
    )
    builder = builder.add_extension(
        x509.BasicConstraints(ca=authority, path_length=None), critical=True
    )
    if authority:
        builder = builder.add_extension(_MAY_ISSUE, critical=True)
    if eku:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([x509.ObjectIdentifier(eku)]), critical=False
        )
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key if signer is None else signer, SHA256())


_MAY_ISSUE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def der(one: x509.Certificate) -> bytes:
    return one.public_bytes(Encoding.DER)


# --- tokens ---------------------------------------------------------------------------------------


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    numbers, size = key.public_key().public_numbers(), (key.curve.key_size + 7) // 8
    curve = {256: "P-256", 384: "P-384"}[key.curve.key_size]
    return {
        "kty": "EC",
        "crv": curve,
        "x": base64url(numbers.x.to_bytes(size, "big")),
        "y": base64url(numbers.y.to_bytes(size, "big")),
    }


def token(header: Mapping[str, Any], claims: Any, key: Any) -> bytes:
    """A compact JWS, RS256 or ES256 by the kind of key, whatever its header says."""
    text = claims if isinstance(claims, str) else json.dumps(claims)
    signed = f"{base64url(json.dumps(header).encode())}.{base64url(text.encode())}".encode()
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(signed, padding.PKCS1v15(), SHA256())
    else:
        signature = raw_signature(key, signed, SHA256() if key.curve.key_size == 256 else SHA384())
    return signed + b"." + base64url(signature).encode()


def maa_claims(**changes: Any) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "iss": MAA_ISSUER,
        "iat": NOW - 60,
        "nbf": NOW - 60,
        "exp": NOW + 3600,
        "x-ms-ver": "1.0",
        "x-ms-attestation-type": "sevsnpvm",
        "x-ms-sevsnpvm-is-debuggable": False,
        "x-ms-sevsnpvm-migration-allowed": False,
    }
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def maa(
    *,
    header: Mapping[str, Any] | None = None,
    key: Any = None,
    claims: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Files:
    own = rsa2048("maa")
    numbers = own.public_key().public_numbers()
    known = {
        "kty": "RSA",
        "kid": "one",
        "n": base64url(numbers.n.to_bytes(256, "big")),
        "e": "AQAB",
        "x5c": [base64.b64encode(der(certificate(MAA_ISSUER, own))).decode()],
    }
    said = {
        "alg": "RS256",
        "kid": "one",
        "typ": "JWT",
        "jku": f"{MAA_ISSUER}/certs",
        **(header or {}),
    }
    return {
        "token": token(said, maa_claims(**changes, **(claims or {})), own if key is None else key),
        "jwks": json.dumps({"keys": [known]}).encode(),
    }


def ear_claims(status: Any = "affirming", **changes: Any) -> dict[str, Any]:
    claims = {
        "eat_profile": "tag:github.com,2023:veraison/ear",
        "iat": NOW - 60,
        "ear.verifier-id": {"build": "1", "developer": "us"},
        "submods": {
            "cpu": {
                "ear.status": status,
                "ear.trustworthiness-vector": {"hardware": 2, "executables": 0},
            }
        },
    }
    return {**claims, **changes}


def ear(claims: Any = None, *, header: Mapping[str, Any] | None = None, key: Any = None) -> Files:
    own = p256("ear")
    names = {"alg": "ES256", "typ": "JWT", **(header or {})}
    signed = token(names, ear_claims() if claims is None else claims, key or own)
    return {"token": signed, "key": json.dumps(jwk(own)).encode()}


def eat(**claims: Any) -> Files:
    own = p384("eat")
    signed = token({"alg": "ES384", "typ": "eat+jwt"}, {"iat": NOW, **claims}, own)
    return {"token": signed, "key": json.dumps(jwk(own)).encode()}


# --- COSE -----------------------------------------------------------------------------------------


def encode(item: Any) -> bytes:
    return cbor2.dumps(item, datetime_as_timestamp=True)


def sign1(
    protected: Mapping[Any, Any],
    payload: bytes | None,
    key: ec.EllipticCurvePrivateKey,
    *,
    unprotected: Mapping[Any, Any] | None = None,
    detached: bytes | None = None,
) -> bytes:
    """A COSE_Sign1 by a P-384 key."""
    raw = encode(protected)
    message = encode(["Signature1", raw, b"", payload if detached is None else detached])
    signature = raw_signature(key, message, SHA384())
    return encode(cbor2.CBORTag(18, [raw, dict(unprotected or {}), payload, signature]))


class DidSigner:
    """Root, authority and leaf, and the did:x509 that describes them."""

    def __init__(self, *, eku: str = EKU, end: datetime = END, issuer_may: bool = True) -> None:
        self.key = p384("did leaf")
        root = certificate("Root", p384("did root"), authority=True)
        middle = certificate("CA", p384("did ca"), root, p384("did root"), authority=issuer_may)
        leaf = certificate("Leaf", self.key, middle, p384("did ca"), eku=eku, end=end)
        self.chain = [der(leaf), der(middle), der(root)]
        self.did = f"did:x509:0:sha256:{base64url(sha256(self.chain[2]).digest())}::eku:{EKU}"

    def headers(self, **changes: Any) -> dict[Any, Any]:
        """Protected headers of the older shape."""
        own: dict[Any, Any] = {
            1: -35,
            3: "application/json",
            33: self.chain,
            34: [-16, sha256(self.chain[0]).digest()],
            "iss": self.did,
            "feed": FEED,
            "signingtime": datetime.fromtimestamp(NOW - 3600, UTC),
        }
        return {**own, **changes}


@cache
def did_signer() -> DidSigner:
    return DidSigner()


def demands(**changes: Any) -> Demands:
    """What makes everything here good."""
    own = Demands(
        time=NOW, roots=frozenset([manufacturer().root_digest]), did=did_signer().did, feed=FEED
    )
    return replace(own, **changes)


def uvm(
    *,
    measurement: bytes = MEASUREMENT,
    svn: Any = "7",
    signer: DidSigner | None = None,
    payload: Any = None,
    protected: Mapping[Any, Any] | None = None,
    **headers: Any,
) -> bytes:
    own = signer or did_signer()
    said = {"x-ms-sevsnpvm-guestsvn": svn, "x-ms-sevsnpvm-launchmeasurement": measurement.hex()}
    content = json.dumps(said if payload is None else payload).encode()
    return sign1(
        own.headers(**headers) | dict(protected or {}),
        content,
        own.key,
        unprotected={"timestamp": b"unsigned"},
    )


@cache
def chip() -> SimulatedChip:
    return manufacturer().make_chip()


def pem(*ders: bytes) -> bytes:
    return b"".join(x509.load_der_x509_certificate(one).public_bytes(Encoding.PEM) for one in ders)


def snp(report_data: bytes = bytes(64), *, policy: int = GUEST_POLICY, vmpl: int = 0) -> Files:
    own = chip().endorsements
    report = chip().attest(
        report_data, measurement=MEASUREMENT, host_data=bytes(32), policy=policy, vmpl=vmpl
    )
    return {"report": report, "vek": own.vek, "chain": pem(own.ask, own.ark)}


def cose_key(key: ec.EllipticCurvePrivateKey) -> dict[int, Any]:
    numbers = key.public_key().public_numbers()
    return {1: 2, -1: 2, -2: numbers.x.to_bytes(48, "big"), -3: numbers.y.to_bytes(48, "big")}


def attested(
    *,
    payload: bytes = b"hello",
    endorsement: bytes | None = None,
    committed: ec.EllipticCurvePrivateKey | None = None,
    change: Callable[[dict[Any, Any]], None] = lambda _: None,
    unprotected: Mapping[Any, Any] | None = None,
) -> bytes:
    """An attested COSE message; `change` edits its protected header before it is signed."""
    own = p384("attested")
    name = sha256(encode(cose_key(committed or own))).digest()
    files, vendor = snp(name + bytes(32)), chip().endorsements
    protected: dict[Any, Any] = {
        1: -35,
        2: ["attestedsvc"],
        3: "text/plain",
        4: sha256(encode(cose_key(own))).digest(),
        "attestedsvc": {
            "attestation": files["report"],
            "attestation_type": "SEV-SNP:ContainerPlat-AMD-UVM",
            "cose_key": cose_key(own),
            "snp_endorsements": pem(vendor.vek, vendor.ask, vendor.ark),
            "uvm_endorsements": uvm() if endorsement is None else endorsement,
            "ver": 0,
        },
    }
    change(protected)
    return sign1(protected, payload, own, unprotected=unprotected)


# --- a ledger -------------------------------------------------------------------------------------


class Ledger:
    """A CCF ledger of one key."""

    def __init__(
        self, name: str = "ledger", *, begin: datetime = BEGIN, end: datetime = END
    ) -> None:
        self.key = p384(name)
        self.certificate = certificate(
            "CCF Service", self.key, authority=True, begin=begin, end=end
        )

    def keys(self) -> bytes:
        data = der(self.certificate)
        entry = {
            "serviceCertificate": base64.b64encode(data).decode(),
            "serviceId": sha256(data).hexdigest(),
            "signatureAlgorithm": "ES384",
            "treeAlgorithm": "CCF",
        }
        return json.dumps({"parameters": [entry]}).encode()

    def receipt(
        self,
        digest: bytes,
        *,
        evidence: str = f"ce:2.10:{'ab' * 32}",
        transaction: str = "2.11",
        issued: int = NOW - 1800,
        tree: int = 2,
        flip: bool = False,
        protected: Mapping[Any, Any] | None = None,
    ) -> bytes:
        internal, path = bytes(range(32)), [(True, b"\x01" * 32), (False, b"\x02" * 32)]
        root = sha256(internal + sha256(evidence.encode()).digest() + digest).digest()
        for left, sibling in path:
            root = sha256(sibling + root if left else root + sibling).digest()
        shown = [[not left if flip else left, sibling] for left, sibling in path]
        header: dict[Any, Any] = {
            1: -35,
            4: sha256(spki(self.key)).hexdigest().encode(),
            395: tree,
            15: {6: issued, 1: "ledger.example", 2: "test"},
            "ccf.v1": {"txid": transaction},
            **(protected or {}),
        }
        proof = encode({1: [internal, evidence, digest], 2: shown})
        return sign1(header, None, self.key, unprotected={396: {-1: [proof]}}, detached=root)


def transparent(
    *,
    payload: bytes = b"statement",
    registered: bytes | None = None,
    ledger: Ledger | None = None,
    signer: DidSigner | None = None,
    signed_at: int = NOW - 3600,
    **receipt: Any,
) -> Files:
    """A transparent statement and its ledger's keys; `registered`: the payload that the ledger
    holds instead."""
    own, book = signer or did_signer(), ledger or Ledger()
    headers = {
        1: -35,
        15: {1: own.did, 2: FEED, 6: datetime.fromtimestamp(signed_at, UTC), "svn": 3},
        33: own.chain,
        34: [-16, sha256(own.chain[0]).digest()],
    }
    bare = sign1(headers, payload, own.key)
    in_ledger = bare if registered is None else sign1(headers, registered, own.key)
    tag = cbor2.loads(bare)
    protected, _, content, signature = tag.value
    receipts = {394: [book.receipt(sha256(in_ledger).digest(), **receipt)]}
    return {
        "statement": encode(cbor2.CBORTag(18, [protected, receipts, content, signature])),
        "keys": book.keys(),
    }


# --- Intel's form ---------------------------------------------------------------------------------


@cache
def intel() -> TdxManufacturer:
    return TdxManufacturer()


@cache
def platform() -> TdxPlatform:
    return intel().make_platform()


def tdx(
    report_data: bytes = bytes(64), *, attributes: int = SEPT_VE_DISABLE, **collateral: Any
) -> Files:
    quote = platform().quote(report_data, measurement=MEASUREMENT, attributes=attributes)
    return {
        "quote": quote,
        "collateral": intel().collateral(NOW - 60, NOW + 60, **collateral),
        "root": intel().root,
    }


def ratls(
    *,
    bound_key: Any = None,
    claims: bytes | None = None,
    attributes: int = SEPT_VE_DISABLE,
    tag: int = 60000,
    critical: bool = False,
    signer: Any = None,
    end: datetime = END,
) -> Files:
    """An RA-TLS certificate with a quote over its key, or over `bound_key`, whose claims are
    `claims`."""
    own = p256("ratls")
    digest = sha256(spki(bound_key or own)).digest()
    said = encode({"pubkey-hash": encode([1, digest]), "nonce": b"n"})
    files = tdx(sha256(said).digest() + bytes(32), attributes=attributes)
    evidence = encode(
        cbor2.CBORTag(tag, [files.pop("quote"), claims if claims is not None else said])
    )
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(RATLS_OID), evidence)
    extra: tuple[tuple[Any, bool], ...] = ((extension, False),)
    if critical:
        extra += ((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"?"), True),)
    return {"cert": der(certificate("RATLS", own, signer=signer, end=end, extra=extra)), **files}


def cmw_certificate(value: bytes) -> bytes:
    """A certificate with the wrapper extension, of these DER bytes."""
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(CMW_OID), value)
    return der(certificate("CMW", p256("cmw"), extra=((extension, False),)))


# --- verdicts -------------------------------------------------------------------------------------


def answer(kind: str, files: Mapping[str, bytes], **changes: Any) -> Verdict:
    """The verdict on files of a kind, under the demands that make everything here good, changed."""
    return judge(Piece(kind, files), demands(**changes))


def said(kind: str, files: Mapping[str, bytes], **changes: Any) -> str:
    """Verdict and reason in one text."""
    verdict = answer(kind, files, **changes)
    return f"{verdict.verdict}: {verdict.reason}"
