"""What a room must show for a half, in which order, and what stands on record (T55, T56)."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.attestation.rooms import make_room
from tests.enclave.fixtures import CREATED_MS, make_cluster_genesis
from tests.node.custodian.release_world import (
    HALF,
    KEY,
    LEASE,
    OWNER,
    ReleaseWorld,
    claim_of,
    other_room,
)

from strongroom.consensus.errors import OperatorFault, ReceiptInvalid
from strongroom.consensus.types import ChainId, Digest
from strongroom.enclave.attestation.release_policy import ReleasePolicy
from strongroom.enclave.formats.vault_claims import LeaseStatement
from strongroom.enclave.outside.half_request import HalfRequest, open_half
from strongroom.enclave.primitives import DoesNotOpen
from strongroom.node.client.errors import NoQuorum, ProgramFailed, Unreachable
from strongroom.node.custodian import challenges, releasing
from strongroom.node.custodian.challenges import CHALLENGE_SECONDS
from strongroom.node.custodian.errors import HalfRefused, TokenFault
from strongroom.node.custodian.places import (
    PROVEN_MAX,
    PROVEN_OF_ADDRESS_MAX,
    UNPROVEN_OF_ADDRESS_MAX,
)
from strongroom.node.custodian.releasing import GIVE_SECONDS, REFUSED_A_MINUTE
from strongroom.node.custodian.sources import Moment, Standing


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ReleaseWorld]:
    made = ReleaseWorld(tmp_path / "c")
    yield made
    made.journal.close()


async def refused(world: ReleaseWorld, request: HalfRequest | None = None) -> HalfRefused:
    with pytest.raises(HalfRefused) as raised:
        await world.ask(request)
    return raised.value


async def test_a_room_with_a_live_lease_gets_the_half(world: ReleaseWorld) -> None:
    assert (await world.ask()).reveal() == HALF.reveal()
    assert [entry.what for entry in world.entries()] == ["asked", "given"]


async def test_everything_is_asked_in_its_order(world: ReleaseWorld) -> None:
    await world.ask()
    assert world.ledger.events == [
        "lease",
        "newest",
        "standing",
        "policy",
        "known",
        "release",
        "half",
    ]


async def test_t55_the_release_is_recorded_first_with_the_journals_head(
    world: ReleaseWorld,
) -> None:
    """The entry was in the file before the ledger heard of it, and the half was made after."""
    await world.ask()
    ((digest, journal),) = world.ledger.recorded
    asked, given = world.entries()
    assert digest == asked.digest
    assert journal == asked.line()
    assert given.facts["release"] == "72" * 32


async def test_t55_what_the_ledger_refuses_to_record_is_not_given(world: ReleaseWorld) -> None:
    for fault, code in (
        (ProgramFailed("lapsed", "the lease is over", height=1), "not-live"),
        (ProgramFailed("suspended", "its owner has suspended the key", height=1), "not-live"),
        (ReceiptInvalid("another claim"), "ledger"),
        (Unreachable("no answer in 60 s"), "ledger"),
    ):
        world.ledger.refusal = {"release": fault}
        assert (await refused(world)).code == code
    assert "half" not in world.ledger.events
    assert {entry.what for entry in world.entries()} == {"asked", "refused"}


# --- challenges and receipts --------------------------------------------------------------------


async def test_t55_a_replayed_request_is_refused(world: ReleaseWorld) -> None:
    request = world.request()
    await world.ask(request)
    fault = await refused(world, request)
    assert fault.code == "form"
    assert "answered already" in str(fault)
    assert world.ledger.events.count("release") == 1


async def test_t55_a_challenge_is_used_up_by_evidence_that_holds_alone(
    world: ReleaseWorld,
) -> None:
    """Without proof nothing is used up, of nobody; a refusal that comes after it uses it up."""
    request = world.request()
    assert (await refused(world, replace(request, claim=b"other"))).code == "receipt"
    assert (await refused(world, replace(request, evidence=b"other"))).code == "evidence"
    world.halves.fault = TokenFault("no-token", "no token", customer="Acme Toys")
    assert (await refused(world, request)).code == "custodian-away"
    world.halves.fault = None
    assert (await refused(world, request)).code == "form"


async def test_t55_one_challenge_is_judged_once_at_a_time(
    world: ReleaseWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, goes_on = world.request(), asyncio.Event()
    newest = world.ledger.newest

    async def slow() -> Any:
        await goes_on.wait()
        return await newest()

    monkeypatch.setattr(world.ledger, "newest", slow)
    first = asyncio.ensure_future(world.ask(request))
    while "lease" not in world.ledger.events:
        await asyncio.sleep(0)
    assert (await refused(world, request)).code == "form"
    goes_on.set()
    await first
    assert world.ledger.events.count("release") == 1


async def test_t55_requests_that_prove_nothing_take_no_place_of_those_that_do(
    world: ReleaseWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither among the challenges that are remembered, nor at once, while the ledger looks for
    receipts that do not exist."""
    monkeypatch.setattr(challenges, "ANSWERED_MAX", 1)
    for _ in range(5):
        assert (await refused(world, world.request(claim=b"other"))).code == "receipt"
        assert (await refused(world, world.request(evidence=b"other"))).code == "evidence"
    lease, waits = world.ledger.lease, asyncio.Event()

    async def looks(id: Any, claim: bytes, blinding: bytes) -> LeaseStatement:
        if claim == b"nobody's":
            await waits.wait()
        return await lease(id, claim, blinding)

    monkeypatch.setattr(world.ledger, "lease", looks)

    def bogus() -> Any:
        data = world.request(claim=b"nobody's").encode()
        return asyncio.ensure_future(world.releaser.answer(data, address="192.0.2.1"))

    flood = [bogus() for _ in range(UNPROVEN_OF_ADDRESS_MAX * 2)]
    for _ in range(5):
        await asyncio.sleep(0)
    busy = [one.exception() for one in flood if one.done()]
    assert [type(one) for one in busy] == [HalfRefused] * UNPROVEN_OF_ADDRESS_MAX
    assert (await world.ask()).reveal() == HALF.reveal()
    waits.set()
    await asyncio.gather(*flood, return_exceptions=True)
    assert (await refused(world)).code == "busy", "one place is all that there is"


