"""Everything in hand: all disks of all nodes, their chips, every key that any of them holds today;
and what of a data set it opens (ROOMS §6, T66).

Owns the attempt. It plays whoever has broken every chip of a service, which nobody should be able
to: on simulated chips one can. Every write set that disks keep is opened with the ledger secrets of
all epochs; every box of a key in it is tried with every input secret that is left; every chunk with
every data key that came out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import ChainId
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.formats.write_set import WriteSetBox
from strongroom.enclave.keys.keys import EpochSecrets
from strongroom.enclave.keys.sealing import SealedState, unseal_state
from strongroom.enclave.outside.chunks import ChunkChanged, ChunkOpener, DataPlace
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.measurement import measure
from strongroom.enclave.primitives import DoesNotOpen, Secret
from strongroom.enclave.programs import PROGRAM_NAMES
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.layout import SEALED_STATE, NodeLayout
from strongroom.node.ledger.block_record import header_and_certificate
from strongroom.node.ledger.frames import Purpose, TornTail, read_frames
from strongroom.node.ledger.segments import HEIGHT_SIZE, Kind

VAULT, BOXES = "vault", "boxes"


@dataclass(frozen=True, slots=True)
class KeyInVault:
    """A data set's key, as everybody may know it."""

    owner: bytes
    name: str


@dataclass(slots=True, repr=False)
class InHand:
    """What came out of everything. Holds secrets: no repr of its fields."""

    ledger_secrets: int = 0
    """Epochs whose write sets open."""
    write_sets: int = 0
    """Opened."""
    epochs: tuple[int, ...] = ()
    """Whose input secrets are left, in any sealed file."""
    boxes: int = 0
    """Of the key: different ones, on all disks."""
    keys: set[bytes] = field(default_factory=set)
    """Data keys that came out of them."""
    opened: int = 0
    """Chunks of the data set that opened."""


def try_everything(
    cluster: Cluster, key: KeyInVault, place: DataPlace, chunks: Sequence[bytes]
) -> InHand:
    """Open what can be opened of one data set.

    Args:
        cluster: its nodes' folders, chips included.
        key: its key in the vault.
        place: a version's first segment.
        chunks: all of that segment, as somebody copied them while they lay on disks.
    """
    found, states = InHand(), [_sealed(node.layout) for node in cluster.nodes]
    chain = states[0].chain
    secrets = [one for state in states for one in state.secrets]
    found.ledger_secrets = len({one.epoch for one in secrets})
    found.epochs = tuple(sorted({int(one.epoch) for one in secrets if one.opens}))
    boxes: set[tuple[int, int, int, bytes]] = set()
    for node in cluster.nodes:
        for changes in _write_sets(node.layout, chain, secrets):
            found.write_sets += 1
            boxes.update(_boxes(changes))
    for number, version, epoch, box in sorted(boxes):
        opened = _tried(chain, key, secrets, number, version, epoch, box)
        found.keys |= opened
    found.boxes = len(boxes)
    for secret in found.keys:
        opener = ChunkOpener(Secret(secret), place)
        for at, sealed in enumerate(chunks):
            try:
                opener.open(sealed, last=at == len(chunks) - 1)
                found.opened += 1
            except ChunkChanged:
                break
    return found


def copied(cluster: Cluster, names: Sequence[bytes]) -> list[bytes]:
    """Chunks by their names, from the nodes' disks."""
    wanted, found = {name.hex() for name in names}, dict[str, bytes]()
    for node in cluster.nodes:
        for path in node.layout.chunks.rglob("*"):
            if path.name in wanted and path.is_file():
                found[path.name] = path.read_bytes()
    return [found[name.hex()] for name in names]


def _sealed(layout: NodeLayout) -> SealedState:
    measurement = measure(PROGRAM_NAMES).digest
    chip = SimulatedChip.load(layout.chip)
    return unseal_state(
        chip.sealing_secret(measurement), (layout.sealed / SEALED_STATE).read_bytes()
    )


def _write_sets(
    layout: NodeLayout, chain: ChainId, secrets: Sequence[EpochSecrets]
) -> Iterator[tuple[Any, ...]]:
    """Changes of every block of a node's ledger that any secret opens."""
    headers: dict[int, Any] = {}
    for path in sorted((layout.directory / "ledger").glob("blocks-*.log")):
        try:
            for frame in read_frames(path, Purpose.BLOCKS, int(path.stem.split("-")[1])):
                height = int.from_bytes(frame.payload[:HEIGHT_SIZE], "big")
                body = frame.payload[HEIGHT_SIZE:]
                if frame.kind == Kind.BLOCK:
                    headers[height] = header_and_certificate(body)[0]
                    continue
                header, outcome = headers[height], Outcome.decode(body)
                for one in secrets:
                    if one.epoch != header.epoch:
                        continue
                    try:
                        yield (
                            WriteSetBox(chain, header.epoch, one.write_set_box)
                            .open(outcome.write_set, header.height, header.digest, outcome.root)
                            .changes
                        )
                        break
                    except (DoesNotOpen, NotCanonical):
                        continue
        except TornTail:  # the node writes on
            continue


def _boxes(changes: Any) -> Iterator[tuple[int, int, int, bytes]]:
    """(number, version, epoch, box) of every secret that a block put into the vault's state."""
    for program, name, places, values in changes:
        if (program, name) != (VAULT, BOXES):
            continue
        for (number, version), value in zip(places, values, strict=True):
            if value is not None:
                epoch, box = value
                yield number, version, epoch, box


def _tried(
    chain: ChainId,
    key: KeyInVault,
    secrets: Sequence[EpochSecrets],
    number: int,
    version: int,
    epoch: int,
    box: bytes,
) -> set[bytes]:
    told = codec.encode((epoch, number, key.owner, key.name, version))
    aad, opened = labels.bound(labels.VAULT_BOX, chain, told), set()
    for one in secrets:
        if not one.opens:
            continue
        try:
            opened.add(one.vault_box.open(number << 32 | version, box, aad))
        except DoesNotOpen:
            continue
    return opened
