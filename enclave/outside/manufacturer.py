"""The simulated manufacturer: a root, an intermediate, and the chips that they vouch for, in the
form of AMD's.

It stands for a company. Whoever holds its folder can make chips that lie; that is what SIMULATED
means, and why a root that is not AMD's is refused unless the constitution says `allow_simulated`
(T26).
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.consensus.types import Digest
from strongroom.enclave.attestation.policy import SIMULATED_TCB
from strongroom.enclave.attestation.report import CHIP_ID_SIZE, Tcb
from strongroom.enclave.outside.issuing import IssuerKey
from strongroom.enclave.platform.chip import Endorsements, Firmware, SimulatedChip
from strongroom.enclave.platform.chip_key import ChipKey
from strongroom.enclave.platform.files import read_secret_file, write_secret_file
from strongroom.enclave.primitives import Secret, random_bytes

MANUFACTURER_FILE = "simulated-manufacturer"
FILE_VERSION = 1


class Manufacturer:
    """Root and intermediate with their certificates (DER)."""

    __slots__ = ("_intermediate", "_root", "ark", "ask")

    def __init__(self, *, root: IssuerKey, intermediate: IssuerKey, ark: bytes, ask: bytes) -> None:
        self._root = root
        self._intermediate = intermediate
        self.ark = ark
        self.ask = ask

    @classmethod
    def create(cls) -> "Manufacturer":
        """A new manufacturer; two RSA-4096 keys, made in parallel, take a second or so."""
        with ThreadPoolExecutor(max_workers=2) as pool:
            root, intermediate = pool.map(lambda _: IssuerKey.generate(), range(2))
        return cls(
            root=root,
            intermediate=intermediate,
            ark=root.issue_root(),
            ask=root.issue_intermediate(intermediate),
        )

    @property
    def root_digest(self) -> Digest:
        """SHA-256 of the root's SubjectPublicKeyInfo: what a policy pins."""
        return self._root.digest

    def make_chip(
        self, tcb: Tcb = SIMULATED_TCB, *, committed: Tcb | None = None, launch: Tcb | None = None
    ) -> SimulatedChip:
        """A new chip whose key is certified for firmware `tcb`; the other versions are the same
        unless named."""
        key, chip_id = ChipKey.generate(), random_bytes(CHIP_ID_SIZE)
        vek = self._intermediate.issue_chip(key, chip_id=chip_id, tcb=tcb)
        return SimulatedChip(
            key=key,
            sealing_root=Secret.fresh(),
            chip_id=chip_id,
            endorsements=Endorsements(vek=vek, ask=self.ask, ark=self.ark),
            firmware=Firmware(tcb, committed or tcb, launch or tcb),
        )

    def save(self, directory: Path) -> None:
        """Write the manufacturer to its folder, mode 0600."""
        wire = (FILE_VERSION, self._root.to_der(), self._intermediate.to_der(), self.ark, self.ask)
        write_secret_file(directory / MANUFACTURER_FILE, codec.encode(wire))

    @classmethod
    def load(cls, directory: Path) -> "Manufacturer":
        """Read the manufacturer from its folder.

        Raises:
            OperatorFault: missing or damaged.
        """
        path = directory / MANUFACTURER_FILE
        try:
            version, root, intermediate, ark, ask = codec.fields(
                codec.decode(read_secret_file(path)),
                int,
                bytes,
                bytes,
                bytes,
                bytes,
                name="manufacturer",
            )
        except NotCanonical as error:
            raise OperatorFault(
                f"{path} is damaged ({error}); make a new simulated manufacturer"
            ) from None
        if version != FILE_VERSION:
            raise OperatorFault(f"{path} has version {version}, this code reads {FILE_VERSION}")
        return cls(
            root=IssuerKey.from_der(root),
            intermediate=IssuerKey.from_der(intermediate),
            ark=ark,
            ask=ask,
        )

    def __repr__(self) -> str:
        return f"Manufacturer(SIMULATED, root {self.root_digest.hex()[:16]}…)"
