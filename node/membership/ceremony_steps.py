"""One organisation's steps of a founding, on its own machine (DESIGN §5, Genesis).

    make_card → accept → make_founding (the founder alone) → confirm → seal

Owns what is done with the enclave, and what is kept in the node's folder between two steps, so that
each may be asked for again and gives the same file: whoever was killed, or lost what he sent, says
nothing else the second time. What is checked before is ceremony_judging.py's.
"""

import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import Digest
from strongroom.enclave.attestation.deployment import SignedDeployment
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.primitives import SigningKey
from strongroom.node import tls
from strongroom.node.config import Address, NodeConfig, Peer, dumps, load
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.refusals import Refusal
from strongroom.node.layout import SEALED_STATE, NodeLayout
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.machine.durable_files import make_directory, write_atomic, write_new
from strongroom.node.membership.ceremony_files import (
    FOUNDING_BYTES_MAX,
    UNSIGNED,
    Acceptance,
    Card,
    Confirmation,
    FoundingFile,
)
from strongroom.node.membership.ceremony_judging import (
    founder_of,
    judge_acceptances,
    judge_confirmations,
    judge_founding,
)
from strongroom.node.membership.ceremony_proposal import (
    Agreed,
    check_time,
    judge_before_accepting,
    judge_card,
    judge_proposal,
)
from strongroom.node.membership.ceremony_refusals import Ground, refuse
from strongroom.node.organisations import Organisation


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


# --- the card -------------------------------------------------------------------------------------


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
    async with _enclave(layout) as enclave:
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
    async with _enclave(layout) as enclave:
        measurement, _ = await enclave.measurement_and_chip()
    return measurement


# --- accepting ------------------------------------------------------------------------------------


async def accept(
    party: Party, proposal: bytes, received: Sequence[bytes], *, now_ms: int, instead: bool = False
) -> bytes:
    """Have this node's enclave answer a proposal; a second time it gives the same file.

    Args:
        party: who accepts.
        proposal: the proposal's bytes.
        received: the others' cards, as each gave it to me itself.
        now_ms: my clock.
        instead: give up another proposal that was accepted before; its keys are lost.

    Raises:
        CeremonyRefused: something in it is not as it must be; nothing was made or signed.
        OperatorFault: this node belongs to a service, or accepted another proposal.
    """
    layout, files = party.layout, party.layout.ceremony
    _check_free(layout)
    agreed, own = judge_proposal(proposal), party.card()
    async with _enclave(layout) as enclave:
        measurement, _ = await enclave.measurement_and_chip()
        judge_before_accepting(
            agreed, own=own, received=received, measurement=measurement, now_ms=now_ms
        )
        if files.acceptance.exists():
            earlier = Acceptance.decode(read(files.acceptance, "it was written by `found accept`"))
            if earlier.proposal == agreed.proposal.digest:
                return earlier.encode()
            if not instead:
                raise OperatorFault(
                    f"this node accepted proposal {earlier.proposal.hex()[:16]}… before: go on "
                    "with that one, or say --instead to give it up for good, and tell the others"
                )
        deployment = SignedDeployment(own.statement.encode(), own.deployment)
        identity = Identity(
            name=own.node,
            operator=own.operator,
            region=own.region,
            tls_key=own.tls_key,
            deployment=deployment,
        )
        evidence = await enclave.prepare(agreed.constitution.encode(), identity)
        keys = await enclave.seal_founding()
    unsigned = Acceptance(operator=own.operator, proposal=agreed.proposal.digest, evidence=evidence)
    acceptance = unsigned.sign(party.operator, party.member).encode()
    for leftover in (files.acceptance, files.founding, files.state, files.confirmation):
        leftover.unlink(missing_ok=True)
    write_atomic(files.proposal, proposal)
    write_atomic(files.keys, keys)
    write_atomic(files.acceptance, acceptance)  # last: with it the keys are there, too
    return acceptance


