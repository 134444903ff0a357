"""A dead service's node brings it back: the host's part of a recovery (VAULT §7; T45).

Owns the files of a recovery under way, in the node's `recovery/`, and the order in which ledger and
enclave are brought together. Everything here survives a kill: what the enclave needs lies sealed
beside it, what is public is written whole or not at all, and each step may be done again.

    state          the enclave's sealed state
    evidence       its evidence, for the lead
    offer          what members are asked to agree to
    certificate    k agreements, once it is open
    for-KEY        what the lead hands to the other node of this key
    end            outcomes of the last blocks, and the sealed keys of the node that goes on
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time_ns

from strongroom.consensus import codec
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.consensus.recovery import RecoveryCertificate
from strongroom.consensus.types import Epoch, Height, Signature
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.deployment import SignedDeployment
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.formats.envelope import PUBLIC, VERSION
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.formats.recovery import Generation
from strongroom.enclave.formats.recovery_plan import RecoveryPlan
from strongroom.enclave.governance.public import ATTEST, action_of
from strongroom.enclave.keys.identity import Identity, identity_in
from strongroom.enclave.outside.recovery_giving import Offer
from strongroom.enclave.proofs.genesis import VerifiedGenesis, verify_genesis
from strongroom.node import tls
from strongroom.node.enclave_client.recovery_calls import (
    Recorded,
    RecoveryClient,
    RecoveryProgress,
)
from strongroom.node.enclave_client.refusals import Refusal
from strongroom.node.layout import SEALED_STATE, NodeLayout
from strongroom.node.ledger.block_record import StoredBlock, header_and_certificate
from strongroom.node.ledger.lock import acquire_lock
from strongroom.node.ledger.reading import block_at, leaf_of, outcome_at
from strongroom.node.ledger.store import BlockStore
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.machine.durable_files import make_directory, write_atomic
from strongroom.node.ordering.stored_past import stored_epochs

PORTION_BLOCKS_MAX = 128
PORTION_BYTES_MAX = 16 * 1024 * 1024
"""Of the ledger, given to the enclave at once."""

Progress = Callable[[str, int, int], None]
"""(what is being done, heights done, of how many)."""


class NotHere(OperatorFault):
    """A step of a recovery comes before another one."""


@dataclass(frozen=True, slots=True)
class RecoveryFolder:
    """One node's part of a recovery, on disk."""

    layout: NodeLayout

    @property
    def state(self) -> Path:
        """The enclave's sealed state."""
        return self.layout.recovery / "state"

    @property
    def evidence(self) -> Path:
        """Its evidence, for the lead."""
        return self.layout.recovery / "evidence"

    @property
    def offer(self) -> Path:
        """What members are asked to agree to."""
        return self.layout.recovery / "offer"

    @property
    def certificate(self) -> Path:
        """What opens the next epoch."""
        return self.layout.recovery / "certificate"

    @property
    def end(self) -> Path:
        """What is to be written into the ledger, and the node's sealed keys."""
        return self.layout.recovery / "end"

    def handed(self, node_key: bytes) -> Path:
        """What the lead hands to another node."""
        return self.layout.recovery / f"for-{node_key.hex()}"

    def read(self, path: Path, step: str) -> bytes:
        """A file that an earlier step left.

        Raises:
            NotHere: it did not.
        """
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise NotHere(
                f"no {path.name} in {self.layout.recovery}: `{step}` comes first"
            ) from None
        except OSError as error:
            raise OperatorFault(f"cannot read {path}: {error.strerror}") from None

    def write(self, path: Path, data: bytes) -> None:
        """Leave a file for a later step, whole or not at all."""
        make_directory(self.layout.recovery)
        write_atomic(path, data)


# --- the steps ---


