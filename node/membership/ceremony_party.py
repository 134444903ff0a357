"""Who takes the steps of a founding on one machine: a node's folder, its enclave, its
organisation's two keys; and the card that it writes (DESIGN §5, Genesis).

Owns what every step starts from. The steps: ceremony_steps.py, ceremony_sealing.py.
"""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import Digest
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.primitives import SigningKey
from strongroom.node import tls
from strongroom.node.config import load
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.layout import NodeLayout
from strongroom.node.ledger.lock import acquire_lock
from strongroom.node.machine.durable_files import make_directory, write_atomic
from strongroom.node.membership.ceremony_answers import FOUNDING_BYTES_MAX
from strongroom.node.membership.ceremony_card_judging import judge_card
from strongroom.node.membership.ceremony_cards import Card
from strongroom.node.membership.ceremony_refusals import Ground, refuse
from strongroom.node.membership.ceremony_signed import UNSIGNED


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who takes these steps: a node's folder, and the keys of who runs and who governs."""

    layout: NodeLayout
    operator: SigningKey
    member: SigningKey

    def card(self) -> Card:
        """What it said of itself.

        Raises:
            OperatorFault: it has no card yet.
            CeremonyRefused: the card is damaged, or was signed by other keys than these.
        """
        card = judge_card(read(self.layout.ceremony.card, "make it with `strongroom node init`"))
        if (card.operator_key, card.member_key) != (self.operator.public, self.member.public):
            refuse(card.operator, Ground.OWN_WORDS, "my card was signed by other keys than I have")
        return card


async def make_card(
    party: Party,
    *,
    operator: str,
    member: str,
    region: str,
    country: str,
    credential: Digest,
) -> bytes:
    """Write what this organisation says of itself; its chip, certificate and configuration are here
    already.

    Raises:
        OperatorFault: a file is not as it must be, or an address cannot be announced.
        NotCanonical: a name is none.
    """
    layout = party.layout
    config = load(layout.config)
    async with enclave_of(layout) as enclave:
        measurement, chip_id = await enclave.measurement_and_chip()
    unsigned = Card(
        operator=operator,
        operator_key=party.operator.public,
        member=member,
        member_key=party.member.public,
        node=config.name,
        region=region,
        country=country,
        chip_id=chip_id,
        measurement=measurement,
        root=root_of(layout),
        deployment=UNSIGNED,
        rpc=str(config.told_rpc),
        peer=str(config.told_peer),
        certificate=certificate_of(layout),
        credential=credential,
    )
    deployment = unsigned.statement.sign(party.operator).signature
    card = replace(unsigned, deployment=deployment).sign(party.operator, party.member).encode()
    judge_card(card)
    make_directory(layout.ceremony.directory)
    write_atomic(layout.ceremony.card, card)
    return card


async def measured(layout: NodeLayout) -> bytes:
    """What this node's enclave measures here, 48 bytes."""
    async with enclave_of(layout) as enclave:
        measurement, _ = await enclave.measurement_and_chip()
    return measurement


def read(path: Path, hint: str) -> bytes:
    """A ceremony's file, bounded.

    Raises:
        OperatorFault: it cannot be read; `hint` says what to do.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FOUNDING_BYTES_MAX + 1)
    except OSError as error:
        raise OperatorFault(f"cannot read {path}: {error.strerror}; {hint}") from None
    if len(data) > FOUNDING_BYTES_MAX:
        raise OperatorFault(f"{path} is no file of a ceremony: longer than {FOUNDING_BYTES_MAX}")
    return data


def root_of(layout: NodeLayout) -> Digest:
    """SHA-256 of the key of the root that vouches for this node's chip."""
    return tls.spki_digest(SimulatedChip.load(layout.chip).endorsements.ark)


def certificate_of(layout: NodeLayout) -> bytes:
    """This node's TLS certificate, DER."""
    pem = read(layout.tls_certificate, "make the node's folder with `strongroom node init`")
    try:
        return ssl.PEM_cert_to_DER_cert(pem.decode("ascii"))
    except ValueError as error:
        raise OperatorFault(f"{layout.tls_certificate} is damaged: {error}") from None


@asynccontextmanager
async def enclave_of(layout: NodeLayout) -> AsyncIterator[EnclaveClient]:
    """The enclave of this node's chip, for one step."""
    enclave = await EnclaveClient.start(layout.chip, layout.log)
    try:
        yield enclave
    finally:
        await enclave.stop()


@contextmanager
def alone(layout: NodeLayout) -> Iterator[None]:
    """One step at a time: of two at once each would make keys of its own.

    Raises:
        AlreadyRunning: another step is being taken, or a node runs in this folder.
    """
    lock = acquire_lock(layout.lock)
    try:
        yield
    finally:
        lock.release()


def check_own(operator: str, given: bytes, kept: Path) -> None:
    """Somebody else might have my keys, or I mixed two folders up."""
    if read(kept, "this node took no such step") != given:
        refuse(operator, Ground.OWN_WORDS, "this is not what I said: my folder says otherwise")