async def test_t55_a_host_that_has_a_lease_once_shown_takes_not_the_places_of_all(
    world: ReleaseWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It carried its room's requests, so it can show the claim with any challenge, for ever."""
    newest, waits = world.ledger.newest, asyncio.Event()

    async def slow() -> Moment:
        await waits.wait()
        return await newest()

    monkeypatch.setattr(world.ledger, "newest", slow)

    def replayed() -> Any:
        data = world.request(evidence=b"other").encode()
        return asyncio.ensure_future(world.releaser.answer(data, address="192.0.2.1"))

    flood = []
    for _ in range(2 * PROVEN_MAX):
        flood.append(replayed())
        for _ in range(5):
            await asyncio.sleep(0)
    busy = [one.exception() for one in flood if one.done()]
    assert [type(one) for one in busy] == [HalfRefused] * (2 * PROVEN_MAX - PROVEN_OF_ADDRESS_MAX)
    request = world.request()
    asked = asyncio.ensure_future(world.releaser.answer(request.encode(), address="192.0.2.2"))
    waits.set()
    assert await asked
    await asyncio.gather(*flood, return_exceptions=True)


async def test_t55_what_is_refused_again_and_again_fills_no_journal(
    world: ReleaseWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = REFUSED_A_MINUTE // 10
    monkeypatch.setattr(releasing, "REFUSED_A_MINUTE", few)
    for _ in range(3 * few):
        assert (await refused(world, world.request(evidence=b"other"))).code == "evidence"
    assert len(world.entries()) == few
    await world.ask()
    assert [entry.what for entry in world.entries()[-2:]] == ["asked", "given"]
    world.now += 60.0
    await refused(world, world.request(evidence=b"other"))
    assert world.entries()[-1].facts["unwritten"] == 2 * few


async def test_a_receipt_that_does_not_come_is_not_waited_for_for_ever(
    world: ReleaseWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> LeaseStatement:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(releasing, "PROVE_SECONDS", 0.0)
    monkeypatch.setattr(world.ledger, "lease", never)
    assert (await refused(world)).code == "ledger"


async def test_t55_a_challenge_of_nobody_or_an_old_one_is_refused(world: ReleaseWorld) -> None:
    assert (await refused(world, world.request(nonce=bytes(32)))).code == "form"
    request = world.request()
    world.now += CHALLENGE_SECONDS + 0.1
    assert (await refused(world, request)).code == "form"
    assert world.ledger.events == []


async def test_whoever_asks_for_many_challenges_takes_nobodys_place(world: ReleaseWorld) -> None:
    first = world.request()
    for _ in range(10_000):
        world.releaser.challenge()
    await world.ask(first)


async def test_t55_a_challenge_of_another_process_or_with_another_time_is_refused(
    world: ReleaseWorld, tmp_path: Path
) -> None:
    other = ReleaseWorld(tmp_path / "other")
    assert (await refused(world, world.request(nonce=other.releaser.challenge()))).code == "form"
    other.journal.close()
    nonce = world.releaser.challenge()
    later = (int.from_bytes(nonce[:8], "big") + 10**9).to_bytes(8, "big") + nonce[8:]
    assert (await refused(world, world.request(nonce=later))).code == "form"


async def test_requests_in_a_minute_are_bounded(
    world: ReleaseWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(challenges, "ANSWERED_MAX", 2)
    for _ in range(2):
        await world.ask()
    assert (await refused(world)).code == "busy"
    world.now += CHALLENGE_SECONDS + 1
    await world.ask()


async def test_t55_a_lease_that_its_receipt_does_not_show_is_refused(world: ReleaseWorld) -> None:
    """Another chain's lease, another claim: what the real ledger refuses is no half."""
    request = world.request(claim=claim_of(world.room, lease=b"x" * 16))
    assert (await refused(world, request)).code == "receipt"
    assert world.ledger.events == ["lease"]
    assert world.entries() == [], "what nobody proved fills no journal"


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x90", b"\x97" + b"\x01" * 7, b"\xff" * 100])
async def test_what_is_no_request_is_refused(world: ReleaseWorld, data: bytes) -> None:
    with pytest.raises(HalfRefused) as raised:
        await world.releaser.answer(data)
    assert raised.value.code == "form"


@pytest.mark.parametrize("custody", ["ledger", "hsm"])
async def test_a_key_of_another_custody_has_no_half(tmp_path: Path, custody: str) -> None:
    world = ReleaseWorld(tmp_path, custody=custody)
    assert (await refused(world)).code == "lease"
    world.journal.close()


# --- the lease ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["ended", "revoked", "frozen", "lapsed", "anything"])
async def test_t55_a_lease_that_is_not_live_gets_nothing(world: ReleaseWorld, state: str) -> None:
    world.ledger.standing_ = Standing(
        state=state,
        until_ms=CREATED_MS + 30_000,
        session=sha256(world.room.session.public).digest(),
        region="eu-west",
        country="",
    )
    assert (await refused(world)).code == "not-live"
    assert "release" not in world.ledger.events


async def test_t55_a_lease_whose_time_is_over_by_the_quorums_clock_gets_nothing(
    world: ReleaseWorld,
) -> None:
    """The enclave that was asked still calls it open."""
    world.ledger.standing_ = Standing(
        state="open",
        until_ms=CREATED_MS - 1,
        session=sha256(world.room.session.public).digest(),
        region="eu-west",
        country="",
    )
    fault = await refused(world)
    assert fault.code == "not-live"
    assert "lapsed" in str(fault)


async def test_t55_a_lease_of_another_session_gets_nothing(world: ReleaseWorld) -> None:
    world.ledger.standing_ = Standing(
        state="open", until_ms=CREATED_MS + 1, session=bytes(32), region="eu-west", country=""
    )
    assert (await refused(world)).code == "lease"


@pytest.mark.parametrize("stopped", ["release", "half", "newest"])
@pytest.mark.parametrize(
    ("left_ms", "seconds"), [(2_000, 2.1), (3_600_000, GIVE_SECONDS + 0.1), (0, 0.1)]
)
async def test_t55_a_custodian_that_was_stopped_gives_nothing_on_an_old_word(
    world: ReleaseWorld,
    monkeypatch: pytest.MonkeyPatch,
    stopped: str,
    left_ms: int,
    seconds: float,
) -> None:
    """SIGSTOP, or a machine that slept: what was live then may be revoked by now."""
    session = sha256(world.room.session.public).digest()
    world.ledger.standing_ = Standing(
        state="open", until_ms=CREATED_MS + left_ms, session=session, region="eu-west", country=""
    )
    place = world.halves if stopped == "half" else world.ledger
    goes_on = getattr(place, stopped)

    async def slept(*arguments: Any) -> Any:
        world.now += seconds
        return await goes_on(*arguments)

    monkeypatch.setattr(place, stopped, slept)
    fault = await refused(world)
    assert (fault.code, "was the custodian stopped?" in str(fault)) == ("not-live", True)
    assert [entry.what for entry in world.entries()] == ["asked", "refused"]


async def test_t55_without_a_quorum_nothing_is_given(world: ReleaseWorld) -> None:
    world.ledger.refusal = {"newest": NoQuorum("2 good heads", answered=2, members=4, needed=3)}
    assert (await refused(world)).code == "ledger"
    assert world.ledger.events == ["lease", "newest"]


# --- the room -------------------------------------------------------------------------------------


async def test_t55_evidence_over_another_nonce_is_refused(world: ReleaseWorld) -> None:
    """Genuine evidence, made for the ledger, for an earlier challenge, or for another custodian."""
    for nonce in (world.releaser.challenge(), bytes(32)):
        old = world.room.evidence(claims=world.room.claims(nonce=nonce))
        fault = await refused(world, world.request(evidence=old))
        assert fault.code == "evidence"
        assert "nonce" in str(fault)
    fault = await refused(world, world.request(evidence=world.room.evidence()))
    assert fault.code == "evidence"


@pytest.mark.parametrize(
    "changes",
    [
        {"boot": 4},
        {"session_key": other_room().session.public},
        {"chain": ChainId(Digest(b"d" * 32))},
    ],
    ids=["boot", "session", "chain"],
)
async def test_t55_evidence_of_another_than_the_leases_holder_is_refused(
    world: ReleaseWorld, changes: dict[str, Any]
) -> None:
    nonce = world.releaser.challenge()
    claims = replace(world.room.claims(nonce=nonce), **changes)
    request = world.request(nonce=nonce, evidence=world.room.evidence(claims=claims))
    assert (await refused(world, request)).code == "evidence"
    assert "release" not in world.ledger.events


async def test_t55_another_chip_with_the_rooms_session_is_refused(world: ReleaseWorld) -> None:
    moved = make_room("moved")
    nonce = world.releaser.challenge()
    claims = world.room.claims(nonce=nonce)
    deployment = world.room.deployment(chip_id=moved.chip.chip_id)
    evidence = world.room.evidence(claims=claims, chip=moved.chip, deployment=deployment)
    fault = await refused(world, world.request(nonce=nonce, evidence=evidence))
    assert fault.code == "evidence"
    assert "session or chip" in str(fault)


async def test_t55_a_room_that_is_named_otherwise_is_refused(world: ReleaseWorld) -> None:
    nonce = world.releaser.challenge()
    claims = world.room.claims(nonce=nonce, room="hall-8")
    deployment = world.room.deployment(name="hall-8")
    evidence = world.room.evidence(claims=claims, deployment=deployment)
    fault = await refused(world, world.request(nonce=nonce, evidence=evidence))
    assert "another room or boot" in str(fault)


async def test_t55_a_simulated_room_is_refused_where_none_is_taken(world: ReleaseWorld) -> None:
    policy = make_cluster_genesis().verified.constitution.policy
    world.ledger.policy_ = replace(policy, allow_simulated=False)
    fault = await refused(world)
    assert fault.code == "evidence"
    assert "simulated" in str(fault)


async def test_a_revoked_chip_is_refused(world: ReleaseWorld) -> None:
    policy = make_cluster_genesis().verified.constitution.policy
    world.ledger.policy_ = replace(policy, roots=())
    assert (await refused(world)).code == "evidence"


async def test_t55_the_answer_opens_in_that_room_for_that_request_alone(
    world: ReleaseWorld,
) -> None:
    request = world.request()
    sealed = await world.releaser.answer(request.encode())
    assert HALF.reveal() not in sealed
    right: dict[str, Any] = {"key": KEY, "lease": LEASE, "nonce": request.nonce}
    assert open_half(world.room.seal, sealed, **right).reveal() == HALF.reveal()
    for wrong in (
        {"key": replace(KEY, version=2)},
        {"lease": b"x" * 16},
        {"nonce": bytes(32)},
        {"piece": 0},
    ):
        with pytest.raises(DoesNotOpen):
            open_half(world.room.seal, sealed, **(right | wrong))
    with pytest.raises(DoesNotOpen):
        open_half(other_room().seal, sealed, **right)


# --- the customer's own word --------------------------------------------------------------------


def region_policy(region: str) -> ReleasePolicy:
    return ReleasePolicy.parse(
        '{"version": "1.0.0", "anyOf": [{"authority": "strongroom", "allOf": '
        f'[{{"claim": "region", "equals": "{region}"}}]}}]}}'
    )


async def test_the_customers_own_policy_is_asked_beside_the_keys(world: ReleaseWorld) -> None:
    world.make(policy=region_policy("eu-west"))
    await world.ask()
    world.make(policy=region_policy("eu-north"))
    fault = await refused(world)
    assert fault.code == "policy"
    assert "region equals eu-north" in str(fault)
    assert world.ledger.events.count("release") == 1


def country_policy(country: str) -> ReleasePolicy:
    return ReleasePolicy.parse(
        '{"version": "1.0.0", "anyOf": [{"authority": "strongroom", "allOf": '
        f'[{{"claim": "grc.jurisdiction-country", "equals": "{country}"}}]}}]}}'
    )


async def test_t55_the_customers_policy_knows_the_country_that_the_ledger_claims_then(
    world: ReleaseWorld,
) -> None:
    """One enclave tells it; what the release claims, by a quorum, is compared with that very
    word."""
    world.make(policy=country_policy("NO"))
    assert (await refused(world)).code == "policy"
    world.ledger.country = "SE"
    assert (await refused(world)).code == "policy"
    assert "release" not in world.ledger.events
    world.ledger.country = "NO"
    await world.ask()
    assert [(one.region, one.country) for one in world.ledger.released_to] == [("eu-west", "NO")]


async def test_t55_a_country_is_of_the_region_that_this_evidence_shows(world: ReleaseWorld) -> None:
    """The ledger judged another deployment statement of the same session."""
    world.ledger.room_region, world.ledger.country = "oslo", "NO"
    fault = await refused(world)
    assert (fault.code, "another region" in str(fault)) == ("evidence", True)


async def test_t55_keys_of_strangers_take_nothing_of_the_rate(world: ReleaseWorld) -> None:
    """Anybody may name this custodian in a key of his own, and have a lease of it."""
    world.make(per_minute=1, owners=[b"m" * 32])
    for _ in range(3):
        fault = await refused(world)
        assert (fault.code, "serves no keys of id:" in str(fault)) == ("policy", True)
    assert (set(world.ledger.events), world.entries()) == ({"lease"}, [])
    world.make(per_minute=1, owners=[OWNER])
    await world.ask()


async def test_halves_in_a_minute_are_bounded(world: ReleaseWorld) -> None:
    world.make(per_minute=3)
    for _ in range(3):
        await world.ask()
    assert (await refused(world)).code == "rate"
    world.now += 60.0
    await world.ask()


async def test_t56_an_hsm_that_is_away_pauses_with_the_customers_name(world: ReleaseWorld) -> None:
    world.halves.fault = TokenFault("no-token", "no token 'acme'", customer="Acme Toys")
    fault = await refused(world)
    assert fault.code == "custodian-away"
    assert "Acme Toys: no token 'acme'" in str(fault)
    assert "Only Acme Toys's keys pause" in str(fault)
    assert "release" not in world.ledger.events, "nothing is recorded that cannot be given"
    assert [entry.what for entry in world.entries()] == ["paused"]


async def test_t55_a_journal_that_takes_nothing_gives_nothing(
    world: ReleaseWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    request = world.request()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OperatorFault, match="nothing is given any more"):
        await world.ask(request)
    assert "release" not in world.ledger.events


async def test_no_half_and_no_request_key_is_in_the_journal(world: ReleaseWorld) -> None:
    await world.ask()
    text = (world.folder / "journal").read_bytes()
    assert HALF.reveal().hex().encode() not in text
    assert HALF.reveal() not in text
    assert world.ledger.claim.hex().encode() not in text


# --- forms ----------------------------------------------------------------------------------------


def test_a_statement_is_read_from_what_the_vault_claims() -> None:
    """Against the vault's own encoder."""
    from strongroom.enclave.programs.vault.asking import lease_claim
    from strongroom.enclave.programs.vault.tables import Holder, Key
    from strongroom.enclave.programs.vault.terms import Terms

    key = Key(b"o" * 32, "design", "active", 2, 0, 0, 0, True)
    holder = Holder(1, 2, b"s" * 32, b"c" * 32, "hall-7", 3, 0, 0, 0, b"", b"")
    terms = Terms(**_terms())
    read = LeaseStatement.decode(lease_claim(key, 2, LEASE, holder, 99, terms))
    assert (read.owner, read.name, read.version, read.lease) == (b"o" * 32, "design", 2, LEASE)
    assert (read.session, read.chip, read.room, read.boot) == (b"s" * 32, b"c" * 32, "hall-7", 3)
    assert (read.until_ms, read.pieces, read.custody) == (99, 4, "split")


def _terms() -> dict[str, Any]:
    return {
        "policy": "",
        "custody": "split",
        "custodian": b"k" * 32,
        "approvers": (),
        "threshold": 0,
        "quantity": 0,
        "window_from_ms": 0,
        "window_until_ms": 0,
        "heartbeat_ms": 1,
        "lease_ms": 1,
        "allotment": 1,
        "pieces": 4,
        "delay_ms": 0,
    }


def test_a_request_has_one_encoding() -> None:
    request = HalfRequest(
        nonce=b"n" * 32,
        transaction=b"t" * 32,
        claim=b"c",
        blinding=b"b" * 32,
        evidence=b"e",
        piece=3,
    )
    assert HalfRequest.decode(request.encode()) == request