def accepted_proposal(party: Party, proposal: bytes) -> Agreed:
    """The proposal that this node accepted, if these bytes are it.

    Raises:
        CeremonyRefused: they are another one.
        OperatorFault: it accepted none.
    """
    agreed = judge_proposal(proposal)
    own = read(party.layout.ceremony.proposal, "accept a proposal first: `strongroom found accept`")
    if own != proposal:
        refuse(
            "the proposal",
            Ground.OTHER_PROPOSAL,
            f"this is {agreed.proposal.digest.hex()[:16]}…, I accepted another one",
        )
    return agreed


# --- the genesis ----------------------------------------------------------------------------------


async def make_founding(
    party: Party, proposal: bytes, acceptances: Sequence[bytes], *, now_ms: int
) -> bytes:
    """Make the secret and the genesis, as the organisation of the lowest node key; a second time it
    gives the same file.

    Raises:
        CeremonyRefused: an acceptance is not as it must be, or somebody else is the founder; no
            secret was made.
    """
    files = party.layout.ceremony
    agreed = accepted_proposal(party, proposal)
    check_time(agreed.proposal, now_ms)
    judged = judge_acceptances(agreed, acceptances)
    own, founder = party.card(), founder_of(agreed, judged)
    _check_own(own.operator, judged[own.operator].encode(), files.acceptance)
    if founder != own.operator:
        refuse(founder, Ground.FOUNDER, "makes the genesis, by the lowest key: ask it for the file")
    encoded = tuple(one.encode() for one in judged.values())
    if files.founding.exists():
        earlier = FoundingFile.decode(read(files.founding, "it was written by `found make`"))
        if (earlier.proposal, earlier.acceptances) != (agreed.proposal.digest, encoded):
            refuse(
                own.operator,
                Ground.OTHER_GENESIS,
                "I made a genesis of other acceptances before: there can be but one",
            )
        return earlier.encode()
    async with _enclave(party.layout) as enclave:
        await enclave.resume_founding(read(files.keys, "accept the proposal first"))
        try:
            genesis, wraps = await enclave.found(
                agreed.constitution.encode(), tuple(one.evidence for one in judged.values())
            )
        except Refusal as refusal:
            refuse("the acceptances", Ground.EVIDENCE, str(refusal))
    made = FoundingFile(
        operator=own.operator,
        proposal=agreed.proposal.digest,
        genesis=genesis,
        wraps=wraps,
        acceptances=encoded,
    )
    founding = made.sign(party.operator, party.member).encode()
    write_new(files.founding, founding)
    return founding


async def confirm(
    party: Party,
    proposal: bytes,
    acceptances: Sequence[bytes],
    founding: bytes,
    *,
    now_ms: int,
) -> bytes:
    """Check the genesis against my own copies of all acceptances, have the enclave take its wrap,
    and say that this is the genesis that I begin with; a second time the same file.

    Raises:
        CeremonyRefused: it is another genesis, or the wrap does not open; nothing was signed.
    """
    files = party.layout.ceremony
    agreed = accepted_proposal(party, proposal)
    check_time(agreed.proposal, now_ms)
    one, verified = judge_founding(agreed, acceptances, founding)
    own = party.card()
    mine = next(
        data for data in one.acceptances if Acceptance.decode(data).operator == own.operator
    )
    _check_own(own.operator, mine, files.acceptance)
    if files.confirmation.exists():
        earlier = Confirmation.decode(read(files.confirmation, "it was written by `found confirm`"))
        if (earlier.chain, earlier.content) != (one.chain, one.content):
            refuse(
                one.operator,
                Ground.TWO_WORDS,
                f"signed two geneses: I confirmed chain {earlier.chain.hex()[:16]}… before",
            )
        return earlier.encode()
    async with _enclave(party.layout) as enclave:
        await enclave.resume_founding(read(files.keys, "accept the proposal first"))
        try:
            state = await enclave.accept(one.genesis, one.wraps)
        except Refusal as refusal:
            refuse(one.operator, Ground.WRAP, f"my enclave does not take its secret: {refusal}")
    said = Confirmation(
        operator=own.operator,
        proposal=agreed.proposal.digest,
        chain=verified.chain,
        content=one.content,
        founder=one.operator,
        founder_signature=one.operator_signature,
    )
    confirmation = said.sign(party.operator, party.member).encode()
    write_atomic(files.founding, founding)
    write_atomic(files.state, state)
    write_atomic(files.confirmation, confirmation)  # last: with it the state is there, too
    return confirmation


