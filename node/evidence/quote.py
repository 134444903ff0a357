"""Layout of Intel's quotes: which bytes are what, and that there are no others.

Owns the lengths (dcap-qvl ignores what follows the signature data, so that one quote would have
many encodings), the versions and the attributes that no policy may lift (T21). Knows nothing of
keys: see dcap.py.

Source: Intel, "SGX DCAP Quoting Library API", quote versions 3, 4 and 5; "TDX Module Base
Architecture", TDREPORT. Integers are little-endian.
"""

from dataclasses import dataclass
from hashlib import sha256

from strongroom.node.evidence.reasons import Reason, demand, refuse
from strongroom.node.evidence.strict import read_certificates

QUOTE_BYTES_MAX = 16 * 1024
HEADER_SIZE = 48
SGX_SIZE, TD10_SIZE, TD15_SIZE = 384, 584, 648
ECDSA_P256 = 2
SGX, TDX = 0x00, 0x81
INTEL_VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
QE_REPORT_SIZE = 384
CERTIFICATION_PCK_CHAIN, CERTIFICATION_QE_REPORT = 5, 6
_BODIES = {(1, SGX): SGX_SIZE, (2, TDX): TD10_SIZE, (3, TDX): TD15_SIZE}
"""Sizes by (body type, TEE) of a version 5 quote."""

SGX_INIT, SGX_DEBUG = 1 << 0, 1 << 1
_SGX_KNOWN = 0x4F7
"""INIT, DEBUG, MODE64BIT, PROVISIONKEY, EINITTOKEN_KEY, CET, KSS, AEX_NOTIFY."""
TD_UNTRUSTED = 0xFF
"""Bits 0-7: the host may see into the domain."""
TD_SEPT_VE_DISABLE = 1 << 28
TD_MIGRATABLE = 1 << 29
_TD_KNOWN = TD_SEPT_VE_DISABLE | TD_MIGRATABLE | 1 << 27 | 1 << 30 | 1 << 31 | 1 << 63
"""Also LASS, PKS, KL, PERFMON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """One quote, its lengths checked, its signatures not yet."""

    version: int
    tee: int
    body: bytes
    signed: bytes
    """Header and body: what the attestation key signed."""
    certificates: tuple[bytes, ...]
    """The chain of the platform's key (PCK), DER, leaf first."""

    @classmethod
    def parse(cls, data: bytes) -> "Quote":
        """Read a quote.

        Raises:
            AttestationError: ``too-large``, ``length``, ``version``, ``algorithm``,
                ``platform-identity``, ``malformed``, ``trailing-bytes``, ``encoding``.
        """
        demand(
            len(data) <= QUOTE_BYTES_MAX, Reason.TOO_LARGE, f"quote: over {QUOTE_BYTES_MAX} bytes"
        )
        version, tee, body, end = _head(data)
        certificates, end = _signature_data(data, end, nested=version > 3)
        demand(
            not any(data[end:]),
            Reason.TRAILING_BYTES,
            "quote: what follows the signature data is not zero padding",
        )
        return cls(
            version=version,
            tee=tee,
            body=data[body],
            signed=data[: body.stop],
            certificates=tuple(certificates),
        )

    @property
    def replay_key(self) -> bytes:
        """SHA-256 of header and body: equal for every encoding and signature of one quote (T20)."""
        return sha256(self.signed).digest()

    @property
    def measurement(self) -> bytes:
        """MRENCLAVE (32 bytes) or MRTD (48 bytes)."""
        return self.body[64:96] if self.tee == SGX else self.body[136:184]

    @property
    def report_data(self) -> bytes:
        """64 bytes of the guest's choice."""
        return self.body[320:384] if self.tee == SGX else self.body[520:584]

    @property
    def attributes(self) -> int:
        """Flags of the enclave or domain."""
        return _integer(self.body[48:56] if self.tee == SGX else self.body[120:128])

    def check_guest(self) -> None:
        """Refuse what no policy may allow (T21).

        Raises:
            AttestationError: ``debug``, ``migration``, ``attributes``, ``platform-identity``.
        """
        if self.tee == SGX:
            self._check_enclave()
        else:
            self._check_domain()

    def _check_enclave(self) -> None:
        demand(not self.attributes & SGX_DEBUG, Reason.DEBUG, "the enclave is a debug enclave")
        sound = self.attributes & SGX_INIT and not self.attributes & ~_SGX_KNOWN
        demand(bool(sound), Reason.ATTRIBUTES, f"enclave attributes {self.attributes:#x}")

    def _check_domain(self) -> None:
        demand(not self.attributes & TD_UNTRUSTED, Reason.DEBUG, "the domain may be debugged")
        demand(not self.attributes & TD_MIGRATABLE, Reason.MIGRATION, "the domain may be migrated")
        bound = any(self.body[TD10_SIZE + 16 :])
        demand(not bound, Reason.MIGRATION, "a service domain is bound to this one")
        sound = self.attributes & TD_SEPT_VE_DISABLE and not self.attributes & ~_TD_KNOWN
        demand(
            bool(sound),
            Reason.ATTRIBUTES,
            f"domain attributes {self.attributes:#x}: SEPT_VE_DISABLE or reserved bits",
        )
        genuine = not any(self.body[64:120])
        demand(
            genuine,
            Reason.PLATFORM_IDENTITY,
            "the TDX module is not signed by Intel, or has attributes",
        )


