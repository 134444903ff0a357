"""One organisation's steps of a founding, on its own machine (DESIGN §5, Genesis).

    make_card → accept → make_founding (the founder alone) → confirm → seal

Owns what is done with the enclave, and what is kept in the node's folder between two steps, so that
each may be asked for again and gives the same file: whoever was killed, or lost what he sent, says
nothing else the second time. What is checked before is ceremony_judging.py's; the card is made in
ceremony_party.py, the end in ceremony_sealing.py.
"""

from collections.abc import Sequence

from strongroom.consensus import labels
from strongroom.consensus.errors import OperatorFault
from strongroom.enclave.attestation.deployment import SignedDeployment
from strongroom.enclave.keys.identity import Identity
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.refusals import Refusal
from strongroom.node.layout import SEALED_STATE, NodeLayout
from strongroom.node.machine.durable_files import write_atomic, write_new
from strongroom.node.membership.ceremony_answers import Acceptance, Confirmation, FoundingFile
from strongroom.node.membership.ceremony_card_judging import read_as
from strongroom.node.membership.ceremony_judging import (
    founder_of,
    judge_acceptances,
    judge_founding,
)
from strongroom.node.membership.ceremony_party import Party, alone, check_own, enclave_of, read
from strongroom.node.membership.ceremony_proposal import (
    Agreed,
    check_time,
    judge_before_accepting,
    judge_proposal,
)
from strongroom.node.membership.ceremony_refusals import Ground, refuse
from strongroom.node.membership.ceremony_terms import Proposal


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
        CeremonyRefused: something in it is not as it must be, or it was given up before; nothing
            was made or signed.
        OperatorFault: this node belongs to a service, or accepted another proposal; another step
            is being taken in its folder.
    """
    with alone(party.layout):
        return await _accept(party, proposal, received, now_ms=now_ms, instead=instead)


async def _accept(
    party: Party, proposal: bytes, received: Sequence[bytes], *, now_ms: int, instead: bool
) -> bytes:
    layout, files = party.layout, party.layout.ceremony
    _check_free(layout)
    agreed, own = judge_proposal(proposal), party.card()
    _check_not_given_up(party, agreed)
    async with enclave_of(layout) as enclave:
        measurement, _ = await enclave.measurement_and_chip()
        judge_before_accepting(
            agreed, own=own, received=received, measurement=measurement, now_ms=now_ms
        )
        earlier = _accepted(party)
        if earlier is not None and earlier.proposal == agreed.proposal.digest:
            return earlier.encode()
        if earlier is not None and not instead:
            raise OperatorFault(
                f"this node accepted proposal {earlier.proposal.hex()[:16]}… before: go on with "
                "that one, or say --instead to give it up for good, and tell the others"
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
    if earlier is not None:  # first: were it accepted again, there would be two answers to it
        given_up = (*_given_up(party), earlier.proposal)
        write_atomic(files.given_up, "".join(f"{one.hex()}\n" for one in given_up).encode())
    for leftover in (files.acceptance, files.founding, files.state, files.confirmation):
        leftover.unlink(missing_ok=True)
    write_atomic(files.proposal, proposal)
    write_atomic(files.keys, keys)
    write_atomic(files.acceptance, acceptance)  # last: with it the keys are there, too
    return acceptance


def _accepted(party: Party) -> Acceptance | None:
    """What this node answered before."""
    kept = party.layout.ceremony.acceptance
    if not kept.exists():
        return None
    return read_as(read(kept, "it was written by `found accept`"), Acceptance, str(kept))


def _given_up(party: Party) -> tuple[bytes, ...]:
    kept = party.layout.ceremony.given_up
    if not kept.exists():
        return ()
    try:
        lines = read(kept, "it was written by `found accept --instead`").decode("ascii").split()
        return tuple(map(bytes.fromhex, lines))
    except ValueError:
        raise OperatorFault(f"{kept} is damaged: take part with a new node's folder") from None


def _check_not_given_up(party: Party, agreed: Agreed) -> None:
    if agreed.proposal.digest in _given_up(party):
        refuse(
            party.card().operator,
            Ground.GIVEN_UP,
            "I gave this proposal up for good with --instead, and its keys are lost: a second "
            "answer to it would be a second word; propose anew, with the same terms if you like",
        )


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
            f"this is {agreed.proposal.digest.hex()[:16]}…, I accepted another one: "
            f"{labels.labelled_digest(Proposal.LABEL, own).hex()[:16]}…; whoever gave me this one "
            "changed it, or it is a newer one",
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
    with alone(party.layout):
        return await _make_founding(party, proposal, acceptances, now_ms=now_ms)


async def _make_founding(
    party: Party, proposal: bytes, acceptances: Sequence[bytes], *, now_ms: int
) -> bytes:
    files = party.layout.ceremony
    agreed = accepted_proposal(party, proposal)
    check_time(agreed.proposal, now_ms)
    judged = judge_acceptances(agreed, acceptances)
    own, founder = party.card(), founder_of(agreed, judged)
    check_own(own.operator, judged[own.operator].encode(), files.acceptance)
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
    async with enclave_of(party.layout) as enclave:
        await _resume(party, enclave)
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
    with alone(party.layout):
        return await _confirm(party, proposal, acceptances, founding, now_ms=now_ms)


async def _confirm(
    party: Party, proposal: bytes, acceptances: Sequence[bytes], founding: bytes, *, now_ms: int
) -> bytes:
    files = party.layout.ceremony
    agreed = accepted_proposal(party, proposal)
    check_time(agreed.proposal, now_ms)
    one, verified = judge_founding(agreed, acceptances, founding)
    own = party.card()
    mine = next(
        data for data in one.acceptances if Acceptance.decode(data).operator == own.operator
    )
    check_own(own.operator, mine, files.acceptance)
    if files.confirmation.exists():
        earlier = Confirmation.decode(read(files.confirmation, "it was written by `found confirm`"))
        if (earlier.chain, earlier.content) != (one.chain, one.content):
            refuse(
                one.operator,
                Ground.TWO_WORDS,
                f"signed two geneses: I confirmed chain {earlier.chain.hex()[:16]}… before",
            )
        return earlier.encode()
    async with enclave_of(party.layout) as enclave:
        await _resume(party, enclave)
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


async def _resume(party: Party, enclave: EnclaveClient) -> None:
    """The enclave goes on with the keys of its acceptance.

    Raises:
        OperatorFault: it does not open them.
    """
    keys = read(party.layout.ceremony.keys, "accept the proposal first")
    try:
        await enclave.resume_founding(keys)
    except Refusal as refusal:
        raise OperatorFault(
            f"this node's enclave does not open the keys of its acceptance ({refusal}): they are "
            "sealed to its chip and to the version of the code that accepted; go on with that "
            "version, or begin again: a new proposal, `found accept --instead`"
        ) from None


def _check_free(layout: NodeLayout) -> None:
    if (layout.sealed / SEALED_STATE).exists():
        raise OperatorFault(
            f"{layout.directory} belongs to a service already: found with another node's folder"
        )