# --- the end --------------------------------------------------------------------------------------


def seal(
    party: Party, proposal: bytes, founding: bytes, confirmations: Iterable[bytes]
) -> tuple[Agreed, FoundingFile]:
    """Make this node one of the service, once everybody confirmed the same genesis: its genesis,
    its sealed state, its configuration. May be asked for again.

    Raises:
        CeremonyRefused: somebody did not confirm, or confirmed another genesis.
        OperatorFault: a file is not as it must be, or this node belongs to another service.
    """
    layout, files = party.layout, party.layout.ceremony
    agreed = accepted_proposal(party, proposal)
    if read(files.founding, "confirm the genesis first: `strongroom found confirm`") != founding:
        refuse("the founding", Ground.OTHER_GENESIS, "is not the one that I confirmed")
    one = FoundingFile.decode(founding)
    own = party.card()
    judged = judge_confirmations(agreed, one, confirmations)
    _check_own(own.operator, judged[own.operator].encode(), files.confirmation)
    genesis = layout.cluster.genesis
    _write_once(genesis, one.genesis, "another service's genesis stands there", mode=0o644)
    make_directory(layout.sealed)
    if not (layout.sealed / SEALED_STATE).exists():
        # The log exists from the founding on: a node that finds none has lost it, and only
        # observes (PROTOCOL §6).
        WriteAheadLog.open(layout.wal).close()
        state = read(files.state, "confirm the genesis first: `strongroom found confirm`")
        _configure(layout, agreed, own)
        write_new(layout.sealed / SEALED_STATE, state)  # last: what stands there is never redone
    for leftover in (files.keys, files.state):
        leftover.unlink(missing_ok=True)
    return agreed, one


def _configure(layout: NodeLayout, agreed: Agreed, own: Card) -> None:
    """Name the others, and who may submit here: the organisations of the proposal."""
    config = load(layout.config)
    admitted = {one.name for one in config.door.organisations}
    door = replace(
        config.door,
        organisations=(
            *config.door.organisations,
            *(
                Organisation(name=card.operator, digest=card.credential)
                for card in agreed.cards.values()
                if card.operator not in admitted
            ),
        ),
    )
    complete: NodeConfig = replace(
        config, genesis=layout.cluster.genesis, peers=peers_in(agreed, own), door=door
    )
    write_atomic(layout.config, dumps(complete, base=layout.directory).encode(), mode=0o644)


def peers_in(agreed: Agreed, own: Card) -> tuple[Peer, ...]:
    """The other nodes of a proposal, where their cards say that they are."""
    return tuple(
        Peer(card.node, Address.parse(card.peer), rpc=Address.parse(card.rpc))
        for card in agreed.cards.values()
        if card.operator != own.operator
    )


# --- files ----------------------------------------------------------------------------------------


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
async def _enclave(layout: NodeLayout) -> AsyncIterator[EnclaveClient]:
    enclave = await EnclaveClient.start(layout.chip, layout.log)
    try:
        yield enclave
    finally:
        await enclave.stop()


def _check_free(layout: NodeLayout) -> None:
    if (layout.sealed / SEALED_STATE).exists():
        raise OperatorFault(
            f"{layout.directory} belongs to a service already: found with another node's folder"
        )


def _check_own(operator: str, given: bytes, kept: Path) -> None:
    """Somebody else might have my keys, or I mixed two folders up."""
    if read(kept, "this node took no such step") != given:
        refuse(operator, Ground.OWN_WORDS, "this is not what I said: my folder says otherwise")


def _write_once(path: Path, data: bytes, otherwise: str, *, mode: int) -> None:
    try:
        write_new(path, data, mode)
    except FileExistsError:
        if path.read_bytes() != data:
            raise OperatorFault(f"{path}: {otherwise}") from None
