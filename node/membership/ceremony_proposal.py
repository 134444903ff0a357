"""What one organisation checks of the others' cards and of a proposal, before its enclave answers
(DESIGN §5, Genesis; T23).

Owns these verdicts, and the constitution that follows from a proposal. Pure. One's own copy of each
card counts, got from the organisation itself: whoever proposes carries keys of nobody else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.attestation.policy import SIMULATED_FLOORS, Policy
from strongroom.enclave.governance.rules import LIMITS
from strongroom.enclave.programs import PROGRAM_NAMES
from strongroom.enclave.proofs.constitution import Constitution
from strongroom.node.membership.ceremony_card_judging import (
    check_plain,
    judge_card,
    judge_cards,
    read_as,
)
from strongroom.node.membership.ceremony_cards import Card
from strongroom.node.membership.ceremony_refusals import Ground, refuse
from strongroom.node.membership.ceremony_terms import Proposal

PROPOSAL_AHEAD_MS_MAX = 10 * 60_000
"""A proposal from so far in the future, or a clock that is so far behind, is not accepted."""
PROPOSAL_AGE_MS_MAX = 14 * 86_400_000
"""A proposal that is older is not accepted, and nothing of it is confirmed."""
MAX_AGE_MS_LEAST, MAX_AGE_MS_MOST = 3_600_000, 30 * 24 * 3_600_000
"""How long evidence may count in a service that is founded so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """A proposal whose form, cards and terms hold. Only `judge_proposal` makes one."""

    proposal: Proposal
    cards: Mapping[str, Card]
    """By operator."""
    constitution: Constitution

    def card(self, operator: str) -> Card:
        """Of an organisation of this proposal.

        Raises:
            CeremonyRefused: ``stranger``.
        """
        if operator not in self.cards:
            refuse(
                operator,
                Ground.STRANGER,
                f"does not stand in proposal {self.proposal.digest.hex()[:16]}: who comes later "
                "joins the running service, or all begin again with a new proposal",
            )
        return self.cards[operator]


def judge_proposal(data: bytes) -> Agreed:
    """A proposal whose cards hold and whose terms a service can begin with; the constitution that
    follows.

    Raises:
        CeremonyRefused: with the first ground that applies.
    """
    proposal = read_as(data, Proposal, "the proposal")
    cards = judge_cards(proposal.cards)
    if list(proposal.cards) != [card.encode() for _, card in sorted(cards.items())]:
        refuse("the proposal", Ground.FILE, "its cards are not in ascending order of operator")
    _check_members(proposal, cards)
    return Agreed(proposal=proposal, cards=cards, constitution=constitution_of(proposal, cards))


def _check_members(proposal: Proposal, cards: Mapping[str, Card]) -> None:
    """Members without a node sign nothing here: so at least nobody is taken for another."""
    names = {name.lower() for card in cards.values() for name in (card.operator, card.member)}
    keys = {key for card in cards.values() for key in (card.operator_key, card.member_key)}
    for name, key in proposal.members:
        check_plain("the proposal", "member", name)
        if name.lower() in names or key in keys:
            refuse(
                "the proposal", Ground.TERMS, f"member {name} has another's name or key: name it so"
            )
        names.add(name.lower())


def constitution_of(proposal: Proposal, cards: Mapping[str, Card]) -> Constitution:
    """The one constitution of a proposal.

    Raises:
        CeremonyRefused: ``terms``.
    """
    unknown = [name for name in proposal.programs if name not in PROGRAM_NAMES]
    if unknown:
        refuse("the proposal", Ground.TERMS, f"no program {unknown[0]!r} in this code")
    for name, value in proposal.limits:
        limit = LIMITS.get(name)
        if limit is None:
            refuse("the proposal", Ground.TERMS, f"no limit {name!r}: see `strongroom gov show`")
        if not limit.least <= value <= limit.most:
            refuse(
                "the proposal",
                Ground.TERMS,
                f"{name} is from {limit.least} to {limit.most}, got {value}",
            )
    if not MAX_AGE_MS_LEAST <= proposal.max_age_ms <= MAX_AGE_MS_MOST:
        refuse("the proposal", Ground.TERMS, "evidence counts for 1 h at least, 30 days at most")
    all_cards = cards.values()
    members = [*((one.member, one.member_key) for one in all_cards), *proposal.members]
    try:
        policy = Policy.of(
            measurements=[one.measurement for one in all_cards],
            roots=[one.root for one in all_cards],
            allow_simulated=True,
            floors=[SIMULATED_FLOORS],
            chips=[(one.operator, one.chip_id) for one in all_cards],
            operators=[(one.operator, one.operator_key) for one in all_cards],
            regions=[one.region for one in all_cards],
            max_age_ms=proposal.max_age_ms,
            countries=[(one.region, one.country) for one in all_cards if one.country],
        )
        made = Constitution(
            name=proposal.name,
            salt=proposal.salt,
            created_ms=proposal.created_ms,
            policy=policy,
            members=tuple(sorted(members)),
            roles=proposal.roles,
            programs=proposal.programs,
            limits=proposal.limits,
            affiliations=tuple(sorted((one.member_key, one.operator) for one in all_cards)),
        )
        return Constitution.decode(made.encode())
    except (NotCanonical, TypeError, ValueError) as error:
        refuse("the proposal", Ground.TERMS, str(error))


