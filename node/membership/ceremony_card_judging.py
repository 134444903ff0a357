"""What anybody sees of cards alone: who signed them, and that nothing in them is somebody else's
(DESIGN §5, Genesis; T23).

Owns these verdicts. Pure. Whether a card is its organisation's own, its reader alone knows: he got
it from there (ceremony_proposal.py).
"""

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

from strongroom.consensus.errors import NotCanonical, StrongroomError
from strongroom.enclave.attestation.claims import checked_name
from strongroom.enclave.attestation.deployment import deployment_bytes
from strongroom.enclave.attestation.policy import is_country
from strongroom.enclave.primitives import verify
from strongroom.node import tls
from strongroom.node.config import Address
from strongroom.node.membership.ceremony_answers import Acceptance, Confirmation, FoundingFile
from strongroom.node.membership.ceremony_cards import Card
from strongroom.node.membership.ceremony_refusals import SOMEBODY, Ground, refuse
from strongroom.node.membership.ceremony_terms import Proposal

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""Names of key files: no letter of another script looks like one of these, and no path is one."""

_K = TypeVar("_K", Card, Proposal, Acceptance, FoundingFile, Confirmation)


def judge_card(data: bytes) -> Card:
    """A card that its own operator and member signed, with names and a certificate that can be
    used.

    Raises:
        CeremonyRefused: it is none, a signature does not verify, or something in it is of no use.
    """
    card = read_as(data, Card, SOMEBODY)
    if not verify(card.operator_key, card.operator_signature, card.signed_bytes()):
        refuse(card.operator, Ground.OPERATOR_SIGNATURE, "did not sign this card with its own key")
    if not verify(card.member_key, card.member_signature, card.signed_bytes()):
        refuse(card.operator, Ground.MEMBER_SIGNATURE, f"{card.member} did not sign this card")
    if not verify(card.operator_key, card.deployment, deployment_bytes(card.statement.encode())):
        refuse(card.operator, Ground.DEPLOYMENT, "did not sign that this machine runs this code")
    for what, name in (
        ("operator", card.operator),
        ("member", card.member),
        ("node", card.node),
    ):
        check_plain(card.operator, what, name)
    try:
        tls.check_der(card.certificate)
        _ = card.tls_key
    except StrongroomError as error:
        refuse(card.operator, Ground.CERTIFICATE, str(error))
    if card.operator_key == card.member_key:
        refuse(card.operator, Ground.DOUBLED, "one key for operator and member: make two")
    for text in (card.rpc, card.peer):
        if Address.parse(text).is_on_one_link:
            refuse(
                card.operator,
                Ground.ADDRESS,
                f"announces {text}, which means something on one link alone: it inits its node "
                "again with --announce-rpc and --announce-peer",
            )
    if _place(card.rpc) == _place(card.peer):
        refuse(
            card.operator, Ground.DOUBLED, f"{card.rpc} for clients and for nodes: use two ports"
        )
    return card


def check_plain(party: str, what: str, name: str) -> None:
    """Check that a name is one that a key file can have.

    Raises:
        CeremonyRefused: ``name``.
    """
    if _PLAIN_NAME.fullmatch(name) is None:
        refuse(
            party,
            Ground.NAME,
            f"its {what} is called {name!r}: here names are ASCII letters, digits, '_', '-' and "
            "'.', at most 64, so that none looks like another",
        )


def check_form(region: str, country: str) -> None:
    """Check that a card can say so.

    Raises:
        NotCanonical: it cannot.
    """
    checked_name(region, name="region")
    if country and not is_country(country):
        raise NotCanonical("country: two capital letters, as in CH")


def judge_cards(cards: Iterable[bytes]) -> dict[str, Card]:
    """The cards of one proposal, by operator: nothing stands twice, and all mean the same code.

    Raises:
        CeremonyRefused: names the second of two, and says who the first is.
    """
    judged: dict[str, Card] = {}
    seen: dict[tuple[str, object], str] = {}
    for data in cards:
        card = judge_card(data)
        if card.operator in judged:
            refuse(card.operator, Ground.DOUBLED, "two cards of it are here: ask it which counts")
        for what, value, shown in _what_stands_once(card):
            other = seen.setdefault((what, value), card.operator)
            if other != card.operator:
                refuse(
                    card.operator,
                    Ground.DOUBLED,
                    f"{what} {shown} stands twice, also at {other}: ask both whose it is",
                )
        _check_beside(card, list(judged.values()))
        judged[card.operator] = card
    if not judged:
        refuse(SOMEBODY, Ground.MISSING, "a proposal without a card")
    _check_reachable(list(judged.values()))
    return judged


def _what_stands_once(card: Card) -> list[tuple[str, object, str]]:
    """(what, value that is compared, as it is shown)."""
    named = [
        (what, name.lower(), name)
        for what, name in (
            ("organisation", card.operator),
            ("organisation", card.member),
            ("node", card.node),
        )
    ]
    keys = [
        ("key", card.operator_key),
        ("key", card.member_key),
        ("machine", card.chip_id),
        ("TLS key", card.tls_key),
        ("credential", card.credential),
    ]
    return [
        *named,
        *((what, key, f"{key.hex()[:16]}…") for what, key in keys),
        *(("address", _place(text), text) for text in (card.rpc, card.peer)),
    ]


def _check_beside(card: Card, others: Sequence[Card]) -> None:
    """One version of the code, and one country and one spelling for each region."""
    for other in others[:1]:
        if card.measurement != other.measurement:
            refuse(
                card.operator,
                Ground.OTHER_MEASUREMENT,
                f"means to run code {card.measurement.hex()[:16]}…, {other.operator} means "
                f"{other.measurement.hex()[:16]}…: all begin with one version",
            )
    for other in others:
        if card.region.lower() != other.region.lower():
            continue
        if card.region != other.region:
            refuse(
                card.operator,
                Ground.NAME,
                f"its region {card.region} is {other.region} at {other.operator}: agree on one "
                "spelling",
            )
        if card.country and other.country and card.country != other.country:
            refuse(
                card.operator,
                Ground.TERMS,
                f"says that region {card.region} lies in {card.country}, {other.operator} says in "
                f"{other.country}: ask both",
            )


def _check_reachable(cards: Sequence[Card]) -> None:
    """127.0.0.1 reaches whoever reads it: all nodes stand on one machine, or none says so."""
    local = [card for card in cards if _is_local(card)]
    if local and len(local) < len(cards):
        card = local[0]
        refuse(
            card.operator,
            Ground.ADDRESS,
            f"announces {card.rpc} and {card.peer}: that is every reader's own machine; it inits "
            "its node again with --announce-rpc and --announce-peer",
        )


def _is_local(card: Card) -> bool:
    return any(Address.parse(text).is_loopback for text in (card.rpc, card.peer))


def _place(text: str) -> str:
    return Address.parse(text).plain


def read_as(data: bytes, kind: type[_K], party: str) -> _K:
    """A file of one kind.

    Raises:
        CeremonyRefused: ``file``.
    """
    try:
        return kind.decode(data)
    except NotCanonical as error:
        refuse(party, Ground.FILE, f"no {kind.NAME} of a ceremony, or damaged: {error}")
