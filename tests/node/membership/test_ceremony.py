"""A founding between organisations (DESIGN §5, Genesis; T23, T29, T2A): one cheats, and everybody
whom it could hurt refuses by name, before anything is signed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.enclave.fixtures import key_named, manufacturer, strange_manufacturer
from tests.node.membership.ceremony_world import (
    CODE,
    NAMES,
    NOW_MS,
    OTHER_CODE,
    Organisation,
    Refused,
    World,
    organisation,
    proposal_of,
    run_in_process,
    silent,
    world,
)

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical, OperatorFault
from strongroom.consensus.types import Milliseconds
from strongroom.enclave.attestation.policy import SIMULATED_TCB
from strongroom.enclave.platform.chip import SimulatedChip
from strongroom.enclave.platform.chip_key import ChipKey
from strongroom.enclave.primitives import Secret
from strongroom.enclave.proofs.genesis import pin_of, verify_genesis
from strongroom.node.cluster.publishing import publish_founding
from strongroom.node.config import load
from strongroom.node.layout import SEALED_STATE
from strongroom.node.membership import ceremony_party
from strongroom.node.membership import ceremony_steps as steps
from strongroom.node.membership.ceremony_answers import Acceptance, Confirmation, FoundingFile
from strongroom.node.membership.ceremony_card_judging import judge_cards
from strongroom.node.membership.ceremony_cards import Card
from strongroom.node.membership.ceremony_files import read_file
from strongroom.node.membership.ceremony_judging import (
    judge_acceptances,
    judge_confirmations,
    judge_founding,
)
from strongroom.node.membership.ceremony_proposal import judge_proposal
from strongroom.node.membership.ceremony_refusals import CeremonyRefused, Ground
from strongroom.node.membership.ceremony_sealing import seal
from strongroom.node.membership.ceremony_terms import Proposal

Code = dict[str, bytes]


@pytest.fixture(autouse=True)
def code(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What each organisation's node runs; CODE where nothing stands."""
    running: dict[str, object] = {}
    run_in_process(monkeypatch, lambda name: running.get(name, CODE))  # type: ignore[arg-type,return-value]
    return running


# --- four that are honest -------------------------------------------------------------------------


async def test_four_organisations_found_one_service_and_print_one_pin(tmp_path: Path) -> None:
    made = await (await (await (await world(tmp_path)).accept()).make()).confirm()
    pins = set()
    for one in made.organisations:
        agreed, founding = seal(one.party, made.proposal, made.founding, made.confirmations)
        pins.add(pin_of(founding.chain))
        genesis = verify_genesis(one.layout.cluster.genesis.read_bytes())
        assert genesis.constitution == agreed.constitution
        assert dict(genesis.constitution.affiliations) == {
            key_named(f"member of {name}").public: name for name in NAMES
        }
        config = load(one.layout.config)
        assert {peer.name for peer in config.peers} == {"n1", "n2", "n3", "n4"} - {config.name}
        assert {one.name for one in config.door.organisations} == {f"bank{n}" for n in range(1, 5)}
        assert (one.layout.sealed / SEALED_STATE).exists()
        assert silent(one) == {"card", "proposal", "acceptance", "founding", "confirmation"}
        kept = (one.layout.sealed / SEALED_STATE, one.layout.config, one.layout.cluster.service)
        assert publish_founding(one.layout, agreed, founding.chain) == pin_of(founding.chain)
        for path in kept[1:]:
            path.write_text(path.read_text() + "\n")
        before = [path.read_bytes() for path in kept]
        seal(one.party, made.proposal, made.founding, made.confirmations)
        publish_founding(one.layout, agreed, founding.chain)
        assert [path.read_bytes() for path in kept] == before
        with pytest.raises(OperatorFault, match="belongs to a service already"):
            await steps.accept(one.party, made.proposal, made.cards, now_ms=NOW_MS)
    assert len(pins) == 1


async def test_every_step_asked_for_again_gives_the_same_file(tmp_path: Path) -> None:
    made = await (await (await (await world(tmp_path)).accept()).make()).confirm()
    acceptances, founding, confirmations = made.acceptances, made.founding, made.confirmations
    await (await (await made.accept()).make()).confirm()
    assert (made.acceptances, made.founding, made.confirmations) == (
        acceptances,
        founding,
        confirmations,
    )


