"""`gov simulate`: the difference of rules, who must agree and still has to, when; and then exactly
that happens."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.fixtures import REGION, key_named
from tests.enclave.governance.test_several import Pairs, decide, listed, several
from tests.enclave.governance.world import World

from strongroom.consensus import codec
from strongroom.consensus.errors import ClientFault
from strongroom.enclave.governance.document import Document
from strongroom.node.client.change_files import FILE_BYTES_MAX, read_file, read_words
from strongroom.node.client.differences import rule_differences
from strongroom.node.client.identities import KeyFolder
from strongroom.node.client.simulation import simulation

NEW = key_named("new").public
DELAY_MS = HOUR_MS = 3_600_000


def shown(world: World) -> Document:
    return Document.read(codec.decode(codec.encode(world.governance.document())))


def simulated(world: World, *changes: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return simulation(shown(world), listed(*changes))


def differences(document: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {one["thing"]: (one["before"], one["after"]) for one in document["differences"]}


def test_who_could_vote_and_what_every_class_asks_for_is_told_before_and_after() -> None:
    document = simulated(World(), ("set_weight", {"name": "member3", "weight": 0}))
    found = differences(document)
    assert found["voters"] == (
        ["member0", "member1", "member2", "member3"],
        ["member0", "member1", "member2"],
    )
    assert found["watchers"] == ([], ["member3"])
    assert found["threshold code"] == ("majority: 3 of 4", "majority: 2 of 3")
    assert (document["votes_needed"], document["members"], document["missing"]) == (3, 4, 3)
    assert document["delay_ms"] == 0


def test_several_changes_are_tried_together_and_told_with_the_strictest_class() -> None:
    world = World()
    world.decide("set_threshold", **{"class": "code", "threshold": "unanimous"})
    document = simulated(
        world,
        ("allow_operator", {"operator": "new", "key": NEW}),
        ("allow_chip", {"operator": "new", "chip": bytes(64)}),
        ("allow_measurement", {"measurement": bytes(48)}),
        ("set_limit", {"name": "grace_ms", "value": 5}),
    )
    assert differences(document) == {
        "operator new": (None, NEW.hex()),
        f"chip new/{bytes(64).hex()}": (None, "allowed"),
        f"measurement {bytes(48).hex()}": (None, "allowed"),
        "limit grace_ms": (60_000, 5),
    }
    assert (document["votes_needed"], document["delay_ms"]) == (4, DELAY_MS)
    assert {one["class"]: one["asks_for"] for one in document["classes"]} == {
        "code": "unanimous: 4 of 4",
        "limits": "majority: 3 of 4",
        "nodes": "majority: 3 of 4",
    }
    assert document["waits_for"] == document["changes"]


def test_what_an_issuer_means_and_whom_a_rule_lets_in_is_told_in_words() -> None:
    world = World()
    said = {
        "issuer": "https://id.example",
        "audience": "ledger",
        "claim": "ctry",
        "regions": (("DE", "europe"), ("US", "america")),
        "guests": ("acct", 1, 0, ""),
        "life_ms": HOUR_MS,
        "observed": True,
    }
    rule = ("set_program_regions", {"program": "payments", "regions": ("europe",)})
    service = ("set_program_regions", {"program": "service", "regions": ("america", "europe")})
    found = differences(simulated(world, ("add_issuer", said), rule, service))
    meant = "for ledger; ctry: DE is europe, US is america; guests (acct 1, not 0) are refused; "
    assert found == {
        "issuer https://id.example": (
            None,
            meant + "at most 3600 s; keys by operators and votes",
        ),
        "calls of payments from": (None, ["europe"]),
        "calls of payments let in": (None, ["europe"]),
        "calls of service from": (None, ["america", "europe"]),
        "calls of service let in": (None, ["america", "europe"]),
    }
    world.decide("add_issuer", **said)
    world.decide("set_country", region="europe", country="DE")
    world.pass_time(HOUR_MS)
    world.decide("set_program_regions", program="payments", regions=("DE",))
    gone = simulated(world, ("remove_country", {"region": "europe"}))
    assert differences(gone)["calls of payments let in"] == (["europe"], []), "nobody any more"
    assert gone["delay_ms"] == 0


def test_a_proposals_ballots_say_how_many_are_missing_and_who_has_not_voted() -> None:
    world = World()
    rotation = listed(("rotate", {"compromised": False}))
    id, _ = world.ok(several(world, rotation))
    world.ok(world.ballot(id, "member2", yes=False))
    (proposal,) = shown(world).proposals
    document = simulation(shown(world), proposal.changes, proposal)
    assert (document["yes"], document["missing"]) == (1, 2)
    assert document["not_voted"] == ["member1", "member3"]
    assert document["proposal"] == {"id": id, "status": "open"}
    assert document["effect"] == "rotate"
    assert document["differences"] == []


def test_which_nodes_would_be_suspended_is_told_of_all_changes_together() -> None:
    world = World()
    document = simulated(
        world,
        ("remove_node", {"node": "n3"}),
        ("revoke_key", {"key": bytes(32)}),
        ("add_users", {"users": (bytes(32), bytes(31) + b"1")}),
    )
    assert {one["node"] for one in document["nodes"]} == {"n0", "n1", "n2", "n3"}
    assert document["nodes"][-1]["why"] == "members remove it"
    assert document["users"] == {"added": 2, "removed": 0}


def test_what_would_be_refused_is_told_with_the_change() -> None:
    document = simulated(
        World(), ("allow_region", {"region": "asia"}), ("forbid_region", {"region": REGION})
    )
    assert document["ok"] is False
    assert document["error"]["code"] == "lock-out"
    assert document["error"]["message"].startswith("change 2 of 2, forbid_region")


def test_who_sets_a_class_stricter_than_that_of_members_is_warned() -> None:
    stricter = ("set_threshold", {"class": "code", "threshold": "unanimous"})
    (warning,) = simulated(World(), stricter)["warnings"]
    assert "class code asks for more than class members (3 of 4)" in warning
    both = simulated(
        World(), stricter, ("set_threshold", {"class": "members", "threshold": "unanimous"})
    )
    assert both["warnings"] == []


PLANS: list[Pairs] = [
    listed(
        ("add_member", {"name": "regulator", "key": NEW}),
        ("set_weight", {"name": "regulator", "weight": 0}),
        ("set_threshold", {"class": "code", "threshold": "4"}),
    ),
    listed(
        ("set_country", {"region": REGION, "country": "SE"}),
        ("grant", {"program": "payments", "role": "auditor", "identity": bytes(32)}),
        ("set_max_age", {"max_age_ms": 90_000_000}),
        ("remove_member", {"name": "member3"}),
    ),
    listed(("set_limit", {"name": "proposal_lifetime_ms", "value": 60_000})),
]


@pytest.mark.parametrize("plan", PLANS, ids=["members", "rules", "limit"])
def test_what_is_told_is_what_then_happens(plan: Pairs) -> None:
    """The same pure function as the enclave's."""
    world = World()
    document = simulation(shown(world), plan)
    before = world.governance.rules
    id = decide(world, plan)
    world.pass_time(document["delay_ms"])
    assert world.status(id) == "active"
    happened = [one.to_json() for one in rule_differences(before, world.governance.rules)]
    assert happened == document["differences"]
    assert happened


