"""The end of a founding on one machine: the node becomes one of the service (DESIGN §5, Genesis).

Owns what is written into the node's folder, and in which order: whoever was killed asks again.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from strongroom.consensus.errors import OperatorFault
from strongroom.node.config import Address, NodeConfig, Peer, dumps, load, loads
from strongroom.node.layout import SEALED_STATE, NodeLayout
from strongroom.node.ledger.wal import WriteAheadLog
from strongroom.node.machine.durable_files import make_directory, write_atomic, write_new
from strongroom.node.membership.ceremony_answers import FoundingFile
from strongroom.node.membership.ceremony_cards import Card
from strongroom.node.membership.ceremony_judging import judge_confirmations
from strongroom.node.membership.ceremony_party import Party, alone, check_own, read
from strongroom.node.membership.ceremony_proposal import Agreed
from strongroom.node.membership.ceremony_refusals import Ground, refuse
from strongroom.node.membership.ceremony_steps import accepted_proposal
from strongroom.node.organisations import Organisation


def seal(
    party: Party, proposal: bytes, founding: bytes, confirmations: Iterable[bytes]
) -> tuple[Agreed, FoundingFile]:
    """Make this node one of the service, once everybody confirmed the same genesis: its genesis,
    its sealed state, its configuration. May be asked for again.

    Raises:
        CeremonyRefused: somebody did not confirm, or confirmed another genesis.
        OperatorFault: a file is not as it must be, or this node belongs to another service.
    """
    with alone(party.layout):
        return _seal(party, proposal, founding, confirmations)


def _seal(
    party: Party, proposal: bytes, founding: bytes, confirmations: Iterable[bytes]
) -> tuple[Agreed, FoundingFile]:
    layout, files = party.layout, party.layout.ceremony
    agreed = accepted_proposal(party, proposal)
    if read(files.founding, "confirm the genesis first: `strongroom found confirm`") != founding:
        refuse(
            "the founding",
            Ground.OTHER_GENESIS,
            "is not the one that I confirmed: whoever gave it to me changed it; take the one that "
            "I confirmed",
        )
    one = FoundingFile.decode(founding)
    own = party.card()
    judged = judge_confirmations(agreed, one, confirmations)
    check_own(own.operator, judged[own.operator].encode(), files.confirmation)
    if not (layout.sealed / SEALED_STATE).exists():
        # All that can be refused is, before the first file is written.
        state = read(files.state, "confirm the genesis first: `strongroom found confirm`")
        config = _complete_config(layout, agreed, own)
        _write_once(layout.cluster.genesis, one.genesis)
        make_directory(layout.sealed)
        # The log exists from the founding on: a node that finds none has lost it, and only
        # observes (PROTOCOL §6).
        WriteAheadLog.open(layout.wal).close()
        write_atomic(layout.config, config.encode(), mode=0o644)
        write_new(layout.sealed / SEALED_STATE, state)  # last: what stands there is never redone
    _write_once(layout.cluster.genesis, one.genesis)
    for leftover in (files.keys, files.state):
        leftover.unlink(missing_ok=True)
    return agreed, one


def _complete_config(layout: NodeLayout, agreed: Agreed, own: Card) -> str:
    """Name the others, and who may submit here: the organisations of the proposal.

    Raises:
        ConfigInvalid: with them the file would not be one.
    """
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
    text = dumps(complete, base=layout.directory)
    loads(text, layout.config)
    return text


def peers_in(agreed: Agreed, own: Card) -> tuple[Peer, ...]:
    """The other nodes of a proposal, where their cards say that they are."""
    return tuple(
        Peer(card.node, Address.parse(card.peer), rpc=Address.parse(card.rpc))
        for card in agreed.cards.values()
        if card.operator != own.operator
    )


def _write_once(path: Path, genesis: bytes) -> None:
    try:
        write_new(path, genesis, 0o644)
    except FileExistsError:
        if path.read_bytes() != genesis:
            raise OperatorFault(
                f"{path}: another service's genesis stands there: one folder for each service"
            ) from None