async def test_a_second_proposal_is_accepted_only_instead_of_the_first(tmp_path: Path) -> None:
    made = await (await world(tmp_path)).accept()
    one, other = made["bank2"], proposal_of(made.cards, salt=bytes(31) + b"2").encode()
    with pytest.raises(OperatorFault, match="--instead"):
        await steps.accept(one.party, other, made.cards, now_ms=NOW_MS)
    await steps.accept(one.party, other, made.cards, now_ms=NOW_MS, instead=True)
    with Refused("the proposal", Ground.OTHER_PROPOSAL):
        await steps.make_founding(one.party, made.proposal, made.acceptances, now_ms=NOW_MS)


async def test_files_have_one_encoding(tmp_path: Path) -> None:
    made = await (await (await (await world(tmp_path)).accept()).make()).confirm()
    for data in (*made.cards, made.proposal, *made.acceptances, made.founding):
        assert read_file(data).encode() == data


# --- cards ----------------------------------------------------------------------------------------


async def test_a_card_with_somebody_elses_key_is_not_signed_by_it(tmp_path: Path) -> None:
    made = await world(tmp_path)
    cheat, victim = made["bank4"], made["bank2"].card
    for stolen, ground in (
        ({"operator_key": victim.operator_key}, Ground.OPERATOR_SIGNATURE),
        ({"member_key": victim.member_key}, Ground.MEMBER_SIGNATURE),
        ({"chip_id": victim.chip_id}, Ground.DEPLOYMENT),
    ):
        card = cheat.signed(replace(cheat.card, **stolen))
        with Refused("bank4", ground):
            judge_cards([*made.cards[:3], card])


@pytest.mark.parametrize("what", ["operator", "member", "node", "rpc", "peer", "certificate"])
async def test_nothing_stands_for_two(tmp_path: Path, what: str) -> None:
    made = await world(tmp_path)
    cheat, victim = made["bank4"], made["bank1"].card
    changed = replace(cheat.card, **{what: getattr(victim, what)})
    deployment = changed.statement.sign(cheat.party.operator).signature
    card = cheat.signed(replace(changed, deployment=deployment))
    with Refused(changed.operator, Ground.DOUBLED):
        judge_cards([*made.cards[:3], card])


async def test_a_card_that_nobody_could_dial_is_none(tmp_path: Path) -> None:
    made = await world(tmp_path)
    for address in ("0.0.0.0:7400", "[::]:7400", "[::ffff:0.0.0.0]:7400", "0:7400", "a b:1", "x"):
        wire = codec.decode(made.cards[0])
        body = list(wire[2])
        body[11] = address
        with Refused("somebody", Ground.FILE):
            judge_cards([codec.encode((*wire[:2], tuple(body), *wire[3:]))])


async def test_other_code_on_one_card_is_refused_when_proposed_and_when_accepted(
    tmp_path: Path, code: dict[str, object]
) -> None:
    made = await world(tmp_path)
    cheat = made["bank4"]
    changed = replace(cheat.card, measurement=OTHER_CODE.digest)
    deployment = changed.statement.sign(cheat.party.operator).signature
    card = cheat.signed(replace(changed, deployment=deployment))
    with Refused("bank4", Ground.OTHER_MEASUREMENT):
        judge_cards([*made.cards[:3], card])
    code |= dict.fromkeys(("bank1", "bank2", "bank3"), OTHER_CODE)
    with Refused("bank1", Ground.OTHER_MEASUREMENT):
        await steps.accept(made["bank1"].party, made.proposal, made.cards, now_ms=NOW_MS)


# --- the proposal ---------------------------------------------------------------------------------


async def test_whoever_is_replaced_and_whoever_has_its_card_refuse_a_proposal(
    tmp_path: Path,
) -> None:
    """The proposer plays bank2 with keys of its own, signed and whole in itself."""
    made = await world(tmp_path)
    impostor = await organisation(tmp_path / "elsewhere", "bank2", 2)
    false = replace(impostor.card, operator_key=key_named("x").public).sign(
        key_named("x"), impostor.party.member
    )
    false = replace(false, deployment=false.statement.sign(key_named("x")).signature).sign(
        key_named("x"), impostor.party.member
    )
    cards = [made.cards[0], false.encode(), *made.cards[2:]]
    proposal = proposal_of(cards).encode()
    judge_proposal(proposal)
    with Refused("bank2", Ground.OWN_WORDS):
        await steps.accept(made["bank2"].party, proposal, made.cards, now_ms=NOW_MS)
    for name in ("bank1", "bank3"):
        with Refused("bank2", Ground.OTHER_CARD):
            await steps.accept(made[name].party, proposal, made.cards, now_ms=NOW_MS)
        assert silent(made[name]) == {"card"}
        with Refused("bank2", Ground.DOUBLED):
            both = [*made.cards, false.encode()]
            await steps.accept(made[name].party, proposal, both, now_ms=NOW_MS)
        with Refused("bank2", Ground.MISSING):
            theirs = [made.cards[0], *made.cards[2:]]
            await steps.accept(made[name].party, proposal, theirs, now_ms=NOW_MS)


