"""What one organisation checks of the others' acceptances, of the genesis and of their
confirmations, before it goes on (DESIGN §5, Genesis; T29, T2A).

Owns these verdicts. Pure: files in, a verdict or a refusal out. Nobody's word is taken for anything
that his signature and his chip's report do not show.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from strongroom.consensus.errors import AttestationError, NotCanonical
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.attestation.verifier import VerifiedEnclave
from strongroom.enclave.primitives import verify
from strongroom.enclave.proofs.genesis import VerifiedGenesis, verify_genesis, verify_validators
from strongroom.node import tls
from strongroom.node.membership.ceremony_answers import Acceptance, Confirmation, FoundingFile
from strongroom.node.membership.ceremony_card_judging import read_as
from strongroom.node.membership.ceremony_cards import Card
from strongroom.node.membership.ceremony_proposal import Agreed
from strongroom.node.membership.ceremony_refusals import SOMEBODY, CeremonyRefused, Ground, refuse

_F = TypeVar("_F", Acceptance, Confirmation)
_V = TypeVar("_V")


# --- acceptances ----------------------------------------------------------------------------------


def judge_acceptance(agreed: Agreed, data: bytes) -> tuple[Acceptance, VerifiedEnclave]:
    """One organisation's acceptance of exactly this proposal, by exactly the machine of its card.

    Raises:
        CeremonyRefused: names it.
    """
    one = read_as(data, Acceptance, SOMEBODY)
    card = agreed.card(one.operator)
    _check_signatures(one, card)
    _check_proposal(one, agreed)
    try:
        (enclave,) = verify_validators(agreed.constitution, [one.evidence])
    except (NotCanonical, AttestationError) as error:
        refuse(one.operator, Ground.EVIDENCE, str(error))
    claims = enclave.claims
    shown = (claims.operator, claims.node, claims.region, enclave.chip_id, enclave.measurement)
    named = (card.operator, card.node, card.region, card.chip_id, card.measurement)
    root = tls.spki_digest(Evidence.decode(one.evidence).ark)
    if (*shown, claims.tls_key, root) != (*named, card.tls_key, card.root):
        refuse(
            one.operator,
            Ground.OTHER_MACHINE,
            f"its evidence is of node {claims.node} of {claims.operator} on chip "
            f"{enclave.chip_id.hex()[:16]}…, its card of {card.node} on {card.chip_id.hex()[:16]}…",
        )
    return one, enclave


def judge_acceptances(agreed: Agreed, files: Iterable[bytes]) -> dict[str, Acceptance]:
    """One acceptance of each organisation, all of one set.

    Raises:
        CeremonyRefused: names whoever is wrong, twice here, or missing.
    """
    judged = {
        operator: one for operator, (one, _) in _each(agreed, files, judge_acceptance).items()
    }
    try:
        verify_validators(agreed.constitution, [one.evidence for one in judged.values()])
    except AttestationError as error:
        refuse("the acceptances", Ground.EVIDENCE, str(error))
    return judged


def founder_of(agreed: Agreed, accepted: Mapping[str, Acceptance]) -> str:
    """The operator whose enclave makes the secret: that of the lowest node key."""
    ordered = verify_validators(agreed.constitution, [one.evidence for one in accepted.values()])
    return ordered[0].operator


# --- the genesis ----------------------------------------------------------------------------------


def judge_founding(
    agreed: Agreed, files: Iterable[bytes], founding: bytes
) -> tuple[FoundingFile, VerifiedGenesis]:
    """The genesis of exactly these acceptances, as I got them.

    Raises:
        CeremonyRefused: names the founder, or whoever gave me another acceptance than him.
    """
    accepted = judge_acceptances(agreed, files)
    founder = founder_of(agreed, accepted)
    one = read_as(founding, FoundingFile, founder)
    _check_signatures(one, agreed.card(one.operator))
    _check_proposal(one, agreed)
    theirs = _acceptances_in(agreed, one)
    # Before who the founder is: by another acceptance somebody else may have the lowest key.
    for operator, mine in accepted.items():
        if theirs[operator].encode() != mine.encode():
            refuse(
                operator,
                Ground.TWO_WORDS,
                f"gave {one.operator} another acceptance than me, both signed: its word is worth "
                "nothing here; show both to all the others, and begin again without it",
            )
    if one.operator != founder:
        refuse(one.operator, Ground.FOUNDER, f"the genesis is made by {founder}, by lowest key")
    try:
        verified = verify_genesis(one.genesis)
    except (NotCanonical, AttestationError) as error:
        refuse(founder, Ground.FOUNDER, f"its genesis does not verify: {error}")
    same_set = {enclave.evidence for enclave in verified.validators} == {
        acceptance.evidence for acceptance in accepted.values()
    }
    if verified.constitution != agreed.constitution or not same_set:
        refuse(
            founder,
            Ground.OTHER_GENESIS,
            "its genesis has another constitution, or others' evidence, than was accepted",
        )
    return one, verified


def _acceptances_in(agreed: Agreed, founding: FoundingFile) -> dict[str, Acceptance]:
    """What the founder says that it got. It signed for all of them: one that no organisation of
    this proposal signed for it is the founder's own doing, and none of those whose names stand in
    it."""
    found: dict[str, Acceptance] = {}
    for data in founding.acceptances:
        try:
            one = read_as(data, Acceptance, founding.operator)
            _check_signatures(one, agreed.card(one.operator))
            _check_proposal(one, agreed)
        except CeremonyRefused as fault:
            refuse(
                founding.operator,
                Ground.FOUNDER,
                f"made its genesis of a false acceptance ({fault}); that is nobody's but its own",
            )
        if one.operator in found:
            refuse(
                founding.operator, Ground.FOUNDER, f"has two acceptances of {one.operator} in it"
            )
        found[one.operator] = one
    for operator in agreed.cards:
        if operator not in found:
            refuse(
                founding.operator, Ground.FOUNDER, f"left the acceptance of {operator} out of it"
            )
    return found


def judge_confirmations(
    agreed: Agreed, founding: FoundingFile, files: Iterable[bytes]
) -> dict[str, Confirmation]:
    """One confirmation of each organisation, all of this founding.

    Raises:
        CeremonyRefused: names who is missing; the founder, if he signed another genesis for
            somebody; else whoever confirms what the founder never signed.
    """

    def judge(_agreed: Agreed, data: bytes) -> tuple[Confirmation, None]:
        one = read_as(data, Confirmation, SOMEBODY)
        _check_signatures(one, agreed.card(one.operator))
        _check_proposal(one, agreed)
        _check_same_founding(agreed, founding, one)
        return one, None

    return {operator: one for operator, (one, _) in _each(agreed, files, judge).items()}


def _check_same_founding(agreed: Agreed, founding: FoundingFile, one: Confirmation) -> None:
    same = (one.founder, one.chain, one.content) == (
        founding.operator,
        founding.chain,
        founding.content,
    )
    founder_key = agreed.card(founding.operator).operator_key
    signed = verify(founder_key, one.founder_signature, one.founder_bytes())
    if same and not signed:
        refuse(one.operator, Ground.OTHER_GENESIS, "repeats a signature that is not the founder's")
    if same:
        return
    if one.founder == founding.operator and signed:
        refuse(
            founding.operator,
            Ground.TWO_WORDS,
            f"signed two geneses: {one.operator} was given chain {one.chain.hex()[:16]}…, "
            f"here is {founding.chain.hex()[:16]}…",
        )
    refuse(one.operator, Ground.OTHER_GENESIS, "confirms a genesis that the founder never signed")


# --- shared ---------------------------------------------------------------------------------------


def _each(
    agreed: Agreed, files: Iterable[bytes], judge: Callable[[Agreed, bytes], tuple[_F, _V]]
) -> dict[str, tuple[_F, _V]]:
    """One file of each organisation of the proposal, by operator in ascending order."""
    found: dict[str, tuple[_F, _V]] = {}
    for data in files:
        one, shown = judge(agreed, data)
        earlier = found.get(one.operator)
        if earlier is not None and earlier[0].encode() != data:
            refuse(
                one.operator,
                Ground.TWO_WORDS,
                f"signed two different {one.NAME}s, both are here: show both to all the others",
            )
        if earlier is not None:
            refuse(one.operator, Ground.DOUBLED, f"its {one.NAME} is here twice")
        found[one.operator] = (one, shown)
    for operator in agreed.cards:
        if operator not in found:
            refuse(
                operator,
                Ground.MISSING,
                "its file is not here: ask it, or anybody who has it; if it stays silent, all "
                "begin again without it: a new proposal, `found accept --instead`",
            )
    return dict(sorted(found.items()))


def _check_signatures(one: Acceptance | FoundingFile | Confirmation, card: Card) -> None:
    message = one.signed_bytes()
    if not verify(card.operator_key, one.operator_signature, message):
        refuse(
            one.operator,
            Ground.OPERATOR_SIGNATURE,
            f"the key of its card did not sign this {one.NAME}: it is not its word, whoever sent "
            "it; ask it for its own file",
        )
    if not verify(card.member_key, one.member_signature, message):
        refuse(
            one.operator,
            Ground.MEMBER_SIGNATURE,
            f"{card.member} did not sign this {one.NAME}: ask it for its own file",
        )


def _check_proposal(one: Acceptance | FoundingFile | Confirmation, agreed: Agreed) -> None:
    if one.proposal != agreed.proposal.digest:
        refuse(
            one.operator,
            Ground.OTHER_PROPOSAL,
            f"its {one.NAME} answers proposal {one.proposal.hex()[:16]}…, "
            f"here is {agreed.proposal.digest.hex()[:16]}…: an older ceremony, or other terms were "
            "shown to it; compare both files with it, and ask who sent it the other",
        )