def test_what_has_no_words_here_is_told_as_it_is() -> None:
    before = World().governance.rules
    policy = replace(before.policy, allow_simulated=not before.policy.allow_simulated)
    (told,) = rule_differences(before, replace(before, policy=policy))
    assert (told.thing, told.before, told.after) == ("allow_simulated", True, False)


def test_every_field_of_the_rules_is_compared() -> None:
    """A thing that no difference tells would be voted on unseen."""
    trials = shown(World()).simulate(EVERYTHING)
    told = {one.thing.split(" ")[0] for one in rule_differences(trials[0].before, trials[-1].after)}
    assert told == {
        *("voters", "watchers", "member", "threshold", "operator", "chip", "measurement"),
        *("region", "country", "floors", "revoked", "max_age_ms", "role", "limit"),
    }


FLOORS: dict[str, Any] = {"product": "SIMULATED"} | dict.fromkeys(
    ("committed", "launch", "reported"), (0,) * 5
)
EVERYTHING = (
    *(one for plan in PLANS for one in plan if one[0] != "remove_member"),
    *listed(
        ("allow_operator", {"operator": "new", "key": NEW}),
        ("allow_chip", {"operator": "new", "chip": bytes(64)}),
        ("allow_measurement", {"measurement": bytes(48)}),
        ("allow_region", {"region": "asia"}),
        ("revoke_key", {"key": bytes(32)}),
        ("set_floors", FLOORS),
        ("add_member", {"name": "voter", "key": key_named("voter").public}),
    ),
)


