"""One organisation of a founding cheats with what it may write itself (DESIGN §5, Genesis; T23,
T29): whoever is hurt refuses by its name, nobody honest is named for it, and no folder is left
half made."""

import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.fixtures import key_named
from tests.node.membership.ceremony_world import (
    CODE,
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
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import ChainId
from strongroom.enclave.proofs.genesis import pin_of
from strongroom.node import tls
from strongroom.node.cli.found_tables import file_document, show_files
from strongroom.node.cluster.publishing import finish_founding
from strongroom.node.config import dumps, load
from strongroom.node.layout import SEALED_STATE
from strongroom.node.ledger.lock import AlreadyRunning, acquire_lock
from strongroom.node.membership import ceremony_steps as steps
from strongroom.node.membership.ceremony_answers import FOUNDING_BYTES_MAX, Acceptance, FoundingFile
from strongroom.node.membership.ceremony_card_judging import judge_card, judge_cards
from strongroom.node.membership.ceremony_cards import Card
from strongroom.node.membership.ceremony_files import read_file
from strongroom.node.membership.ceremony_proposal import judge_proposal
from strongroom.node.membership.ceremony_refusals import CeremonyRefused, Ground
from strongroom.node.organisations import Organisation as Admitted


@pytest.fixture(autouse=True)
def code(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    running: dict[str, object] = {}
    run_in_process(monkeypatch, lambda name: running.get(name, CODE))  # type: ignore[arg-type,return-value]
    return running


def said_of(cheat: Organisation, **fields: Any) -> bytes:
    """A card that says something else, under both of the cheat's own signatures."""
    changed = replace(cheat.card, **fields)
    deployment = changed.statement.sign(cheat.party.operator).signature
    return cheat.signed(replace(changed, deployment=deployment))


# --- cards ----------------------------------------------------------------------------------------


async def test_a_copied_credential_makes_nobodys_configuration_unreadable(tmp_path: Path) -> None:
    """Cards show the digest of a credential: two organisations of one could not be told apart at
    any door, and no node would start."""
    made = await world(tmp_path)
    card = said_of(made["bank4"], credential=made["bank1"].card.credential)
    with Refused("bank4", Ground.DOUBLED):
        judge_proposal(proposal_of([*made.cards[:3], card]).encode())


@pytest.mark.parametrize(
    "shown",
    [
        lambda der: ssl.DER_cert_to_PEM_cert(der).encode(),
        lambda der: b"\n" + ssl.DER_cert_to_PEM_cert(der).encode(),
        lambda der: der + b"\x00",
        lambda der: der[:-1],
        lambda der: b"",
    ],
    ids=["PEM", "PEM behind a line end", "trailing byte", "cut", "empty"],
)
async def test_a_certificate_that_spoils_the_others_bundle_is_refused(
    tmp_path: Path, shown: Any
) -> None:
    made = await world(tmp_path)
    der = made["bank4"].card.certificate
    tls.check_der(der)
    with Refused("bank4", Ground.CERTIFICATE):
        judge_card(said_of(made["bank4"], certificate=shown(der)))


@pytest.mark.parametrize(
    ("what", "name", "ground"),
    [
        ("operator", "bаnk1", Ground.NAME),  # with a Cyrillic letter
        ("operator", "../bank1", Ground.NAME),
        ("member", "bank1/x", Ground.NAME),
        ("node", ".n1", Ground.NAME),
        ("operator", "BANK1", Ground.DOUBLED),
        ("member", "Bank2", Ground.DOUBLED),
        ("member", "bank2", Ground.DOUBLED),
        ("node", "N1", Ground.DOUBLED),
        ("region", "Zurich", Ground.NAME),
        ("country", "DE", Ground.TERMS),
    ],
)
async def test_nobody_is_called_almost_as_another(
    tmp_path: Path, what: str, name: str, ground: Ground
) -> None:
    made = await world(tmp_path)
    card = said_of(made["bank4"], **{what: name})
    with Refused(Card.decode(card).operator, ground):
        judge_cards([*made.cards[:3], card])


async def test_a_name_of_64_bytes_is_one(tmp_path: Path) -> None:
    long = "b" * 64
    made = await world(tmp_path)
    card = said_of(made["bank4"], operator=long, member=long + "", node="n" * 64)
    assert set(judge_cards([*made.cards[:3], card])) == {"bank1", "bank2", "bank3", long}
    with pytest.raises(CeremonyRefused, match=r"^somebody: file: "):
        judge_card(said_of_unchecked(made["bank4"], 0, long + "b"))


def said_of_unchecked(cheat: Organisation, field: int, value: object) -> bytes:
    """The bytes of a card that this code would not make."""
    wire = codec.decode(cheat.layout.ceremony.card.read_bytes())
    body = list(wire[2])
    body[field] = value
    return codec.encode((*wire[:2], tuple(body), *wire[3:]))


@pytest.mark.parametrize(
    ("fields", "ground"),
    [
        ({"rpc": "127.0.0.2:7410"}, Ground.DOUBLED),  # bank1's, for nodes
        ({"peer": "127.0.0.2:07400"}, Ground.DOUBLED),
        ({"rpc": "[::ffff:127.0.0.2]:7400"}, Ground.DOUBLED),
        ({"rpc": "127.0.0.5:7410"}, Ground.DOUBLED),  # its own, for nodes
        ({"rpc": "[fe80::1%eth0]:7400"}, Ground.ADDRESS),
        ({"rpc": "ledger.bank4.example:7400", "peer": "ledger.bank4.example:7410"}, None),
    ],
)
async def test_nobody_is_found_at_anothers_address(
    tmp_path: Path, fields: dict[str, str], ground: Ground | None
) -> None:
    made = await world(tmp_path)
    card = said_of(made["bank4"], **fields)
    # 127.0.0.2 reaches whoever reads it: beside a name of another machine that is the wrong one.
    with Refused(*(("bank4", ground) if ground else ("bank1", Ground.ADDRESS))):
        judge_cards([*made.cards[:3], card])


async def test_a_number_in_other_clothes_is_no_name(tmp_path: Path) -> None:
    made = await world(tmp_path)
    for address in ("0x0:7400", "127.0x1:7400", "0.1.2.3:7400", "224.0.0.1:1", "255.255.255.255:1"):
        with pytest.raises(CeremonyRefused, match=r"^somebody: file: .*address|DNS name"):
            judge_card(said_of_unchecked(made["bank4"], 11, address))


# --- the proposal ---------------------------------------------------------------------------------


async def test_whoever_is_left_out_of_a_proposal_is_named(tmp_path: Path) -> None:
    made = await world(tmp_path)
    narrower = proposal_of(made.cards[:3]).encode()
    for name in ("bank1", "bank2"):
        with Refused("bank4", Ground.LEFT_OUT):
            await steps.accept(made[name].party, narrower, made.cards, now_ms=NOW_MS)
        assert silent(made[name]) == {"card"}
    with Refused("bank4", Ground.OWN_WORDS):
        await steps.accept(made["bank4"].party, narrower, made.cards, now_ms=NOW_MS)
    await steps.accept(made["bank1"].party, narrower, made.cards[:3], now_ms=NOW_MS)


async def test_whoever_meets_a_card_under_its_own_name_says_so(tmp_path: Path) -> None:
    made = await world(tmp_path)
    impostor = await organisation(tmp_path / "elsewhere", "bank2", 2)
    false = impostor.layout.ceremony.card.read_bytes()
    assert false != made.cards[1]
    with Refused("bank2", Ground.OWN_WORDS):
        await steps.accept(made["bank2"].party, made.proposal, [*made.cards, false], now_ms=NOW_MS)


@pytest.mark.parametrize(
    ("member", "ground"),
    [
        (("BANK1", key_named("second").public), Ground.TERMS),
        (("bаnk1", key_named("second").public), Ground.NAME),
        (("auditor", key_named("operator of bank1").public), Ground.TERMS),
    ],
)
async def test_a_member_without_a_node_is_nobody_else(
    tmp_path: Path, member: tuple[str, bytes], ground: Ground
) -> None:
    made = await world(tmp_path)
    with Refused("the proposal", ground):
        judge_proposal(proposal_of(made.cards, members=(member,)).encode())


async def test_what_was_given_up_is_not_accepted_again(tmp_path: Path) -> None:
    """Its keys are lost: another answer to it would make an honest organisation one of two
    words."""
    made = await (await world(tmp_path)).accept()
    one, other = made["bank2"], proposal_of(made.cards, salt=bytes(31) + b"2").encode()
    await steps.accept(one.party, other, made.cards, now_ms=NOW_MS, instead=True)
    for instead in (False, True):
        with Refused("bank2", Ground.GIVEN_UP):
            await steps.accept(one.party, made.proposal, made.cards, now_ms=NOW_MS, instead=instead)
    again = await steps.accept(one.party, other, made.cards, now_ms=NOW_MS)
    assert Acceptance.decode(again).proposal != made.terms.digest


async def test_two_steps_at_once_make_no_two_keys(tmp_path: Path) -> None:
    made = await world(tmp_path)
    one = made["bank1"]
    held = acquire_lock(one.layout.lock)
    with pytest.raises(AlreadyRunning):
        await steps.accept(one.party, made.proposal, made.cards, now_ms=NOW_MS)
    held.release()
    await steps.accept(one.party, made.proposal, made.cards, now_ms=NOW_MS)


async def test_another_version_between_two_steps_is_told(
    tmp_path: Path, code: dict[str, object]
) -> None:
    made = await (await world(tmp_path)).accept()
    code |= dict.fromkeys(("bank1", "bank2", "bank3", "bank4"), OTHER_CODE)
    with pytest.raises(OperatorFault, match="sealed to its chip and to the version of the code"):
        await made.make()


# --- the genesis ----------------------------------------------------------------------------------


def _forged_in(made: World, victim: Organisation) -> bytes:
    one = Acceptance.decode(victim.acceptance(made.terms, victim.evidence(made.terms)))
    return replace(one, operator_signature=bytes(64)).encode()  # type: ignore[arg-type]


def _of_a_stranger(made: World, victim: Organisation) -> bytes:
    return replace(Acceptance.decode(_forged_in(made, victim)), operator="bank9").encode()


def _of_an_older_ceremony(made: World, victim: Organisation) -> bytes:
    older = proposal_of(made.cards, salt=b"older".ljust(32))
    return victim.acceptance(older, victim.evidence(older))


def _no_acceptance(made: World, victim: Organisation) -> bytes:
    return b"\x93"


@pytest.mark.parametrize(
    "forge", [_forged_in, _of_a_stranger, _of_an_older_ceremony, _no_acceptance, None]
)
async def test_what_a_founder_puts_in_anothers_mouth_is_the_founders(
    tmp_path: Path, forge: Any
) -> None:
    """Acceptances in the genesis' file are under the founder's signature: one that its organisation
    did not sign, or that is missing, names nobody but him."""
    made = await (await (await world(tmp_path)).accept()).make()
    founder, (victim, other, _) = made.founder, made.others
    one = FoundingFile.decode(made.founding)
    kept = [a for a in one.acceptances if Acceptance.decode(a).operator != victim.name]
    for listed in ([*kept, forge(made, victim)] if forge else kept, [*one.acceptances, kept[0]]):
        false = founder.signed(replace(one, acceptances=tuple(listed)))
        with Refused(founder.name, Ground.FOUNDER):
            await made.confirm_one(other, false)
        assert "confirmation" not in silent(other)


async def test_two_acceptances_are_never_laid_at_the_founders_door(tmp_path: Path) -> None:
    """Whoever has another acceptance may see another lowest key: the founder did nothing wrong."""
    made = await (await (await world(tmp_path)).accept()).make()
    founder, cheat, hurt = made.founder, *made.others[:2]
    at = [Acceptance.decode(data).operator for data in made.acceptances].index(cheat.name)
    seen = set()
    for _ in range(256):
        other = cheat.acceptance(made.terms, cheat.evidence(made.terms))
        files = [*made.acceptances[:at], other, *made.acceptances[at + 1 :]]
        shown = World(made.organisations, made.proposal, files, made.founding)
        lowest = shown.founder.name
        if lowest not in seen:
            seen.add(lowest)
            with Refused(cheat.name, Ground.TWO_WORDS):
                await shown.confirm_one(hurt)
        if len(seen) == 2:
            break
    assert founder.name in seen
    assert cheat.name in seen


# --- the end --------------------------------------------------------------------------------------


async def test_a_folder_of_another_service_is_not_half_sealed(tmp_path: Path) -> None:
    made = await (await (await (await world(tmp_path)).accept()).make()).confirm()
    one, other = made["bank1"], made["bank2"]
    finish_founding(other.party, made.proposal, made.founding, made.confirmations)
    text = other.layout.cluster.service.read_text()
    pin = text.split('"service": "')[1].split('"')[0]
    chain = FoundingFile.decode(made.founding).chain.hex()
    text = text.replace(pin, pin_of(ChainId(bytes(32)))).replace(chain, bytes(32).hex())
    one.layout.cluster.service.write_text(text)
    before = one.layout.config.read_bytes()
    with pytest.raises(OperatorFault, match="pins another service"):
        finish_founding(one.party, made.proposal, made.founding, made.confirmations)
    assert not (one.layout.sealed / SEALED_STATE).exists()
    assert not one.layout.cluster.genesis.exists()
    assert one.layout.config.read_bytes() == before
    one.layout.cluster.service.unlink()
    finish_founding(one.party, made.proposal, made.founding, made.confirmations)


async def test_a_configuration_that_would_not_load_is_never_written(tmp_path: Path) -> None:
    made = await (await (await (await world(tmp_path)).accept()).make()).confirm()
    one = made["bank1"]
    config = load(one.layout.config)
    twice = Admitted(name="a-guest", digest=made["bank2"].card.credential)
    changed = replace(config, door=replace(config.door, organisations=(twice,)))
    one.layout.config.write_text(dumps(changed, base=one.layout.directory))
    before = one.layout.config.read_bytes()
    with pytest.raises(OperatorFault, match="two have one credential"):
        finish_founding(one.party, made.proposal, made.founding, made.confirmations)
    assert one.layout.config.read_bytes() == before
    assert not (one.layout.sealed / SEALED_STATE).exists()
    assert not one.layout.cluster.genesis.exists()


# --- what is shown --------------------------------------------------------------------------------


async def test_whatever_stands_in_a_file_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = await (await (await world(tmp_path)).accept()).make()
    hostile: list[Any] = [
        proposal_of(made.cards, created_ms=2**64 - 1),
        replace(made.terms, cards=(b"no card", *made.cards)),
        replace(FoundingFile.decode(made.founding), acceptances=(b"x", b"\xff" * 9)),
        Card.decode(said_of(made["bank4"], certificate=b"no certificate")),
    ]
    show_files([file_document(read_file(one.encode())) for one in hostile])
    shown = capsys.readouterr().out
    assert "in no calendar" in shown
    assert "damaged" in shown


async def test_a_file_is_bounded_by_its_kind_before_it_is_read(tmp_path: Path) -> None:
    made = await world(tmp_path)
    wire = codec.decode(made.cards[0])
    for padding in (Card.BYTES_MAX, FOUNDING_BYTES_MAX - 4096):
        huge = codec.encode((*wire[:-1], bytes(padding)))
        with pytest.raises(CeremonyRefused, match=f"at most {Card.BYTES_MAX} are taken"):
            judge_card(huge)
        with pytest.raises(Exception, match=f"at most {Card.BYTES_MAX} are taken"):
            read_file(huge)
