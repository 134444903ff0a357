"""AMD SEV-SNP attestation reports: 1184 bytes become typed fields, or are refused.

Owns the layout of the report and of the guest policy, and the refusals that no policy can lift
(T21): a guest that may be debugged or migrated, a reserved policy bit, another length, version or
algorithm. Knows nothing of keys or certificates.

Source: AMD publication 56860, "SEV Secure Nested Paging Firmware ABI Specification",
ATTESTATION_REPORT, GUEST_POLICY and TCB_VERSION; version 3 of the report added the CPUID bytes,
version 5 the mitigation vectors. Integers are little-endian.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from hashlib import sha256

from strongroom.consensus import codec, labels
from strongroom.consensus.types import Digest
from strongroom.enclave.attestation.reasons import Reason, refuse

REPORT_SIZE = 1184
SIGNED_SIZE = 0x2A0
"""The signature covers the bytes before it."""
REPORT_DATA_SIZE = 64
MEASUREMENT_SIZE = 48
HOST_DATA_SIZE = 32
CHIP_ID_SIZE = 64
COORDINATE_SIZE = 72
"""r and s of the signature: little-endian, zero-padded."""
VERSIONS = range(2, 6)
CPUID_SINCE = 3
"""First report version that names the processor's family and model."""
ECDSA_P384_SHA384 = 1

FLAG_CHIP_MASKED = 1 << 1
"""MASK_CHIP_KEY: the host hides the chip's id."""
POLICY_RESERVED_ONE = 1 << 17
POLICY_MIGRATION = 1 << 18
POLICY_DEBUG = 1 << 19
_POLICY_KNOWN = (1 << 26) - 1
"""ABI version (bits 0-15), SMT, reserved one, migration, debug, single socket, CXL, AES-256-XTS,
RAPL, ciphertext hiding, page swap. A bit above may permit something that this code has never heard
of."""


class Field:
    """Where the fields stand; all integers are little-endian. Bytes that are not named here are not
    judged."""

    VERSION = slice(0x000, 0x004)
    GUEST_SVN = slice(0x004, 0x008)
    POLICY = slice(0x008, 0x010)
    VMPL = slice(0x030, 0x034)
    SIGNATURE_ALGORITHM = slice(0x034, 0x038)
    CURRENT_TCB = slice(0x038, 0x040)
    PLATFORM_INFO = slice(0x040, 0x048)
    FLAGS = slice(0x048, 0x04C)
    REPORT_DATA = slice(0x050, 0x090)
    MEASUREMENT = slice(0x090, 0x0C0)
    HOST_DATA = slice(0x0C0, 0x0E0)
    REPORT_ID = slice(0x140, 0x160)
    REPORT_ID_OF_AGENT = slice(0x160, 0x180)
    REPORTED_TCB = slice(0x180, 0x188)
    CPUID = slice(0x188, 0x18B)
    CHIP_ID = slice(0x1A0, 0x1E0)
    COMMITTED_TCB = slice(0x1E0, 0x1E8)
    LAUNCH_TCB = slice(0x1F0, 0x1F8)
    SIGNATURE_R = slice(SIGNED_SIZE, SIGNED_SIZE + COORDINATE_SIZE)
    SIGNATURE_S = slice(SIGNED_SIZE + COORDINATE_SIZE, SIGNED_SIZE + 2 * COORDINATE_SIZE)
    SIGNATURE_REST = slice(SIGNED_SIZE + 2 * COORDINATE_SIZE, REPORT_SIZE)


class Product(StrEnum):
    """A line of chips with one root key and one layout of its TCB version."""

    MILAN = "Milan"
    GENOA = "Genoa"
    TURIN = "Turin"
    SIMULATED = "SIMULATED"
    """Not silicon: see strongroom.enclave.platform."""


class SigningKey(IntEnum):
    """Which key signed a report."""

    CHIP = 0
    """VCEK: derived from the chip and its firmware's version."""
    LOADED = 1
    """VLEK: loaded by a cloud provider; says nothing of the chip."""
    NONE = 7


