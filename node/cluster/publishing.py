"""What clients of one organisation are told of a service that was just founded, or joined:
service.json and the bundle.

Owns these two files' contents. The organisation's own node stands first: its people ask it first.
"""

import ssl
from collections.abc import Iterable

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import ChainId
from strongroom.enclave.proofs.genesis import pin_of
from strongroom.node.client.trust.service import load_service
from strongroom.node.cluster.cluster import write_service
from strongroom.node.layout import NodeLayout
from strongroom.node.machine.durable_files import write_atomic
from strongroom.node.membership.ceremony_answers import FoundingFile
from strongroom.node.membership.ceremony_party import Party
from strongroom.node.membership.ceremony_proposal import Agreed
from strongroom.node.membership.ceremony_sealing import seal


def finish_founding(
    party: Party, proposal: bytes, founding: bytes, confirmations: Iterable[bytes]
) -> str:
    """Make a node one of the service, once everybody confirmed the same genesis, and tell clients
    of its folder; the pin.

    Raises:
        CeremonyRefused: somebody did not confirm, or confirmed another genesis.
        OperatorFault: the folder is of another service, before anything is written.
    """
    check_pin(party.layout, pin_of(FoundingFile.decode(founding).chain))
    agreed, one = seal(party, proposal, founding, confirmations)
    return publish_founding(party.layout, agreed, one.chain)


def publish_founding(layout: NodeLayout, agreed: Agreed, chain: ChainId) -> str:
    """Tell clients of this folder of the nodes of a proposal, once: what was added since stays; the
    pin."""
    if layout.cluster.service.exists() and layout.cluster.ca.exists():
        check_pin(layout, pin_of(chain))
        return pin_of(chain)
    own_first = sorted(agreed.cards.values(), key=lambda card: card.node != layout.name)
    return publish(
        layout, chain, [card.rpc for card in own_first], [card.certificate for card in own_first]
    )


def publish(
    layout: NodeLayout, chain: ChainId, endpoints: Iterable[str], certificates: Iterable[bytes]
) -> str:
    """Write bundle and service.json of a node's folder; the pin.

    Args:
        layout: the node's; the files lie beside it.
        chain: of the service.
        endpoints: HOST:PORT of each node.
        certificates: DER.

    Raises:
        OperatorFault: the folder's people pin another service.
    """
    pin = pin_of(chain)
    check_pin(layout, pin)
    bundle = "".join(map(ssl.DER_cert_to_PEM_cert, certificates))
    write_atomic(layout.cluster.ca, bundle.encode(), mode=0o644)
    document = {
        "service": pin,
        "chain": chain.hex(),
        "endpoints": [f"https://{endpoint}" for endpoint in endpoints],
        "ca": layout.cluster.ca.name,
    }
    write_service(layout.cluster.service, document)
    return pin


def check_pin(layout: NodeLayout, pin: str) -> None:
    """Check that people of this folder pin no other service. Raises OperatorFault."""
    known = layout.cluster.service
    if known.exists() and (pinned := load_service(known).pin) != pin:
        raise OperatorFault(f"{known} pins another service, {pinned}: one folder for each service")
