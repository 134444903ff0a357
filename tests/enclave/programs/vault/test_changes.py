"""Terms of a key: tightened at once by the owner, loosened by owner, approvers and delay (T51); and
what an owner does with keys and versions."""

from typing import Any

import pytest
from tests.enclave.chain import person
from tests.enclave.programs.vault.world import (
    IN_WEST,
    OWNER,
    POLICY,
    PRINTERS,
    K,
    Room,
    VaultChain,
    beats,
    policy_of,
)

from strongroom.enclave.attestation.release_policy import ReleasePolicy
from strongroom.enclave.programs.runner import STEPS_MAX
from strongroom.enclave.programs.vault.standing import EVIDENCE_STEPS
from strongroom.enclave.programs.vault.terms import Terms, loosened, narrows

BOSS, CHIEF = ("id:" + person(name).id.hex() for name in ("boss", "chief"))
DAY = 24 * 3_600_000


@pytest.fixture
def chain() -> VaultChain:
    return VaultChain()


def approved(chain: VaultChain, **terms: Any) -> str:
    """A key of two approvers, both needed, that both have agreed to."""
    key = chain.key(approvers=[BOSS, CHIEF], threshold=2, delay_ms=DAY, **terms)
    consent(chain)
    return key


def waiting(chain: VaultChain) -> Any:
    return chain.look(OWNER, "key", key="/toy")["pending"]


def consent(chain: VaultChain, *names: str) -> None:
    change = waiting(chain)["change"]
    for name in names or ("boss", "chief"):
        chain.must(name, "approve", change=change)


def terms(chain: VaultChain) -> Any:
    return chain.look(OWNER, "key", key="/toy")["terms"]


# --- T51 ------------------------------------------------------------------------------------------


def test_T51_a_loosening_waits_for_all_its_approvers_and_then_for_the_delay(
    chain: VaultChain,
) -> None:
    key = approved(chain, policy=policy_of(PRINTERS, IN_WEST))
    room = Room(region="eu-south")
    assert chain.denied(room, key) == "region"
    answer = chain.must(OWNER, "change", key="/toy", policy=POLICY)
    assert (answer["state"], answer["loosens"]) == ("pending", ["policy"])
    assert chain.denied(room, key) == "region"
    assert chain.refused(OWNER, "approve", change=answer["change"]) == "not-an-approver"
    assert chain.refused("thief", "approve", change=answer["change"]) == "not-an-approver"
    assert chain.must("boss", "approve", change=answer["change"])["missing"] == 1
    assert chain.refused("boss", "approve", change=answer["change"]) == "approved"
    chain.wait(2 * DAY)
    assert chain.denied(room, key) == "region", "one consent is not two, however long it waits"
    last = chain.must("chief", "approve", change=answer["change"])
    assert (last["missing"], last["state"], last["ready_ms"]) == (0, "pending", chain.now + DAY)
    chain.wait(DAY - 100)
    assert chain.denied(room, key) == "region"
    chain.wait(100)
    assert chain.lease(room, key)["half"] == K
    assert [one["what"] for one in chain.look(OWNER, "records", key="/toy")["records"]][-2:] == [
        "loosened",
        "ask",
    ]


def test_T51_a_tightening_is_in_force_at_once_and_judges_open_leases(chain: VaultChain) -> None:
    key = approved(chain, pieces=9)
    room = Room(region="eu-south")
    beat = beats(chain, room, chain.lease(room, key)["lease"])
    assert beat(piece=1).ok
    answer = chain.must(OWNER, "change", key="/toy", policy=policy_of(PRINTERS, IN_WEST))
    assert (answer["state"], answer["loosens"]) == ("in force", [])
    assert (beat(piece=2).code, beat(piece=2, evidence=chain.shown(room)).code) == (
        "region",
        "region",
    )


def test_T51_in_one_block_a_tightening_holds_from_the_next_transaction_on(
    chain: VaultChain,
) -> None:
    room, key = Room(), chain.key(pieces=9)
    lease = chain.lease(room, key)["lease"]
    beat = {"lease": lease, "used": 0, "piece": 1}
    before, tightened, after = chain.both(
        (room.who, "beat", beat | {"number": 1}),
        (OWNER, "change", {"key": "/toy", "policy": policy_of(PRINTERS, IN_WEST, NOBODY)}),
        (room.who, "beat", beat | {"number": 2}),
    )
    assert (before.ok, tightened.ok, after.code) == (True, True, "policy")