async def begin(layout: NodeLayout, genesis: bytes, *, progress: Progress) -> bytes:
    """Have an enclave without keys follow this node's ledger to its end; its evidence.

    Raises:
        OperatorFault: the node runs, has keys, or its ledger is not one that members could agree
            to.
        Refusal: the enclave refuses the ledger.
    """
    folder = RecoveryFolder(layout)
    if (layout.sealed / SEALED_STATE).exists():
        raise OperatorFault(
            f"this node has sealed keys in {layout.sealed}: start it; or, if they open no more, "
            "move that folder away first"
        )
    if folder.state.exists():
        raise OperatorFault(
            f"a recovery is under way in {layout.recovery}: go on with it, or move it away"
        )
    with _ledger(layout) as store:
        head = _newest_certified(store)
        if head < store.newest_block or store.newest_outcome > head:
            raise OperatorFault(
                f"blocks above {head} in this ledger have no certificate: take another node's"
            )
        verified = verify_genesis(genesis)
        identity = find_identity(layout, verified, store, head)
        enclave = await RecoveryClient.start(layout.chip, layout.log)
        try:
            await enclave.begin(genesis, identity)
            for portion in _portions(store, 1, head):
                reached = await enclave.follow(portion)
                progress("following the ledger", int(reached), int(head))
            sealed, evidence = await enclave.show()
        finally:
            await enclave.stop()
    folder.write(folder.evidence, evidence)
    folder.write(folder.state, sealed)
    return evidence


