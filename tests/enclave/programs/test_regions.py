"""Region rules as the runner asks them: transactions and queries, each way of sealing, each replica
(T58)."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from tests.enclave.chain import Chain, resolve
from tests.enclave.fixtures import FoundedCluster, make_cluster_genesis
from tests.enclave.programs.vault.test_countries import GovernedVault
from tests.enclave.programs.vault.world import PRINTERS, Room, beats, brought, policy_of

from strongroom.consensus.types import Height
from strongroom.enclave.formats.envelope import Query, transaction_id
from strongroom.enclave.governance.changes import change_named, parse_change
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.programs import PROGRAM_NAMES, PROGRAMS, regions
from strongroom.enclave.programs.framework import Context, ProgramError
from strongroom.enclave.programs.grants import HELD_ROLES

ROOM = Room()
SV, NO, US = "eu-sweden", "eu-norway", "us-east"


@cache
def founded() -> FoundedCluster:
    programs = ("payments", "people", "records", "rooms", "system", "vault")
    return make_cluster_genesis(4, programs=programs, limits={"open_admission": 1})


class People(dict[bytes, tuple[str, int]]):
    """Who is where, and until when: what the program people keeps."""

    def put(self, who: str, region: str, until_ms: int = 2**60) -> None:
        self[resolve(who)] = (region, until_ms)

    def region_of(self, context: Context, identity: bytes) -> str | None:
        region, until_ms = self.get(identity, ("", 0))
        return region if region and context.time_ms < until_ms else None


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> People:
    found = People()
    monkeypatch.setattr(regions, "region_of", found.region_of)
    return found


@pytest.fixture
def chain(people: People) -> GovernedVault:
    chain = GovernedVault(founded())
    choose_issuer(chain)
    for region, country in ((SV, "SE"), (NO, "NO"), (US, "US")):
        chain.decide("set_country", region=region, country=country)
    chain.pass_delay()
    chain.once("alice", "records.append", collection="notes", contents="before any rule")
    return chain


def choose_issuer(chain: GovernedVault, *places: str) -> None:
    """Members take the word of somebody who speaks of these regions."""
    chain.decide(
        "add_issuer",
        issuer="https://id.example",
        audience="strongroom",
        claim="ctry",
        regions=tuple((place, place) for place in sorted(places or (SV, NO, US))),
        guests=(),
        life_ms=3_600_000,
        observed=True,
    )


def told(chain: Chain, who: str) -> str:
    """What becomes of a transaction: ok, or the code."""
    result = chain.once(who, "records.append", collection="notes", contents="one more")
    return "ok" if result.ok else result.code or ""


def asked(chain: Chain, who: str, operation: str = "records.head", **arguments: Any) -> str:
    """What becomes of a query."""
    given = arguments or ({"collection": "/notes"} if operation == "records.head" else {})
    key, envelope = chain.query_envelope(who, operation, **given)
    answer = chain.executor.query(envelope)
    assert isinstance(answer, bytes)
    opened = key.open(answer)
    return "ok" if opened.ok else opened.code


def asked_in_session(chain: Chain, who: str) -> str:
    session = chain.session(who)
    query = Query(chain.call("records.head", collection="/notes"), Height(0), False)
    key, envelope = session.seal_query(query)
    answer = chain.executor.query(envelope)
    assert isinstance(answer, bytes)
    opened = key.open(answer)
    return "ok" if opened.ok else opened.code


def everywhere(chain: Chain, who: str) -> set[str]:
    """What becomes of each way to call."""
    session = chain.session(who)
    done = chain.do(session, "records.append", collection="notes", contents="in a session")
    return {
        told(chain, who),
        "ok" if done.ok else done.code or "",
        asked(chain, who),
        asked_in_session(chain, who),
    }


def test_T58_a_rule_holds_for_transactions_and_for_queries_however_they_are_sealed(
    chain: GovernedVault, people: People
) -> None:
    assert everywhere(chain, "alice") == {"ok"}
    chain.decide("set_program_regions", program="records", regions=(SV,))
    assert everywhere(chain, "alice") == {"region"}, "unknown"
    people.put("alice", US)
    assert everywhere(chain, "alice") == {"region"}
    people.put("alice", SV)
    assert everywhere(chain, "alice") == {"ok"}
    assert asked(chain, "bob", "payments.balance") == "ok", "another program has none"


def test_T58_who_moves_is_refused_at_the_next_call_and_who_lapses_at_its_time(
    chain: GovernedVault, people: People
) -> None:
    chain.decide("set_program_regions", program="records", regions=(SV,))
    people.put("alice", SV)
    session = chain.session("alice")
    assert chain.do(session, "records.append", collection="notes", contents="here").ok
    people.put("alice", NO)
    moved = chain.do(session, "records.append", collection="notes", contents="there")
    assert (moved.ok, moved.code) == (False, "region")
    assert "strongroom people present" in str(moved.message)
    people.put("alice", SV, until_ms=chain.tip.time_ms + 25)
    assert told(chain, "alice") == "ok"
    assert told(chain, "alice") == "ok"
    assert told(chain, "alice") == "region", "its time is over at this block"
    assert asked(chain, "alice") == "region"


def test_T58_a_country_stands_for_its_regions_by_the_table_of_now(
    chain: GovernedVault, people: People
) -> None:
    chain.decide("set_program_regions", program="records", regions=("NO", "SE"))
    people.put("alice", NO)
    people.put("bob", US)
    assert (told(chain, "alice"), told(chain, "bob")) == ("ok", "region")
    chain.decide("remove_country", region=NO)
    assert told(chain, "alice") == "region", "what tightens holds at once"
    chain.decide("set_country", region=US, country="NO")
    assert told(chain, "bob") == "region", "what loosens waits"
    chain.pass_delay()
    assert told(chain, "bob") == "ok"


def test_T58_narrowing_holds_at_once_and_widening_waits(
    chain: GovernedVault, people: People
) -> None:
    people.put("alice", NO)
    chain.decide("set_program_regions", program="records", regions=(NO, SV))
    assert told(chain, "alice") == "ok"
    chain.decide("set_program_regions", program="records", regions=(SV,))
    assert told(chain, "alice") == "region"
    chain.decide("set_program_regions", program="records", regions=("NO", "SE"))
    assert told(chain, "alice") == "region"
    chain.pass_delay()
    assert told(chain, "alice") == "ok"
    chain.decide("set_program_regions", program="records", regions=())
    assert told(chain, "bob") == "region", "to lift it lets others in"
    chain.pass_delay()
    assert told(chain, "bob") == "ok"


def test_T58_the_services_rule_binds_every_program_and_none_widens_it(
    chain: GovernedVault, people: People
) -> None:
    people.put("alice", NO)
    chain.decide("set_program_regions", program="records", regions=(NO, SV))
    chain.decide("set_program_regions", program="service", regions=(SV, US))
    assert told(chain, "alice") == "region"
    assert asked(chain, "alice", "payments.balance") == "region"
    assert asked(chain, "alice", "roster.standing") == "region"
    people.put("alice", SV)
    assert (told(chain, "alice"), asked(chain, "alice")) == ("ok", "ok")
    people.put("alice", US)
    assert told(chain, "alice") == "region", "the program's own is narrower"
    assert asked(chain, "alice", "payments.balance") == "ok"


def test_T58_a_recorded_result_is_told_only_where_every_rule_lets_be_told(
    chain: GovernedVault, people: People
) -> None:
    """It may be of any program: else who moved away reads there what was answered here."""
    session = chain.session("alice")
    sequence, envelope = session.seal_call(
        chain.call("records.append", collection="notes", contents="kept")
    )
    outcome, id = chain.commit(envelope), transaction_id(envelope)
    assert session.open_result(sequence, id, outcome.result_at(0)).ok

    def recorded() -> str:
        key, query = chain.query_envelope("alice", "system.result", id=id)
        answer = chain.executor.query(query, outcome.encode())
        assert isinstance(answer, bytes)
        opened = key.open(answer)
        return "ok" if opened.ok else opened.code

    people.put("alice", NO)
    assert recorded() == "ok"
    chain.decide("set_program_regions", program="vault", regions=(SV,))
    assert recorded() == "region"
    chain.decide("set_program_regions", program="records", regions=(NO, SV))
    assert (told(chain, "alice"), recorded()) == ("ok", "region")
    people.put("alice", SV)
    assert recorded() == "ok"


def test_T58_a_rule_that_nobody_could_meet_is_refused_and_none_is_ever_widened(
    chain: GovernedVault, people: People
) -> None:
    people.put("alice", SV)
    assert "no-one-in-region" in why_not(chain, "records", ("FR",))
    chain.decide("set_program_regions", program="service", regions=(SV,))
    assert "no-one-in-region" in why_not(chain, "records", (US,))
    assert chain.executor.governance.rules.program_regions == (("service", (SV,)),)
    chain.decide("set_program_regions", program="service", regions=("SE",))
    chain.pass_delay()
    assert told(chain, "alice") == "ok"
    chain.decide("remove_country", region=SV)
    assert told(chain, "alice") == "no-one-in-region"
    assert asked(chain, "alice") == "no-one-in-region"


def test_T58_when_no_issuer_speaks_of_a_region_any_more_nobody_is_there(
    chain: GovernedVault, people: People
) -> None:
    assert "no-one-in-region" in why_not(chain, "records", ("mars",)), "nor ever did"
    chain.decide("set_program_regions", program="records", regions=(SV,))
    people.clear()
    chain.decide("remove_issuer", issuer="https://id.example")
    assert told(chain, "alice") == asked(chain, "alice") == "no-one-in-region"
    assert "no-one-in-region" in why_not(chain, "vault", (SV,))


def why_not(chain: GovernedVault, program: str, places: tuple[str, ...]) -> str:
    before = chain.executor.governance.document().proposals
    chain.decide("set_program_regions", program=program, regions=places)
    assert chain.executor.governance.document().proposals == before
    given = (("program", program), ("regions", places))
    with pytest.raises(ProgramError) as caught:
        chain.executor.governance.document().simulate((("set_program_regions", given),))
    return caught.value.code


def test_T58_a_room_is_where_the_user_is_who_vouches_for_it(
    chain: GovernedVault, people: People
) -> None:
    key = chain.key("toy", policy=policy_of(PRINTERS), lease_ms=24 * 3_600_000)
    chain.decide("set_program_regions", program="vault", regions=(SV,))
    chain.sessions.clear()
    assert chain.denied(ROOM, key) == "region"
    brought(chain, "member0", "plant owner")
    assert chain.once("plant owner", "roster.vouch", room=ROOM.who).ok
    assert chain.denied(ROOM, key) == "region", "of the user nothing is known"
    people.put("plant owner", SV)
    beat = beats(chain, ROOM, chain.lease(ROOM, key)["lease"])
    assert beat().ok
    people.put("plant owner", US)
    assert beat().code == "region", "each heartbeat asks"


def test_T58_a_node_that_took_over_outcomes_or_a_snapshot_knows_the_rule(
    chain: GovernedVault, people: People
) -> None:
    """Failover: another node answers the same."""
    chain.decide("set_program_regions", program="records", regions=(SV,))
    other = chain.new_executor(1)
    for made, outcome in zip(chain.blocks, chain.outcomes, strict=True):
        other.apply(made.header, outcome)
    people.put("alice", NO)
    key, envelope = chain.query_envelope("alice", "records.head", collection="/notes")
    answer = other.query(envelope)
    assert isinstance(answer, bytes)
    assert key.open(answer).code == "region" == asked(chain, "alice")
    assert other.state_digest() == chain.executor.state_digest()


def test_programs_that_may_have_a_rule_are_all_but_those_by_which_one_comes_to_stand_in_it() -> (
    None
):
    assert {*PROGRAM_NAMES} - {"people", "roster", "system"} == regions.RULED
    operations = {(p.name, o) for p in PROGRAMS.values() for o in (*p.transactions, *p.queries)}
    bound = regions.by_operation([("service", (SV,))], operations, {})
    assert operations - bound.keys() == {*regions.UNRULED} & operations
    assert regions.by_operation([], operations, {}) == {}


def test_what_is_no_place_or_no_program_is_refused() -> None:
    row = change_named("set_program_regions")
    texts = {"program": "records", "regions": "SE, eu-norway,SE"}
    assert dict(parse_change("set_program_regions", texts))["regions"] == ("SE", "eu-norway")
    assert row.bind((("program", "service"), ("regions", ())))
    for program, places in (
        ("record", (SV,)),
        ("system", (SV,)),
        ("people", (SV,)),
        ("records", (SV, SV)),
        ("records", (US, NO)),
        ("records", ("",)),
        ("records", ("a\nb",)),
        ("records", SV),
        ("records", (b"eu",)),
        ("records", tuple(f"r{number:02}" for number in range(65))),
    ):
        with pytest.raises(ProgramError, match="expected"):
            row.bind((("program", program), ("regions", places)))


def test_rules_without_places_keep_the_bytes_that_they_had() -> None:
    plain = Rules.of(GovernedVault().genesis.constitution)
    assert len(plain.to_wire()) == 4
    ruled = replace(plain, program_regions=(("records", (SV,)),))
    assert Rules.from_wire(ruled.to_wire()) == ruled
    assert Rules.from_wire(plain.to_wire()) == plain


def test_T58_in_a_service_without_the_program_people_a_rule_lets_nobody_call() -> None:
    chain = GovernedVault()
    choose_issuer(chain)
    chain.pass_delay()
    chain.decide("set_program_regions", program="records", regions=(SV,))
    assert told(chain, "alice") == asked(chain, "alice") == "no-one-in-region"


def test_T58_a_key_asks_where_the_person_is_who_vouches_for_the_room(
    chain: GovernedVault, people: People
) -> None:
    in_sweden = {"claim": "person.country", "equals": "SE"}
    not_in_us = {"claim": "person.region", "notEquals": US}
    policy = policy_of(PRINTERS, in_sweden, not_in_us)
    key = chain.key("toy", policy=policy, lease_ms=24 * 3_600_000)
    assert "person.country equals SE: is missing" in chain.why(ROOM, key)
    brought(chain, "member0", "plant owner")
    assert chain.once("plant owner", "roster.vouch", room=ROOM.who).ok
    for region in (None, US, NO, "unknown"):
        people.put("plant owner", region or "")
        assert chain.denied(ROOM, key) == "region"
    people.put("plant owner", SV, until_ms=chain.tip.time_ms + 2_000)
    beat = beats(chain, ROOM, chain.lease(ROOM, key)["lease"])
    assert beat().ok
    people.put("plant owner", NO)
    assert beat().code == "region", "he moved"
    people.put("plant owner", SV, until_ms=chain.tip.time_ms + 25)
    assert beat().ok
    chain.wait(30)
    assert beat().code == "region", "his token has ended"


def test_T58_a_collections_owner_says_from_where_it_is_read_also_by_an_auditor(
    chain: GovernedVault, people: People
) -> None:
    people.put("alice", SV)
    own = f"id:{resolve('alice').hex()}/notes"
    chain.decide("grant", program="records", role="auditor", identity=resolve("bob"))
    chain.pass_delay()

    def read(who: str) -> set[str]:
        return {
            asked(chain, who, "records.head", collection=own),
            asked(chain, who, "records.list", collection=own),
            asked(chain, who, "records.read", collection=own, sequence=1),
        }

    def restrict(*places: str) -> str:
        done = chain.once("alice", "records.restrict", collection="notes", regions=list(places))
        return "ok" if done.ok else done.code or ""

    assert read("bob") == {"ok"}
    assert restrict(US) == "no-one-in-region", "its owner would be out"
    assert restrict("FR") == "no-one-in-region"
    assert restrict("SE", NO) == "ok"
    assert (read("alice"), told(chain, "alice"), read("bob")) == ({"ok"}, "ok", {"region"})
    people.put("bob", NO)
    assert read("bob") == {"ok"}
    people.put("alice", US)
    assert (read("alice"), told(chain, "alice")) == ({"region"}, "region")
    assert restrict() == restrict(US) == "region", "who is out lifts no rule, nor moves it"
    assert chain.ask("alice", "records.regions", collection=own) == ["SE", NO]
    assert chain.refusal("carol", "records.regions", collection=own) == "not the owner"
    people.put("alice", SV)
    assert restrict() == "ok"
    assert read("alice") == {"ok"}
    other = chain.once("alice", "records.append", collection="other", contents="no rule of its own")
    assert other.ok


def test_T58_what_is_read_by_a_grant_on_record_is_read_from_where_the_rule_says(
    chain: GovernedVault, people: People
) -> None:
    """A query that comes as a transaction is asked like both."""
    own = f"id:{resolve('alice').hex()}/notes"
    state = chain.executor._runner.state
    row = (2**60, "grant", 0, 0)
    state.maps[HELD_ROLES].put((resolve("bob"), "records", "auditor"), row)
    state.commit()
    chain.decide("set_program_regions", program="records", regions=(SV,))

    def read() -> str:
        done = chain.once("bob", "records.head", collection=own)
        return "ok" if done.ok else done.code or ""

    assert (read(), asked(chain, "bob", collection=own)) == ("region", "region")
    people.put("bob", SV)
    assert read() == "ok"
    assert asked(chain, "bob", collection=own) == "recorded-only"
    people.put("bob", US)
    assert (read(), asked(chain, "bob", collection=own)) == ("region", "region")