NOBODY = {"claim": "operator", "equals": "nobody"}


def test_T51_a_loosening_that_waited_behind_an_open_lease_does_not_outlive_a_tightening(
    chain: VaultChain,
) -> None:
    """What was approved for other terms is void: else it would undo the tightening in between."""
    approved(chain, quantity=5, policy=policy_of(PRINTERS, IN_WEST))
    chain.must(OWNER, "change", key="/toy", quantity=10)
    change = waiting(chain)["change"]
    consent(chain, "boss")
    chain.must(OWNER, "change", key="/toy", quantity=1)
    assert chain.refused("chief", "approve", change=change) == "no-change"
    chain.must(OWNER, "change", key="/toy", quantity=10)
    consent(chain)
    chain.must(OWNER, "change", key="/toy", quantity=1, window_until_ms=chain.now + 10 * DAY)
    chain.wait(2 * DAY)
    chain.commit()
    assert (terms(chain)["quantity"], waiting(chain)) == (1, None)


def test_T51_consent_is_to_one_change_and_a_newer_one_begins_anew(chain: VaultChain) -> None:
    approved(chain, quantity=5)
    chain.must(OWNER, "change", key="/toy", quantity=10)
    first = waiting(chain)["change"]
    consent(chain, "boss")
    chain.must(OWNER, "change", key="/toy", quantity=1_000)
    assert chain.refused("chief", "approve", change=first) == "no-change"
    assert waiting(chain)["approvals"] == []


def test_T51_who_consents_say_the_terms_in_force_never_the_new_ones(chain: VaultChain) -> None:
    approved(chain)
    answer = chain.must(OWNER, "change", key="/toy", approvers=[BOSS], threshold=1)
    assert answer["loosens"] == ["approvers"]
    consent(chain, "boss")
    chain.wait(2 * DAY)
    chain.commit()
    assert terms(chain)["threshold"] == 2
    answer = chain.must(OWNER, "change", key="/toy", delay_ms=0)
    assert answer["loosens"] == ["delay_ms"]
    consent(chain)
    chain.commit()
    assert terms(chain)["delay_ms"] == DAY


def test_a_mixed_change_waits_as_a_whole(chain: VaultChain) -> None:
    approved(chain, quantity=5)
    answer = chain.must(OWNER, "change", key="/toy", quantity=9, heartbeat_ms=1_000)
    assert answer["loosens"] == ["quantity"]
    assert terms(chain)["heartbeat_ms"] == 10_000


def test_without_approvers_a_loosening_waits_for_its_delay_alone(chain: VaultChain) -> None:
    chain.key(quantity=5, delay_ms=5_000)
    assert chain.must(OWNER, "change", key="/toy", quantity=6)["state"] == "pending"
    assert terms(chain)["quantity"] == 5
    chain.wait(5_000)
    chain.commit()
    assert terms(chain)["quantity"] == 6
    chain.must(OWNER, "new", name="free", policy=POLICY, quantity=5)
    assert chain.must(OWNER, "change", key="/free", quantity=0)["state"] == "in force"


BASE = Terms("", "ledger", b"", (b"a", b"b"), 1, 5, 100, 200, 1_000, 3_000, 2, 4, 50)


@pytest.mark.parametrize(
    ("changed", "is_looser"),
    [
        ({"quantity": 4}, False),
        ({"quantity": 6}, True),
        ({"quantity": 0}, True),
        ({"window_from_ms": 101}, False),
        ({"window_from_ms": 99}, True),
        ({"window_until_ms": 199}, False),
        ({"window_until_ms": 201}, True),
        ({"window_until_ms": 0}, True),
        ({"heartbeat_ms": 999}, False),
        ({"heartbeat_ms": 1_001}, True),
        ({"lease_ms": 2_999}, False),
        ({"lease_ms": 3_001}, True),
        ({"allotment": 1}, False),
        ({"allotment": 3}, True),
        ({"delay_ms": 51}, False),
        ({"delay_ms": 49}, True),
        ({"threshold": 2}, False),
        ({"threshold": 0, "approvers": ()}, True),
        ({"approvers": (b"a",)}, False),
        ({"approvers": (b"a", b"b", b"c")}, True),
        ({"approvers": (b"a", b"c"), "threshold": 2}, True),
        ({"custodian": b"x"}, True),
        ({"custody": "split"}, True),
        ({"pieces": 0}, True),
    ],
)
def test_T51_each_field_knows_which_way_is_looser(changed: dict[str, Any], is_looser: bool) -> None:
    base = BASE._replace(policy=POLICY)
    names = loosened(base, base._replace(**changed))
    assert bool(names) == is_looser, names
    assert loosened(base, base) == ()