async def plan(layout: NodeLayout, genesis: bytes, evidence: Sequence[bytes]) -> Offer:
    """As the lead: plan the next epoch with these enclaves and this one; the offer to members.

    Raises:
        NotHere: `begin` comes first.
        Refusal: this is not the lead, or an enclave does not meet the policy.
    """
    folder = RecoveryFolder(layout)
    own = folder.read(folder.evidence, "recover begin")
    shown = [own, *(one for one in evidence if one != own)]
    async with _enclave(layout, genesis) as (enclave, _, entries):
        sealed, made, generation = await enclave.plan(shown, time_ns() // 1_000_000)
        folder.write(folder.state, sealed)
    offer = Offer(
        genesis=genesis,
        entries=entries,
        plan=RecoveryPlan.decode(made),
        generation=Generation.decode(generation),
    )
    folder.write(folder.offer, offer.encode())
    return offer


async def join(layout: NodeLayout, genesis: bytes, data: bytes) -> None:
    """As one of the others: take part in the lead's plan.

    Raises:
        NotHere, Refusal: as `plan`.
        NotCanonical: it is no offer.
    """
    folder, offer = RecoveryFolder(layout), Offer.decode(data)
    async with _enclave(layout, genesis) as (enclave, _, _):
        folder.write(folder.state, await enclave.join(offer.plan.encode()))
    folder.write(folder.offer, data)


async def take(
    layout: NodeLayout, genesis: bytes, given: Sequence[tuple[str, bytes]]
) -> tuple[RecoveryProgress, list[tuple[str, str, str]]]:
    """As the lead: count shares, each for itself: (how far it is now, (file, member's name, or why
    it does not count: reason and words) …).

    Raises:
        NotHere: `plan` comes first.
    """
    folder = RecoveryFolder(layout)
    folder.read(folder.offer, "recover begin")
    told = []
    async with _enclave(layout, genesis) as (enclave, _, _):
        for name, data in given:
            try:
                sealed, member, _ = await enclave.take(data)
            except Refusal as refusal:
                told.append((name, "", str(refusal)))
                continue
            folder.write(folder.state, sealed)
            told.append((name, member, ""))
        return await enclave.status(), told


async def progress_of(layout: NodeLayout, genesis: bytes) -> RecoveryProgress:
    """How far it is.

    Raises:
        NotHere: nothing was begun.
    """
    async with _enclave(layout, genesis) as (enclave, _, _):
        return await enclave.status()


async def open_ledger(
    layout: NodeLayout, genesis: bytes, handed: bytes | None, *, progress: Progress
) -> RecoveryCertificate:
    """With k shares, or what the lead handed over: apply the ledger, end the lost epoch, and become
    a node again. May be done again after a kill at any place.

    Args:
        layout: the node's.
        genesis: the service's.
        handed: (certificate, what the lead handed over) as its file has it; None for the lead.
        progress: told the heights.

    Raises:
        NotHere: a step comes before this.
        Refusal: too few shares, or the ledger is not what members agreed to.
    """
    folder = RecoveryFolder(layout)
    if not folder.end.exists():
        async with _enclave(layout, genesis) as (enclave, store, _):
            certificate = await _opened(folder, enclave, handed)
            outcomes, sealed = await _gone_through(enclave, store, certificate, progress)
        ended = (certificate.to_wire(), outcomes, sealed)
        folder.write(folder.end, codec.encode(ended))
    return _finish(folder)


async def _opened(
    folder: RecoveryFolder, enclave: RecoveryClient, handed: bytes | None
) -> RecoveryCertificate:
    if handed is None:
        certificate, others = await enclave.open()
        for node_key, secret in others.items():
            both = codec.encode((certificate.brief().to_wire(), secret))
            folder.write(folder.handed(node_key), both)
    else:
        wire, secret = codec.fields(codec.decode(handed), tuple, bytes, name="handed over")
        brief = RecoveryCertificate.from_wire(wire)
        sealed, certificate = await enclave.receive(brief, secret)
        folder.write(folder.state, sealed)
    folder.write(folder.certificate, codec.encode(certificate.to_wire()))
    return certificate


async def _gone_through(
    enclave: RecoveryClient,
    store: BlockStore,
    certificate: RecoveryCertificate,
    progress: Progress,
) -> tuple[tuple[bytes, ...], bytes]:
    executed, head = certificate.opening.anchor.height, certificate.head.header.height
    for portion in _portions(store, 1, executed):
        headers, outcomes = [one[0] for one in portion], [one[3] for one in portion]
        reached = await enclave.apply(headers, outcomes)
        progress("applying outcomes", int(reached), int(executed))
    made: tuple[bytes, ...] = ()
    for portion in _portions(store, executed + 1, head):
        made += await enclave.lose([(header, batches) for header, batches, _, _ in portion])
    last, sealed = await enclave.end()
    return (*made, last), sealed


def _finish(folder: RecoveryFolder) -> RecoveryCertificate:
    """Write the end into ledger, log and sealed keys; what is written already stays."""
    layout = folder.layout
    wire, outcomes, sealed = codec.fields(
        codec.decode(folder.read(folder.end, "recover open")), tuple, tuple, bytes, name="end"
    )
    certificate = RecoveryCertificate.from_wire(wire)
    opening = certificate.opening
    block = StoredBlock(opening, certificate, ()).encode()
    with _ledger(layout) as store:
        if store.newest_block < opening.height:
            store.append_block(opening.height, block)
        elif block_at(store, opening.height) != block:
            raise OperatorFault(f"another block stands at height {opening.height} of this ledger")
        first = opening.height - len(outcomes) + 1
        for height, data in enumerate(outcomes, first):
            outcome = Outcome.decode(data)
            if store.newest_outcome < height:
                store.append_outcome(
                    height, data, outcome.ids_and_codes(), outcome.history_leaf.hash
                )
            elif outcome_at(store, height) != data:
                raise OperatorFault(f"another outcome stands at height {height} of this ledger")
        store.sync()
    _begin_log(layout)
    make_directory(layout.sealed)
    write_atomic(layout.sealed / SEALED_STATE, sealed)
    return certificate


def _begin_log(layout: NodeLayout) -> None:
    """The lost enclaves' statements are of no use to the new one: its log begins empty (PROTOCOL
    §6)."""
    aside = layout.recovery / "wal-of-lost-keys"
    if layout.wal.exists() and not aside.exists():
        layout.wal.rename(aside)
    WriteAheadLog.open(layout.wal).close()


# --- the ledger ---


@contextmanager
def _ledger(layout: NodeLayout) -> Iterator[BlockStore]:
    """The node's ledger, while no host has it."""
    lock = acquire_lock(layout.lock)
    try:
        store = BlockStore.open(
            layout.directory,
            lambda data: Outcome.decode(data).ids_and_codes(),
            hash_of=lambda data: header_and_certificate(data)[0].digest,
            leaf_of=leaf_of,
        )
        try:
            yield store
        finally:
            store.close()
    finally:
        lock.release()


@asynccontextmanager
async def _enclave(
    layout: NodeLayout, genesis: bytes
) -> AsyncIterator[tuple[RecoveryClient, BlockStore, tuple[EpochEntry, ...]]]:
    """The enclave of a recovery that is under way, shown the ledger's epochs."""
    folder = RecoveryFolder(layout)
    sealed = folder.read(folder.state, "recover begin")
    with _ledger(layout) as store:
        entries = tuple(_entries(store, genesis))
        enclave = await RecoveryClient.start(layout.chip, layout.log)
        try:
            await enclave.again(sealed, genesis, entries)
            yield enclave, store, entries
        finally:
            await enclave.stop()


def _entries(store: BlockStore, genesis: bytes) -> Iterator[EpochEntry]:
    epochs = stored_epochs(store, verify_genesis(genesis))
    known = Epoch(0)
    while entries := epochs.entries(Epoch(known + 1)):
        yield from entries
        known = entries[-1].description.epoch


def _newest_certified(store: BlockStore) -> Height:
    for height in range(store.newest_block, 0, -1):
        if header_and_certificate(block_at(store, height))[1] is not None:
            return Height(height)
    return Height(0)


def _portions(store: BlockStore, first: int, last: int) -> Iterator[list[Recorded]]:
    portion: list[Recorded] = []
    size = 0
    for height in range(first, last + 1):
        data = block_at(store, height)
        block = StoredBlock.decode(data)
        outcome = outcome_at(store, height) if height <= store.newest_outcome else b""
        portion.append((block.header, block.batches, block.certificate, outcome))
        size += len(data) + len(outcome)
        if len(portion) >= PORTION_BLOCKS_MAX or size >= PORTION_BYTES_MAX:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def find_identity(
    layout: NodeLayout, genesis: VerifiedGenesis, store: BlockStore, head: Height
) -> Identity:
    """Who this node was: as the genesis says, or the newest evidence on the ledger by its name.

    Raises:
        OperatorFault: neither knows a node of this name and certificate.
    """
    founder = genesis.validator_named(layout.name)
    shown = tls.spki_digest(layout.tls_certificate.read_bytes())
    found = None if founder is None else identity_in(genesis, founder.claims.node_key)
    if found is None or found.tls_key != shown:
        found = _newest_identity(layout.name, store, head)
    if found is None or found.tls_key != shown:
        raise OperatorFault(
            f"neither genesis nor ledger know a node {layout.name} with the certificate "
            f"{layout.tls_certificate}: recover on a machine that was a node"
        )
    return found


def _newest_identity(name: str, store: BlockStore, head: Height) -> Identity | None:
    for height in range(head, 0, -1):
        for envelope in StoredBlock.decode(block_at(store, height)).envelopes():
            fields = public_of(envelope, ATTEST)
            if fields is None:
                continue
            try:
                (evidence, _, _) = codec.fields(
                    codec.decode(fields[1]), bytes, str, str, name="attest"
                )
                shown = Evidence.decode(evidence)
                claims = Claims.decode(shown.claims)
            except NotCanonical:
                continue
            if claims.node == name:
                return Identity(
                    name=claims.node,
                    operator=claims.operator,
                    region=claims.region,
                    tls_key=claims.tls_key,
                    deployment=SignedDeployment(
                        statement=shown.deployment,
                        signature=Signature(shown.operator_signature),
                    ),
                )
    return None


def public_of(envelope: bytes, action: str) -> tuple[bytes, bytes, bytes] | None:
    """Protected header, payload and signature of a public transaction of this action; None of any
    other."""
    if envelope[1:3] != bytes((VERSION, PUBLIC)):
        return None
    try:
        protected, payload, signature = read_envelope(envelope)[2:]
        return (protected, payload, signature) if action_of(protected) == action else None
    except NotCanonical:
        return None
