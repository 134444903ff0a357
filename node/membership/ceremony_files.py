"""Any file of a founding between organisations (DESIGN §5, Genesis).

    card          of one organisation: its node, machine, code, keys and addresses
    proposal      all cards and the terms; the constitution follows from it, and only from it
    acceptance    genesis evidence of one organisation's enclave over exactly that constitution
    founding      the genesis and the wrapped secret, by the founder, with all acceptances
    confirmation  one organisation's word that this genesis is the one it begins with

Owns the table of kinds, and how large a file of each may be before anything of it is read.
"""

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.node.membership.ceremony_answers import (
    Acceptance,
    Confirmation,
    FoundingFile,
)
from strongroom.node.membership.ceremony_cards import Card
from strongroom.node.membership.ceremony_terms import Proposal

CeremonyFile = Card | Proposal | Acceptance | FoundingFile | Confirmation
_KINDS: tuple[type[CeremonyFile], ...] = (Card, Proposal, Acceptance, FoundingFile, Confirmation)


def read_file(data: bytes) -> CeremonyFile:
    """Any file of a ceremony, by its label.

    Raises:
        NotCanonical: it is none.
    """
    for kind in _KINDS:
        if data[1:].startswith(codec.encode(kind.LABEL)):  # behind the number of fields
            return kind.decode(data)
    raise NotCanonical("no file of a founding ceremony")