# --- words and files ------------------------------------------------------------------------------


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "keys")


def test_a_word_without_an_equals_sign_begins_the_next_change(keys: KeyFolder) -> None:
    words = ["set_limit", "name=grace_ms", "value=5", "rotate", "compromised=true"]
    assert read_words(words, keys) == listed(
        ("set_limit", {"name": "grace_ms", "value": 5}), ("rotate", {"compromised": True})
    )
    for wrong, text in (
        (["compromised=true"], "CHANGE KEY=VALUE"),
        (["rotate", "compromised=true", "compromised=true"], "given twice"),
        (["rotate", "compromised=true", "rotat"], "change 2, rotat"),
        (["rotate", "compromised=perhaps"], "arguments: compromised"),
        (["rotate", "compromised=true"] * 17, "1 to 16 changes"),
        ([], "1 to 16 changes"),
    ):
        with pytest.raises(ClientFault, match=text):
            read_words(wrong, keys)


def test_a_file_has_a_table_for_each_change(keys: KeyFolder, tmp_path: Path) -> None:
    file = tmp_path / "changes.toml"
    file.write_text(
        f"""
        [[changes]]
        change = "add_member"
        name = "bank-e"
        key = "{NEW.hex()}"

        [[changes]]
        change = "set_weight"
        name = "bank-e"
        weight = 0

        [[changes]]
        change = "rotate"
        compromised = false

        [[changes]]
        change = "add_users"
        users = ["id:{bytes(32).hex()}", "{(bytes(31) + b"1").hex()}"]
        """
    )
    assert read_file(file, keys) == listed(
        ("add_member", {"name": "bank-e", "key": NEW}),
        ("set_weight", {"name": "bank-e", "weight": 0}),
        ("rotate", {"compromised": False}),
        ("add_users", {"users": (bytes(32), bytes(31) + b"1")}),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"\[\[changes\]\]"),
        ("changes = 3", r"\[\[changes\]\]"),
        ("changes = [3]", "no change = NAME"),
        ("[[changes]]\nname = 'x'", "table 1 of"),
        ("[[changes]]\nchange = 'rotate'\n[more]", r"\[\[changes\]\]"),
        ("[[changes]]\nchange = 'rotate'\ncompromised = 1.5", "rotate: compromised: expected"),
        ("[[changes]]\nchange = 'rotat'", "unknown-change"),
        ("[[changes", "at the end of an array"),
        ("\x00", "line 1|Illegal"),
        ("#" * (FILE_BYTES_MAX + 1), "at most"),
    ],
)
def test_what_is_no_such_file_is_told_with_its_place(
    keys: KeyFolder, tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "changes.toml"
    file.write_text(text)
    with pytest.raises(ClientFault, match=said):
        read_file(file, keys)
    with pytest.raises(ClientFault, match="No such file"):
        read_file(tmp_path / "none.toml", keys)