def test_T51_a_policy_is_tighter_only_if_that_is_plain() -> None:
    chip = {"claim": "ueid", "equals": "00" * 64}
    either = {"anyOf": [IN_WEST, chip]}

    def parsed(*authorities: dict[str, Any]) -> ReleasePolicy:
        import json

        listed = [{"authority": "strongroom"} | one for one in authorities]
        return ReleasePolicy.parse(json.dumps({"version": "1.0.0", "anyOf": listed}))

    one = parsed({"allOf": [PRINTERS]})
    both = parsed({"allOf": [IN_WEST, PRINTERS]})
    nested = parsed({"allOf": [{"allOf": [PRINTERS]}, either]})
    two = parsed({"allOf": [PRINTERS]}, {"allOf": [IN_WEST]})
    any_of = parsed({"anyOf": [PRINTERS, IN_WEST]})
    assert narrows(one, one)
    assert narrows(one, both)
    assert narrows(one, nested)
    assert narrows(two, both)
    assert narrows(two, one)
    assert not narrows(both, one)
    assert not narrows(nested, one)
    assert not narrows(nested, both)
    assert not narrows(one, two)
    assert not narrows(one, any_of)
    assert not narrows(both, any_of)
    assert narrows(any_of, any_of)
    less, more = ({"claim": "bootcount", "less": bound} for bound in (5, 6))
    assert not narrows(parsed({"allOf": [less]}), parsed({"allOf": [more]}))


# --- a key's life ---------------------------------------------------------------------------------


def test_a_key_goes_from_draft_to_active_and_stops(chain: VaultChain) -> None:
    assert chain.must(OWNER, "new", name="toy", policy=POLICY)["state"] == "draft"
    key = f"{chain.owner}/toy"
    assert chain.denied(Room(), key) == "no-key"
    assert chain.must(OWNER, "put", key="/toy", secret=K) == {"version": 1, "state": "active"}
    assert chain.refused(OWNER, "put", key="/toy", secret=K) == "put"
    assert chain.refused(OWNER, "new", name="toy", policy=POLICY) == "taken"
    assert chain.must(OWNER, "suspend", key="/toy")["state"] == "suspended"
    assert chain.refused(OWNER, "suspend", key="/toy") == "suspended"
    assert chain.must(OWNER, "resume", key="/toy")["state"] == "active"
    assert chain.must(OWNER, "revoke", key="/toy")["state"] == "revoked"
    assert chain.refused(OWNER, "resume", key="/toy") == "revoked"
    assert chain.refused(OWNER, "rotate", key="/toy", secret=K, old_until_ms=0) == "rotate"
    assert chain.refused(OWNER, "change", key="/toy", quantity=1) == "revoked"
    assert chain.must(OWNER, "destroy", key="/toy")["state"] == "destroyed"
    assert chain.refused(OWNER, "destroy", key="/toy") == "destroyed"


def test_nobody_but_the_owner_does_anything_to_a_key(chain: VaultChain) -> None:
    key = chain.key()
    for operation in ("suspend", "resume", "revoke", "destroy", "confirm"):
        assert chain.refused("thief", operation, key=key) == "no-key"
    assert chain.refused("thief", "put", key=key, secret=K) == "no-key"
    assert chain.refused("thief", "rotate", key=key, secret=K, old_until_ms=0) == "no-key"
    assert chain.refused("thief", "change", key=key, quantity=1) == "no-key"
    assert chain.refused("thief", "resolve", key=key, room="hall-7", keep=1) == "no-key"
    assert chain.refusal("thief", "vault.key", key=key) == "no-key"
    assert chain.look("thief", "keys", owner=chain.owner) == []
    assert [one["key"] for one in chain.look(OWNER, "keys")] == ["toy"]