def _head(data: bytes) -> tuple[int, int, slice, int]:
    """Version, TEE, where the body stands, and where the signature data begins."""
    demand(len(data) >= HEADER_SIZE + 6, Reason.LENGTH, f"quote: {len(data)} bytes")
    version, key_type, tee = _integer(data[0:2]), _integer(data[2:4]), _integer(data[4:8])
    demand(version in (3, 4, 5), Reason.VERSION, f"quote: version {version}")
    demand(key_type == ECDSA_P256, Reason.ALGORITHM, f"quote: attestation key type {key_type}")
    demand(tee == SGX or (tee == TDX and version > 3), Reason.VERSION, f"quote: TEE type {tee:#x}")
    demand(
        data[12:28] == INTEL_VENDOR,
        Reason.PLATFORM_IDENTITY,
        "quote: not by Intel's quoting enclave",
    )
    if version < 5:
        size = SGX_SIZE if tee == SGX else TD10_SIZE
        start = HEADER_SIZE
    else:
        body_type, size = _integer(data[48:50]), _integer(data[50:54])
        demand(
            _BODIES.get((body_type, tee)) == size,
            Reason.VERSION,
            f"quote: body type {body_type} of {size} bytes",
        )
        start = HEADER_SIZE + 6
    demand(
        len(data) >= start + size, Reason.LENGTH, f"quote: {len(data)} bytes end inside the report"
    )
    return version, tee, slice(start, start + size), start + size


def _signature_data(data: bytes, start: int, *, nested: bool) -> tuple[list[bytes], int]:
    """Certificates of the signature data, and where it ends; every inner length must fit the outer
    one exactly."""
    part, end = _sized(data, start, 4)
    demand(len(part) > 128, Reason.LENGTH, "quote: no signature and key")
    rest = part[128:]
    if nested:
        demand(
            _integer(rest[:2]) == CERTIFICATION_QE_REPORT,
            Reason.VERSION,
            "quote: certification data of another type",
        )
        inner, stop = _sized(rest, 2, 4)
        demand(stop == len(rest), Reason.LENGTH, "quote: certification data of another length")
        rest = inner
    _, stop = _sized(rest, QE_REPORT_SIZE + 64, 2)
    demand(
        _integer(rest[stop : stop + 2]) == CERTIFICATION_PCK_CHAIN,
        Reason.VERSION,
        "quote: no certificate chain",
    )
    chain, stop = _sized(rest, stop + 2, 4)
    demand(stop == len(rest), Reason.LENGTH, "quote: certificate chain of another length")
    return read_certificates(chain.removesuffix(b"\x00"), gaps=False), end


def _sized(data: bytes, start: int, width: int) -> tuple[bytes, int]:
    """Bytes after a length of `width` bytes, and where they end."""
    demand(len(data) >= start + width, Reason.LENGTH, "quote: ends before a length")
    size = _integer(data[start : start + width])
    stop = start + width + size
    if len(data) < stop:
        refuse(
            Reason.LENGTH, f"quote: {size} bytes announced, {len(data) - start - width} are there"
        )
    return data[start + width : stop], stop


def _integer(data: bytes) -> int:
    return int.from_bytes(data, "little")