@pytest.mark.parametrize(
    "terms",
    [
        {"limits": (("no_such", 1),)},
        {"limits": (("grace_ms", 2**63),)},
        {"limits": (("grace_ms", 1), ("grace_ms", 2))},
        {"programs": ("payments", "wallet")},
        {"members": (("bank1", key_named("second").public),)},
        {"members": (("auditor", key_named("member of bank1").public),)},
        {"max_age_ms": 10**15},
        {"max_age_ms": 1},
    ],
)
async def test_terms_that_no_service_begins_with_are_no_proposal(
    tmp_path: Path, terms: dict[str, object]
) -> None:
    made = await world(tmp_path)
    with Refused("the proposal", Ground.TERMS):
        judge_proposal(proposal_of(made.cards, **terms).encode())


@pytest.mark.parametrize("hours", [-1, 14 * 24 + 1])
async def test_a_proposal_of_another_time_is_refused(tmp_path: Path, hours: int) -> None:
    made = await world(tmp_path)
    now = NOW_MS + hours * 3_600_000
    with Refused("the proposal", Ground.CLOCK):
        await steps.accept(made["bank1"].party, made.proposal, made.cards, now_ms=now)
    assert silent(made["bank1"]) == {"card"}


async def test_another_constitution_for_one_party_makes_its_acceptance_worthless(
    tmp_path: Path,
) -> None:
    made = await world(tmp_path)
    other = proposal_of(made.cards, limits=(("open_admission", 1),))
    await made.accept()
    cheated = made["bank2"]
    accepted = await steps.accept(
        cheated.party, other.encode(), made.cards, now_ms=NOW_MS, instead=True
    )
    files = [*made.acceptances[:1], accepted, *made.acceptances[2:]]
    for name in ("bank1", "bank3", "bank4"):
        with Refused("bank2", Ground.OTHER_PROPOSAL):
            await steps.make_founding(made[name].party, made.proposal, files, now_ms=NOW_MS)
    relabelled = replace(Acceptance.decode(accepted), proposal=made.terms.digest)
    with Refused("bank2", Ground.OPERATOR_SIGNATURE):
        judge_acceptances(judge_proposal(made.proposal), [*files[:1], relabelled.encode()])


# --- acceptances ----------------------------------------------------------------------------------

Forge = Callable[[World, Organisation], bytes]


def _other_chip(made: World, cheat: Organisation) -> bytes:
    evidence = cheat.evidence(made.terms, chip=manufacturer().make_chip())
    return cheat.acceptance(made.terms, evidence)


def _other_code(made: World, cheat: Organisation) -> bytes:
    return cheat.acceptance(made.terms, cheat.evidence(made.terms, code=OTHER_CODE))


def _somebodys_evidence(made: World, cheat: Organisation) -> bytes:
    return cheat.acceptance(made.terms, Acceptance.decode(made.acceptances[0]).evidence)


def _older_ceremony(made: World, cheat: Organisation) -> bytes:
    older = proposal_of(made.cards, salt=b"older".ljust(32))
    return cheat.acceptance(made.terms, cheat.evidence(older))


def _replayed(made: World, cheat: Organisation) -> bytes:
    older = proposal_of(made.cards, salt=b"older".ljust(32))
    return cheat.acceptance(older, cheat.evidence(older))


def _not_signed(made: World, cheat: Organisation) -> bytes:
    one = Acceptance.decode(cheat.acceptance(made.terms, cheat.evidence(made.terms)))
    return one.sign(cheat.party.member, cheat.party.member).encode()


def _member_did_not_sign(made: World, cheat: Organisation) -> bytes:
    one = Acceptance.decode(cheat.acceptance(made.terms, cheat.evidence(made.terms)))
    return one.sign(cheat.party.operator, cheat.party.operator).encode()


def _debugged(made: World, cheat: Organisation) -> bytes:
    return cheat.acceptance(made.terms, b"no evidence")


