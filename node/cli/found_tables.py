"""Files of a founding ceremony as people and programs read them.

Owns words and JSON. It shows what a file says; whether that holds, `found check` says.
"""

from datetime import UTC, datetime
from typing import Any

from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.primitives import digest
from strongroom.enclave.proofs.genesis import pin_of
from strongroom.node.cli.constitution_words import deciding, deciding_words
from strongroom.node.membership.ceremony_answers import Acceptance, Confirmation, FoundingFile
from strongroom.node.membership.ceremony_cards import Card
from strongroom.node.membership.ceremony_files import CeremonyFile
from strongroom.node.membership.ceremony_proposal import Agreed
from strongroom.node.membership.ceremony_terms import Proposal
from strongroom.node.terminal.printing import say
from strongroom.node.tls import CertificateInvalid

_SHORT = 16
"""Hex digits of a digest in a table; JSON has all of them."""


def file_document(one: CeremonyFile) -> dict[str, Any]:
    """One file, in words."""
    document: dict[str, Any] = {"kind": one.NAME, "digest": one.digest.hex()}
    match one:
        case Card():
            return document | card_document(one)
        case Proposal():
            return document | {
                "name": one.name,
                "created": _time(one.created_ms),
                "organisations": [_shown_card(card) for card in one.cards],
                "members_without_node": {name: key.hex() for name, key in one.members},
                "roles": [[program, role, id.hex()] for program, role, id in one.roles],
                "programs": list(one.programs),
                "limits": dict(one.limits),
                "max_age_ms": int(one.max_age_ms),
                "salt": one.salt.hex(),
            }
        case Acceptance():
            return document | {"operator": one.operator, "proposal": one.proposal.hex()}
        case FoundingFile():
            return document | {
                "founder": one.operator,
                "proposal": one.proposal.hex(),
                "chain": one.chain.hex(),
                "service": pin_of(one.chain),
                "acceptances": [_shown_operator(data) for data in one.acceptances],
            }
        case Confirmation():
            return document | {
                "operator": one.operator,
                "proposal": one.proposal.hex(),
                "chain": one.chain.hex(),
                "service": pin_of(one.chain),
                "founder": one.founder,
            }


def card_document(card: Card) -> dict[str, Any]:
    """What an organisation says of itself."""
    return {
        "operator": card.operator,
        "operator_key": card.operator_key.hex(),
        "member": card.member,
        "member_key": card.member_key.hex(),
        "node": card.node,
        "region": card.region,
        "country": card.country or None,
        "chip": card.chip_id.hex(),
        "measurement": card.measurement.hex(),
        "root": card.root.hex(),
        "platform": "SIMULATED",
        "rpc": card.rpc,
        "peer": card.peer,
        "tls_key": _shown_key(card),
        "credential": card.credential.hex(),
        "card": card.digest.hex(),
    }


def _shown_card(data: bytes) -> dict[str, Any]:
    try:
        return card_document(Card.decode(data))
    except NotCanonical as error:
        return {"operator": None, "card": None, "damaged": str(error)}


def _shown_operator(data: bytes) -> str:
    try:
        return Acceptance.decode(data).operator
    except NotCanonical as error:
        return f"damaged: {error}"


def _shown_key(card: Card) -> str | None:
    try:
        return card.tls_key.hex()
    except CertificateInvalid:
        return None


def proposal_document(agreed: Agreed) -> dict[str, Any]:
    """A proposal that was judged."""
    shown, made = file_document(agreed.proposal), agreed.constitution
    return shown | {"constitution": made.digest.hex(), "deciding": deciding(made)}


def show_proposal(agreed: Agreed) -> None:
    """A proposal, for people."""
    proposal = agreed.proposal
    say(f"service      {proposal.name}, SIMULATED chips, made {_time(proposal.created_ms)}")
    say(f"proposal     {proposal.digest.hex()}")
    say(f"constitution {agreed.constitution.digest.hex()}")
    for card in agreed.cards.values():
        _show_card(card)
    for name, key in proposal.members:
        say(f"  {name}: a member without a node, key {key.hex()}")
    known = {digest(card.member_key): card.member for card in agreed.cards.values()}
    known |= {digest(key): name for name, key in proposal.members}
    for program, role, id in proposal.roles:
        whose = known.get(id, "nobody whose card or key stands here: ask the proposer")
        say(f"  role {role} of {program}: id:{id.hex()}, {whose}")
    limits = ", ".join(f"{name} {value}" for name, value in proposal.limits)
    say(f"limits       {limits or 'all as by default'}")
    for what, words in deciding_words(deciding(agreed.constitution)):
        say(f"{what:<12} {words}")
    say(f"programs     {', '.join(proposal.programs)}")
    say(f"evidence     counts for {proposal.max_age_ms / 3_600_000:g} h")


def show_checked(agreed: Agreed, own: Card, good: list[str]) -> None:
    """What was found good, and what accepting would sign."""
    show_proposal(agreed)
    say(f"good         {', '.join(good)}")
    say(
        f"to sign      as {own.operator} and {own.member}: that {own.node} answers proposal "
        f"{agreed.proposal.digest.hex()[:_SHORT]}… and no other"
    )


def show_files(documents: list[dict[str, Any]]) -> None:
    """Files, for people: one field per line."""
    for document in documents:
        say(f"{document['kind']} {document['digest']}")
        for key, value in document.items():
            if key in ("kind", "digest"):
                continue
            if key == "organisations":
                for one in value:
                    say(f"  {one['operator']}: card {one['card']}")
                    for name, field in one.items():
                        say(f"    {name:<12} {field}")
            else:
                say(f"  {key:<12} {value}")


def _show_card(card: Card) -> None:
    say(f"  {card.operator}: card {card.digest.hex()}")
    say(
        f"    node {card.node} in {card.region}{f' ({card.country})' if card.country else ''}, "
        f"member {card.member}, clients {card.rpc}, nodes {card.peer}"
    )
    say(
        f"    chip {card.chip_id.hex()[:_SHORT]}…, code {card.measurement.hex()[:_SHORT]}…, "
        f"root {card.root.hex()[:_SHORT]}…"
    )


def _time(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return f"{ms} ms after 1970: in no calendar"