def judge_before_accepting(
    agreed: Agreed,
    *,
    own: Card,
    received: Iterable[bytes],
    measurement: bytes,
    now_ms: int,
) -> None:
    """Check what an organisation must see before its enclave answers a proposal.

    Args:
        agreed: the proposal.
        own: my card, as I wrote it.
        received: the others' cards, as each of them gave it to me itself; not the proposer's.
        measurement: what my enclave measures here.
        now_ms: my clock.

    Raises:
        CeremonyRefused: names whose words were changed, whose card I never got, who was left out,
            or who means to run other code.
    """
    standing = agreed.cards.get(own.operator)
    if standing is None or standing.encode() != own.encode():
        refuse(
            own.operator,
            Ground.OWN_WORDS,
            "my card does not stand here as I wrote it: whoever proposed this changed it, or has "
            "an older one; give it mine again",
        )
    if own.measurement != measurement:
        refuse(own.operator, Ground.OTHER_MEASUREMENT, "my card names other code than runs here")
    known = _known_cards(agreed, own, received)
    for operator, card in agreed.cards.items():
        if card.measurement != measurement:
            refuse(
                operator,
                Ground.OTHER_MEASUREMENT,
                "means to run other code than I do: one of us takes the other's version",
            )
        if operator == own.operator:
            continue
        if operator not in known:
            refuse(
                operator,
                Ground.MISSING,
                "its card is not among those that I got from the organisations themselves: ask it",
            )
        if known[operator].encode() != card.encode():
            refuse(
                operator,
                Ground.OTHER_CARD,
                "gave me another card than stands here: whoever proposed this changed it, unless "
                "it says that it made a new one",
            )
    check_time(agreed.proposal, now_ms)


def _known_cards(agreed: Agreed, own: Card, received: Iterable[bytes]) -> dict[str, Card]:
    """The cards that I got, by operator: none is false for me, and none is left out."""
    known: dict[str, Card] = {}
    for card in map(judge_card, received):
        if card.operator == own.operator and card.encode() != own.encode():
            refuse(
                own.operator,
                Ground.OWN_WORDS,
                "a card that bears my name and is not mine is here: tell whoever gave it to you, "
                "and all the others",
            )
        if card.operator not in agreed.cards:
            refuse(
                card.operator,
                Ground.LEFT_OUT,
                "its card is here, and it does not stand in the proposal: ask it and the proposer; "
                "if all want it so, leave its card away",
            )
        if known.setdefault(card.operator, card).encode() != card.encode():
            refuse(card.operator, Ground.DOUBLED, "two different cards of it are here: ask it")
    return known


def check_time(proposal: Proposal, now_ms: int) -> None:
    """Check that a proposal is of these days: enclaves judge genesis' evidence at its date.

    Raises:
        CeremonyRefused: ``clock``.
    """
    age = now_ms - int(proposal.created_ms)
    if age < -PROPOSAL_AHEAD_MS_MAX:
        refuse(
            "the proposal",
            Ground.CLOCK,
            f"was made {-age / 60_000:.0f} min in the future: one of two clocks is wrong",
        )
    if age > PROPOSAL_AGE_MS_MAX:
        refuse(
            "the proposal",
            Ground.CLOCK,
            f"is {age / 86_400_000:.1f} days old, at most {PROPOSAL_AGE_MS_MAX // 86_400_000} "
            "count: propose again, or look at this clock",
        )