@pytest.mark.parametrize(
    ("forge", "ground"),
    [
        (_other_chip, Ground.EVIDENCE),
        (_other_code, Ground.EVIDENCE),
        (_somebodys_evidence, Ground.OTHER_MACHINE),
        (_older_ceremony, Ground.EVIDENCE),
        (_replayed, Ground.OTHER_PROPOSAL),
        (_not_signed, Ground.OPERATOR_SIGNATURE),
        (_member_did_not_sign, Ground.MEMBER_SIGNATURE),
        (_debugged, Ground.EVIDENCE),
    ],
)
async def test_a_false_acceptance_is_refused_by_all_others_by_name(
    tmp_path: Path, forge: Forge, ground: Ground
) -> None:
    made = await (await world(tmp_path)).accept()
    false = forge(made, made["bank4"])
    files = [*made.acceptances[:3], false]
    for name in ("bank1", "bank2", "bank3"):
        with Refused("bank4", ground):
            await steps.make_founding(made[name].party, made.proposal, files, now_ms=NOW_MS)
        assert silent(made[name]) == {"card", "proposal", "sealed-keys", "acceptance"}


async def test_a_maker_of_ones_own_makes_nobody_elses_chip(tmp_path: Path) -> None:
    """bank4 has a root in the policy, hence could make a chip that bears bank2's number."""
    made = await world(tmp_path)
    maker = strange_manufacturer()
    maker.make_chip().save(made["bank4"].layout.chip)
    party = made["bank4"].party
    await ceremony_party.make_card(
        party,
        operator="bank4",
        member="bank4",
        region="zurich",
        country="CH",
        credential=made["bank4"].card.credential,
    )
    made.proposal = proposal_of(made.cards).encode()
    await made.accept()
    victim = made["bank2"]
    chip = maker.make_chip()
    key, chip_id = ChipKey.generate(), victim.card.chip_id
    vek = maker._intermediate.issue_chip(key, chip_id=chip_id, tcb=SIMULATED_TCB)
    twin = SimulatedChip(
        key=key,
        sealing_root=Secret.fresh(),
        chip_id=chip_id,
        endorsements=replace(chip.endorsements, vek=vek),
        firmware=chip.firmware,
    )
    false = victim.acceptance(made.terms, victim.evidence(made.terms, chip=twin))
    files = [made.acceptances[0], false, *made.acceptances[2:]]
    with Refused("bank2", Ground.OTHER_MACHINE):
        judge_acceptances(judge_proposal(made.proposal), files)


async def test_missing_doubled_and_late_ones_are_named(tmp_path: Path) -> None:
    made = await (await world(tmp_path)).accept()
    agreed = judge_proposal(made.proposal)
    with Refused("bank3", Ground.MISSING):
        judge_acceptances(agreed, [*made.acceptances[:2], made.acceptances[3]])
    with Refused("bank2", Ground.DOUBLED):
        judge_acceptances(agreed, [*made.acceptances, made.acceptances[1]])
    cheat = made["bank2"]
    second = cheat.acceptance(made.terms, cheat.evidence(made.terms))
    with Refused("bank2", Ground.TWO_WORDS):
        judge_acceptances(agreed, [*made.acceptances, second])
    late = await organisation(tmp_path, "bank5", 5)
    wider = proposal_of([*made.cards, late.layout.ceremony.card.read_bytes()])
    told = late.acceptance(made.terms, late.evidence(wider))
    with Refused("bank5", Ground.STRANGER):
        judge_acceptances(agreed, [*made.acceptances, told])
    with Refused("the proposal", Ground.OTHER_PROPOSAL):
        steps.accepted_proposal(made["bank1"].party, wider.encode())


# --- the genesis ----------------------------------------------------------------------------------


async def test_only_one_makes_the_genesis_and_only_once(tmp_path: Path) -> None:
    made = await (await world(tmp_path)).accept()
    founder = made.founder
    for one in made.others:
        with Refused(founder.name, Ground.FOUNDER):
            await steps.make_founding(one.party, made.proposal, made.acceptances, now_ms=NOW_MS)
    await made.make()
    cheat = made.others[0]
    at = [Acceptance.decode(data).operator for data in made.acceptances].index(cheat.name)
    made.acceptances[at] = cheat.acceptance(made.terms, cheat.evidence(made.terms))
    if made.founder is founder:
        with Refused(founder.name, Ground.OTHER_GENESIS):
            await made.make()


