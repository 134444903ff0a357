"""The simulated chip. It stands for silicon: on a real platform everything here happens inside the
processor.

Owns the chip's key, its identity and its sealing root, and issues reports in AMD's form. A real
chip measures the guest by itself and lets nobody name a measurement; this one believes its caller,
which is why every certificate says SIMULATED.
"""

from dataclasses import dataclass
from pathlib import Path

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.deployment import SignedDeployment, host_data
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.attestation.report import (
    CHIP_ID_SIZE,
    COORDINATE_SIZE,
    ECDSA_P384_SHA384,
    HOST_DATA_SIZE,
    MEASUREMENT_SIZE,
    POLICY_RESERVED_ONE,
    REPORT_DATA_SIZE,
    REPORT_SIZE,
    SIGNED_SIZE,
    Field,
    Product,
    Tcb,
)
from strongroom.enclave.platform.chip_key import ChipKey
from strongroom.enclave.platform.files import read_secret_file, write_secret_file
from strongroom.enclave.primitives import SECRET_SIZE, Secret

CHIP_FILE = "simulated-chip"
FILE_VERSION = 1
REPORT_VERSION = 3
POLICY_SMT = 1 << 16
GUEST_POLICY = POLICY_RESERVED_ONE | POLICY_SMT
"""Hyperthreads are allowed; debug and migration are not."""
PLATFORM_INFO_SMT = 1
NO_MIGRATION_AGENT = b"\xff" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsements:
    """The certificates that vouch for a chip's key, DER, from its own to the root's."""

    vek: bytes
    ask: bytes
    ark: bytes


@dataclass(frozen=True, slots=True)
class Firmware:
    """Versions of a platform's firmware."""

    reported: Tcb
    """Running; the chip key is derived for it."""
    committed: Tcb
    """Not to be rolled back below."""
    launch: Tcb
    """Running when the guest started."""


class SimulatedChip:
    """One chip: 64-byte identity, P-384 key with its certificates, sealing root. Has no repr of its
    secrets."""

    __slots__ = ("_key", "_sealing_root", "chip_id", "endorsements", "firmware")

    def __init__(
        self,
        *,
        key: ChipKey,
        sealing_root: Secret,
        chip_id: bytes,
        endorsements: Endorsements,
        firmware: Firmware,
    ) -> None:
        self._key = key
        self._sealing_root = sealing_root
        self.chip_id = codec.sized(chip_id, CHIP_ID_SIZE, name="chip id")
        self.endorsements = endorsements
        self.firmware = firmware

    def attest(
        self,
        report_data: bytes,
        *,
        measurement: bytes,
        host_data: bytes,
        policy: int = GUEST_POLICY,
        vmpl: int = 0,
    ) -> bytes:
        """Sign a report, 1184 bytes.

        Args:
            report_data: 64 bytes of the guest's choice.
            measurement: SHA-384 of the guest, 48 bytes.
            host_data: 32 bytes that the host fixed at launch.
            policy: GUEST_POLICY bits under which the host launched the guest.
            vmpl: privilege level of the caller, 0..3.
        """
        body = bytearray(SIGNED_SIZE)
        body[Field.VERSION] = REPORT_VERSION.to_bytes(4, "little")
        body[Field.POLICY] = policy.to_bytes(8, "little")
        body[Field.VMPL] = vmpl.to_bytes(4, "little")
        body[Field.SIGNATURE_ALGORITHM] = ECDSA_P384_SHA384.to_bytes(4, "little")
        body[Field.PLATFORM_INFO] = PLATFORM_INFO_SMT.to_bytes(8, "little")
        body[Field.CURRENT_TCB] = self.firmware.reported.version(Product.SIMULATED)
        body[Field.REPORTED_TCB] = self.firmware.reported.version(Product.SIMULATED)
        body[Field.COMMITTED_TCB] = self.firmware.committed.version(Product.SIMULATED)
        body[Field.LAUNCH_TCB] = self.firmware.launch.version(Product.SIMULATED)
        body[Field.REPORT_DATA] = codec.sized(report_data, REPORT_DATA_SIZE, name="report data")
        body[Field.MEASUREMENT] = codec.sized(measurement, MEASUREMENT_SIZE, name="measurement")
        body[Field.HOST_DATA] = codec.sized(host_data, HOST_DATA_SIZE, name="host data")
        body[Field.REPORT_ID_OF_AGENT] = NO_MIGRATION_AGENT
        body[Field.CHIP_ID] = self.chip_id
        r, s = self._key.sign(bytes(body))
        signature = r.to_bytes(COORDINATE_SIZE, "little") + s.to_bytes(COORDINATE_SIZE, "little")
        return bytes(body + signature).ljust(REPORT_SIZE, b"\x00")

    def evidence(
        self, claims: Claims, *, measurement: bytes, deployment: SignedDeployment
    ) -> bytes:
        """Evidence for these claims by an enclave of this measurement, launched under this
        statement; encoded."""
        report = self.attest(
            claims.report_data, measurement=measurement, host_data=host_data(deployment.statement)
        )
        return Evidence(
            report=report,
            vek=self.endorsements.vek,
            ask=self.endorsements.ask,
            ark=self.endorsements.ark,
            claims=claims.encode(),
            deployment=deployment.statement,
            operator_signature=deployment.signature,
        ).encode()

    def sealing_secret(self, measurement: bytes) -> Secret:
        """The secret that only this chip gives, and only to code of this measurement (MSG_KEY_REQ
        of the ABI)."""
        return self._sealing_root.derive(labels.KEY_DERIVATION, b"sealing" + measurement)

    def save(self, directory: Path) -> None:
        """Write the chip to its folder, mode 0600."""
        own, firmware = self.endorsements, self.firmware
        wire = (
            FILE_VERSION,
            self._key.to_der(),
            self._sealing_root.reveal(),
            self.chip_id,
            (own.vek, own.ask, own.ark),
            (firmware.reported.to_wire(), firmware.committed.to_wire(), firmware.launch.to_wire()),
        )
        write_secret_file(directory / CHIP_FILE, codec.encode(wire))

    @classmethod
    def load(cls, directory: Path) -> "SimulatedChip":
        """Read the chip from its folder.

        Raises:
            OperatorFault: missing or damaged.
        """
        data = read_secret_file(directory / CHIP_FILE)
        try:
            version, key, root, chip_id, endorsements, firmware = codec.fields(
                codec.decode(data), int, bytes, bytes, bytes, tuple, tuple, name="chip"
            )
            if version != FILE_VERSION:
                raise OperatorFault(
                    f"{directory / CHIP_FILE} has version {version}, this code reads {FILE_VERSION}"
                )
            vek, ask, ark = codec.fields(endorsements, bytes, bytes, bytes, name="endorsements")
            versions = codec.fields(firmware, tuple, tuple, tuple, name="firmware")
            return cls(
                key=ChipKey.from_der(key),
                sealing_root=Secret(codec.sized(root, SECRET_SIZE, name="sealing root")),
                chip_id=chip_id,
                endorsements=Endorsements(vek=vek, ask=ask, ark=ark),
                firmware=Firmware(*(Tcb.from_wire(one) for one in versions)),
            )
        except NotCanonical as error:
            raise OperatorFault(
                f"{directory / CHIP_FILE} is damaged ({error}); the node needs a new chip"
            ) from None

    def __repr__(self) -> str:
        return f"SimulatedChip({self.chip_id.hex()[:16]}…)"