def test_a_rotated_key_opens_in_its_old_version_until_a_date(chain: VaultChain) -> None:
    key, newer = chain.key(), bytes(32)
    until = chain.now + 5_000
    assert chain.must(OWNER, "rotate", key="/toy", secret=newer, old_until_ms=until) == {
        "version": 2,
        "state": "active",
    }
    room = Room(who="one")
    assert chain.lease(room, key)["half"] == newer
    assert chain.lease(Room(who="two"), f"{key}@1")["half"] == K
    chain.wait(6_000)
    assert chain.denied(Room(who="three"), f"{key}@1") == "revoked"
    assert chain.denied(room, f"{key}@3") == "no-key"
    for label in ("@", "@0", "@01", "@x", "@1@1", "@-1"):
        assert chain.denied(room, key + label) == "no-key"


def test_one_version_can_be_revoked_alone(chain: VaultChain) -> None:
    key = chain.key()
    chain.must(OWNER, "rotate", key="/toy", secret=bytes(32), old_until_ms=chain.now + DAY)
    chain.must(OWNER, "revoke", key="/toy@1")
    assert chain.denied(Room(who="two"), f"{key}@1") == "revoked"
    assert chain.lease(Room(who="one"), key)["half"] == bytes(32)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"policy": "{}"}, "policy"),
        ({"policy": "[" * 5_000}, "policy"),
        ({"custody": "cloud"}, "terms"),
        ({"custody": "split"}, "terms"),
        ({"approvers": [BOSS]}, "terms"),
        ({"threshold": 1}, "terms"),
        ({"approvers": [BOSS, BOSS], "threshold": 1}, "terms"),
        ({"quantity": -1}, "terms"),
        ({"heartbeat_ms": 0}, "terms"),
        ({"lease_ms": 9_999}, "terms"),
        ({"allotment": 0}, "terms"),
        ({"pieces": 2**40}, "terms"),
        ({"window_from_ms": 9, "window_until_ms": 9}, "terms"),
        ({"name": "a/b"}, "name"),
        ({"name": "a@1"}, "name"),
        ({"name": ""}, "name"),
        ({"quantity": 2**62}, "terms"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(
    chain: VaultChain, changed: dict[str, Any], code: str
) -> None:
    assert chain.refused(OWNER, "new", **({"name": "toy", "policy": POLICY} | changed)) == code


def test_what_the_vault_adds_is_counted(chain: VaultChain) -> None:
    key = chain.key()
    assert chain.ask(OWNER, "roster.standing")["entries"] == 10
    room = Room()
    lease = chain.lease(room, key)["lease"]
    assert chain.ask(room.who, "roster.standing")["entries"] == 4
    chain.must(room.who, "end", lease=lease, used=0)
    chain.lease(room, key)
    assert chain.ask(room.who, "roster.standing")["entries"] == 7, "the room was seen before"


def test_T11_who_shows_ever_other_rooms_pays_for_each_though_it_gets_nothing(
    chain: VaultChain,
) -> None:
    key = chain.key(quantity=1)
    chain.lease(Room(), key)
    for at in range(3):
        assert chain.denied(Room(name=f"room-{at}", who="many"), key) == "quantity"
    assert chain.ask("many", "roster.standing")["entries"] == 3
    clone = Room(name="room-9", who="many")
    assert chain.denied(clone, key) == "quantity"
    assert chain.denied(clone.again(who="clone"), key) == "clone"
    assert chain.denied(clone.again(who="clone"), key) == "clone"
    assert chain.ask("clone", "roster.standing")["entries"] == 1


def test_T11_an_ask_uses_up_the_steps_of_its_signatures(chain: VaultChain) -> None:
    room, key = Room(), chain.key()
    for ask in (lambda: chain.lease(room, key), lambda: chain.denied(room, key)):
        ask()
        used = STEPS_MAX - chain.executor._runner.state.meter.left
        assert EVIDENCE_STEPS < used < 2 * EVIDENCE_STEPS