async def test_a_genesis_by_somebody_else_is_none(tmp_path: Path) -> None:
    made = await (await (await world(tmp_path)).accept()).make()
    cheat = made.others[0]
    false = cheat.signed(replace(FoundingFile.decode(made.founding), operator=cheat.name))
    for one in made.others[1:]:
        with Refused(cheat.name, Ground.FOUNDER):
            await made.confirm_one(one, false)
    unsigned = replace(FoundingFile.decode(made.founding), member_signature=bytes(64))  # type: ignore[arg-type]
    with Refused(made.founder.name, Ground.MEMBER_SIGNATURE):
        await made.confirm_one(cheat, unsigned.encode())


async def test_whoever_accepts_twice_is_named_by_whoever_got_the_other_one(tmp_path: Path) -> None:
    """It shows one acceptance to the founder, and another to the rest: each would begin with other
    keys."""
    made = await (await (await world(tmp_path)).accept()).make()
    founder, cheat, hurt = made.founder, *made.others[:2]
    at = [Acceptance.decode(data).operator for data in made.acceptances].index(cheat.name)
    for _ in range(64):
        other = cheat.acceptance(made.terms, cheat.evidence(made.terms))
        files = [*made.acceptances[:at], other, *made.acceptances[at + 1 :]]
        shown = World(made.organisations, made.proposal, files, made.founding)
        if shown.founder.name == founder.name:
            break
    with Refused(cheat.name, Ground.TWO_WORDS):
        await shown.confirm_one(hurt)
    assert "confirmation" not in silent(hurt)


async def test_a_founder_with_a_genesis_of_its_own_is_named(tmp_path: Path) -> None:
    made = await (await (await world(tmp_path)).accept()).make()
    founder, (first, second, _) = made.founder, made.others
    one = FoundingFile.decode(made.founding)
    wire = codec.decode(one.genesis)
    key = bytes([wire[3][0] ^ 1]) + wire[3][1:]
    broken = founder.signed(replace(one, genesis=codec.encode((*wire[:3], key, wire[4]))))
    with Refused(founder.name, Ground.FOUNDER):
        await made.confirm_one(first, broken)
    other = await (await world(tmp_path / "other")).accept()
    elsewhere = await other.make()
    swapped = founder.signed(replace(one, genesis=FoundingFile.decode(elsewhere.founding).genesis))
    with Refused(founder.name, Ground.OTHER_GENESIS):
        await made.confirm_one(second, swapped)
    assert "confirmation" not in silent(first) | silent(second)


def _cut(wraps: bytes) -> bytes:
    return codec.encode(())


def _flipped(wraps: bytes) -> bytes:
    found = codec.decode(wraps)
    return codec.encode(tuple((key, box[:-1] + bytes([box[-1] ^ 1])) for key, box in found))


def _swapped(wraps: bytes) -> bytes:
    keys, boxes = zip(*codec.decode(wraps), strict=True)
    return codec.encode(tuple(zip(keys, (*boxes[1:], boxes[0]), strict=True)))