@dataclass(frozen=True, slots=True)
class Tcb:
    """Security version numbers of a platform's firmware, each 0..255, higher is newer."""

    bootloader: int
    tee: int
    snp: int
    microcode: int
    fmc: int = 0
    """Firmware of the module controller; Turin only."""

    @classmethod
    def of(cls, product: Product, version: bytes) -> "Tcb":
        """Read the eight bytes of a TCB_VERSION, whose layout depends on the product line."""
        if product is Product.TURIN:
            return cls(version[1], version[2], version[3], version[7], version[0])
        return cls(version[0], version[1], version[6], version[7])

    def version(self, product: Product) -> bytes:
        """The eight bytes of a TCB_VERSION with these numbers."""
        if product is Product.TURIN:
            return bytes((self.fmc, self.bootloader, self.tee, self.snp, 0, 0, 0, self.microcode))
        return bytes((self.bootloader, self.tee, 0, 0, 0, 0, self.snp, self.microcode))

    def meets(self, floor: "Tcb") -> bool:
        """Is no component older than the floor's?"""
        return all(own >= least for own, least in zip(self.to_wire(), floor.to_wire(), strict=True))

    def to_wire(self) -> tuple[int, int, int, int, int]:
        """Fields for the codec."""
        return (self.bootloader, self.tee, self.snp, self.microcode, self.fmc)

    @classmethod
    def from_wire(cls, value: object) -> "Tcb":
        """Read fields of the codec.

        Raises:
            NotCanonical: not five integers in 0..255.
        """
        parts = codec.fields(value, int, int, int, int, int, name="TCB")
        return cls(*(codec.unsigned(part, name="TCB component", value_max=255) for part in parts))

    def __str__(self) -> str:
        first = f"fmc {self.fmc} " if self.fmc else ""
        return (
            f"{first}bootloader {self.bootloader} tee {self.tee} snp "
            f"{self.snp} microcode {self.microcode}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report, its form checked, its signature not yet."""

    version: int
    guest_svn: int
    policy: int
    """GUEST_POLICY, what the host was allowed to do with the guest."""
    vmpl: int
    """Privilege level that asked for the report; 0 is the highest."""
    signing_key: SigningKey
    chip_masked: bool
    """The host hid the chip id."""
    current_tcb: bytes
    reported_tcb: bytes
    committed_tcb: bytes
    launch_tcb: bytes
    """TCB_VERSIONs, 8 bytes each: running, named by the signing key, not to be rolled back below,
    at the guest's start."""
    platform_info: int
    report_data: bytes
    """64 bytes of the guest's choice."""
    measurement: bytes
    """SHA-384 of what was launched, 48 bytes."""
    host_data: bytes
    """32 bytes of the host's choice, fixed at launch."""
    cpuid: tuple[int, int, int] | None
    """Family, model, stepping; None before version 3."""
    chip_id: bytes
    """64 bytes; shorter ids are padded with zeros."""
    signed: bytes
    """The bytes that the signature covers: what a replay set must be keyed on (r, n−s verifies as
    well, T20)."""
    r: int
    s: int

    @classmethod
    def parse(cls, data: bytes) -> "Report":
        """Read a report.

        Raises:
            AttestationError: ``length``, ``version``, ``signature-algorithm``, ``signature-form``,
                in this order.
        """
        if len(data) != REPORT_SIZE:
            refuse(Reason.LENGTH, f"{len(data)} bytes, a report has {REPORT_SIZE}")
        version = _integer(data[Field.VERSION])
        if version not in VERSIONS:
            refuse(
                Reason.VERSION, f"version {version}, this code reads {VERSIONS[0]}..{VERSIONS[-1]}"
            )
        algorithm = _integer(data[Field.SIGNATURE_ALGORITHM])
        if algorithm != ECDSA_P384_SHA384:
            refuse(
                Reason.SIGNATURE_ALGORITHM, f"algorithm {algorithm}, expected {ECDSA_P384_SHA384}"
            )
        if any(data[Field.SIGNATURE_REST]):
            refuse(Reason.SIGNATURE_FORM, "the reserved bytes after r and s are not zero")
        family, model, stepping = data[Field.CPUID]
        flags = _integer(data[Field.FLAGS])
        return cls(
            version=version,
            guest_svn=_integer(data[Field.GUEST_SVN]),
            policy=_integer(data[Field.POLICY]),
            vmpl=_integer(data[Field.VMPL]),
            signing_key=_signing_key(flags),
            chip_masked=bool(flags & FLAG_CHIP_MASKED),
            current_tcb=data[Field.CURRENT_TCB],
            reported_tcb=data[Field.REPORTED_TCB],
            committed_tcb=data[Field.COMMITTED_TCB],
            launch_tcb=data[Field.LAUNCH_TCB],
            platform_info=_integer(data[Field.PLATFORM_INFO]),
            report_data=data[Field.REPORT_DATA],
            measurement=data[Field.MEASUREMENT],
            host_data=data[Field.HOST_DATA],
            cpuid=(family, model, stepping) if version >= CPUID_SINCE else None,
            chip_id=data[Field.CHIP_ID],
            signed=data[:SIGNED_SIZE],
            r=_integer(data[Field.SIGNATURE_R]),
            s=_integer(data[Field.SIGNATURE_S]),
        )

    def check_guest(self, *, vmpl_max: int) -> None:
        """Refuse what no policy may allow (T21).

        Raises:
            AttestationError: ``debug-allowed``, ``migration-allowed``, ``guest-policy``, ``vmpl``,
                in this order.
        """
        if self.policy & POLICY_DEBUG:
            refuse(Reason.DEBUG_ALLOWED, "the host may read this guest's memory")
        if self.policy & POLICY_MIGRATION:
            refuse(Reason.MIGRATION_ALLOWED, "a migration agent may move this guest")
        if self.policy & ~_POLICY_KNOWN or not self.policy & POLICY_RESERVED_ONE:
            refuse(
                Reason.GUEST_POLICY,
                f"policy {self.policy:#x} has reserved bits that are not as they must be",
            )
        if self.vmpl > vmpl_max:
            refuse(
                Reason.VMPL, f"asked for at VMPL {self.vmpl}, at most {vmpl_max} is the enclave's"
            )

    @property
    def replay_key(self) -> Digest:
        """SHA-256 of the signed bytes: equal for every signature over the same report."""
        return Digest(sha256(self.signed).digest())


def _integer(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _signing_key(flags: int) -> SigningKey:
    number = flags >> 2 & 7
    if number not in (SigningKey.CHIP, SigningKey.LOADED, SigningKey.NONE):
        refuse(Reason.SIGNING_KEY, f"signing key {number} is reserved")
    return SigningKey(number)


def product_of_cpuid(family: int, model: int) -> Product | None:
    """The product line of a processor (AMD revision guides 56683, 57095, 58251); the simulated chip
    says 0, 0."""
    match family:
        case 0x19 if model <= 0x0F:
            return Product.MILAN
        case 0x19 if 0x10 <= model <= 0x1F or 0xA0 <= model <= 0xAF:
            return Product.GENOA
        case 0x1A if model <= 0x1F:
            return Product.TURIN
        case 0x00 if model == 0:
            return Product.SIMULATED
        case _:
            return None


def measurement_digest(measurement: bytes) -> Digest:
    """The 32-byte name of a 48-byte measurement: what a call's plaintext carries (T02)."""
    return labels.labelled_digest(labels.MEASUREMENT, measurement)