@pytest.mark.parametrize("change", [_cut, _flipped, _swapped])
async def test_a_wrap_that_does_not_open_is_its_founders(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    made = await (await (await world(tmp_path)).accept()).make()
    one = FoundingFile.decode(made.founding)
    false = made.founder.signed(replace(one, wraps=change(one.wraps)))
    for other in made.others:
        with Refused(made.founder.name, Ground.WRAP):
            await made.confirm_one(other, false)
        assert silent(other) == {"card", "proposal", "sealed-keys", "acceptance"}


# --- confirmations --------------------------------------------------------------------------------


async def test_a_different_genesis_for_two_names_the_founder_at_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its host wakes the enclave twice from one sealed state, and has it found twice."""
    made = await (await (await world(tmp_path)).accept()).make()
    founder, (first, second, third) = made.founder, made.others
    founder.layout.ceremony.founding.unlink()
    again = World(made.organisations, made.proposal, made.acceptances)
    await again.make()
    assert again.founding != made.founding
    mine = [await made.confirm_one(first), await made.confirm_one(second)]
    theirs = [await again.confirm_one(third), await again.confirm_one(founder)]
    for one, founding, seen in (
        (first, made.founding, [*mine, *theirs]),
        (second, made.founding, [theirs[0], *mine, theirs[1]]),
        (third, again.founding, [*theirs, *mine]),
    ):
        with Refused(founder.name, Ground.TWO_WORDS):
            seal(one.party, made.proposal, founding, seen)
        assert not one.layout.cluster.genesis.exists()
        assert not (one.layout.sealed / SEALED_STATE).exists()
    with Refused(founder.name, Ground.TWO_WORDS):
        await again.confirm_one(first)


async def test_a_hostile_text_in_a_proposal_reaches_no_terminal(tmp_path: Path) -> None:
    made = await world(tmp_path)
    for terms in (
        {"limits": (("\x1b[2J", 1),)},
        {"members": (("\x1b[2J", bytes(32)),)},
        {"roles": (("payments", "\x07", bytes(32)),)},
        {"name": "a\nb"},
    ):
        with pytest.raises(NotCanonical):
            read_file(proposal_of(made.cards, **terms).encode())


async def test_nobody_begins_before_all_have_confirmed_the_same(tmp_path: Path) -> None:
    made = await (await (await (await world(tmp_path)).accept()).make()).confirm()
    one, cheat = made["bank1"], made["bank4"]
    agreed, founding = judge_proposal(made.proposal), FoundingFile.decode(made.founding)
    with Refused("bank4", Ground.MISSING):
        seal(one.party, made.proposal, made.founding, made.confirmations[:3])
    with Refused("bank2", Ground.DOUBLED):
        judge_confirmations(agreed, founding, [*made.confirmations, made.confirmations[1]])
    said = Confirmation.decode(made.confirmations[3])
    for changed in (
        replace(said, chain=said.content),  # type: ignore[arg-type]
        replace(said, founder_signature=bytes(64)),  # type: ignore[arg-type]
        replace(said, founder="bank4", founder_signature=bytes(64)),  # type: ignore[arg-type]
    ):
        with Refused("bank4", Ground.OTHER_GENESIS):
            files = [*made.confirmations[:3], cheat.signed(changed)]
            seal(one.party, made.proposal, made.founding, files)
    forged = made["bank3"].signed(said)
    with Refused("bank4", Ground.OPERATOR_SIGNATURE):
        seal(one.party, made.proposal, made.founding, [*made.confirmations[:3], forged])
    assert not one.layout.cluster.genesis.exists()


async def test_another_services_genesis_is_never_written_over(tmp_path: Path) -> None:
    made = await (await (await (await world(tmp_path)).accept()).make()).confirm()
    one = made["bank1"]
    one.layout.cluster.genesis.write_bytes(b"precious")
    with pytest.raises(OperatorFault, match="another service's genesis"):
        seal(one.party, made.proposal, made.founding, made.confirmations)
    assert one.layout.cluster.genesis.read_bytes() == b"precious"


# --- bytes ----------------------------------------------------------------------------------------


async def test_no_changed_byte_of_any_file_is_taken(tmp_path: Path) -> None:
    made = await (await (await (await world(tmp_path)).accept()).make()).confirm()
    agreed, founding = judge_proposal(made.proposal), FoundingFile.decode(made.founding)
    others = made.cards[1:]
    places: list[tuple[bytes, Callable[[bytes], object]]] = [
        (made.cards[0], lambda data: judge_cards([data, *others])),
        (
            made.acceptances[0],
            lambda data: judge_acceptances(agreed, [data, *made.acceptances[1:]]),
        ),
        (made.founding, lambda data: judge_founding(agreed, made.acceptances, data)),
        (
            made.confirmations[0],
            lambda data: judge_confirmations(agreed, founding, [data, *made.confirmations[1:]]),
        ),
    ]
    for data, judge in places:
        judge(data)
        for at in (*range(0, len(data), max(1, len(data) // 24)), len(data) - 1):
            with pytest.raises(CeremonyRefused):
                judge(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            with pytest.raises(CeremonyRefused):
                judge(data[:at])
        with pytest.raises(CeremonyRefused):
            judge(data + b"\x00")
    for at in range(0, len(made.proposal), len(made.proposal) // 64):
        changed = made.proposal[:at] + bytes([made.proposal[at] ^ 1]) + made.proposal[at + 1 :]
        try:
            shown = judge_proposal(changed).proposal.digest
        except CeremonyRefused:
            continue
        assert shown != agreed.proposal.digest  # other terms, which nobody has accepted


async def test_the_files_are_bounded(tmp_path: Path) -> None:
    made = await world(tmp_path)
    for kind in (Card, Proposal, Acceptance, FoundingFile, Confirmation):
        assert kind.BYTES_MAX <= 64 * 2**20
    assert max(map(len, made.cards)) < Card.BYTES_MAX // 4
    assert Milliseconds(made.terms.created_ms) == NOW_MS
