"""Residency: what a report proves from the pin alone, and the reports that are refused (T58)."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.dead_service import certified, died, mortal
from tests.enclave.fixtures import REGION, key_named, make_cluster_genesis
from tests.enclave.service_world import World, allowed, attested
from typer.testing import CliRunner

from strongroom.consensus.blocks import Header
from strongroom.consensus.codec import decode, encode
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.errors import ReceiptInvalid
from strongroom.consensus.recovery import RecoveryCertificate
from strongroom.consensus.types import Milliseconds
from strongroom.enclave.formats.history import HistoryLeaf
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.governance.public import (
    BALLOT,
    PROPOSE_SEVERAL,
    changes_digest,
    proposal_id,
    sign_public,
)
from strongroom.enclave.governance.records import Changes
from strongroom.node.cli.main import make_app
from strongroom.node.client.audit.residency import residency_of, verify_residency
from strongroom.node.client.audit.residency_report import ResidencyReport, make_report
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.reading import open_store

Json = dict[str, Any]


@cache
def world() -> World:
    """Two epochs: n9 of a new operator in a new region joins, and is a validator of the second."""
    world = World()
    world.govern("set_country", region="north", country="NO")
    world.govern("set_country", region=REGION, country="SE")
    world.govern("allow_region", region="north")
    joiner = world.prepare("n9", region="north")
    allowed(world, "operator9", joiner.chip.chip_id)
    joiner.core.learner.extend(world.entries)
    attested(world, joiner)
    giver = world.nodes["n0"].member
    nonce = giver.keys_challenge()
    given = giver.keys_give(joiner.core.active.keys_proof(nonce), nonce, world.tip.time_ms)
    joiner.sealed = joiner.core.active.keys_take(given)
    world.commit()
    world.catch_up(joiner)
    world.freshen(joiner)
    world.nodes["n9"] = joiner
    while world.epoch == 0:
        world.commit(*world.duties(), after_ms=1_000)
        world.catch_up(joiner)
    world.finish(joiner)
    world.govern(
        "add_issuer",
        issuer="https://id.example",
        audience="strongroom",
        claim="ctry",
        regions=(("NO", "north"),),
        guests=(),
        life_ms=3_600_000,
        observed=True,
    )
    govern_several(
        world,
        (
            ("set_program_regions", (("program", "vault"), ("regions", ("NO",)))),
            ("set_country", (("region", "south"), ("country", "FR"))),
        ),
    )
    for _ in range(3):
        world.commit()
    return world


def govern_several(world: World, changes: Changes) -> None:
    """One proposal of several changes, taken by three."""
    members = world.cluster.members
    fields = (bytes(16), 0, changes)
    proposer = members["member0"]
    world.must(sign_public(proposer.public, proposer.sign, world.chain, PROPOSE_SEVERAL, fields))
    cast = (proposal_id(proposer.public, encode(fields)), changes_digest(changes), True)
    for name in ("member1", "member2"):
        key = members[name]
        world.must(sign_public(key.public, key.sign, world.chain, BALLOT, cast))


def records(some: World) -> list[StoredBlock | Outcome]:
    return [
        one
        for block, outcome in zip(some.blocks, some.outcomes, strict=True)
        for one in (
            StoredBlock(block.header, block.certificate, block.batches),
            Outcome.decode(outcome),
        )
    ]


@cache
def made() -> bytes:
    genesis = world().cluster.verified
    report = make_report(genesis, records(world()), lambda one: residency_of(one, genesis.pin))
    return json.dumps(report.to_json()).encode()


@cache
def late() -> bytes:
    """The same ledger, which went on: n10 was admitted in the south, n9 removed, and a third epoch
    began."""
    later = copy(world())
    later.blocks, later.outcomes = list(world().blocks), list(world().outcomes)
    later.entries, later.nodes = list(world().entries), dict(world().nodes)
    later.govern("allow_region", region="south")
    joiner = later.prepare("n10", operator="operator10", region="south")
    allowed(later, "operator10", joiner.chip.chip_id)
    joiner.core.learner.extend(later.entries)
    attested(later, joiner)
    later.govern("remove_node", node="n9")
    later.nodes.pop("n9")
    later.turn_epoch()
    for _ in range(3):
        later.commit()
    genesis = later.cluster.verified
    report = make_report(genesis, records(later), lambda one: residency_of(one, genesis.pin))
    return json.dumps(report.to_json()).encode()


def pin() -> str:
    return world().cluster.verified.pin


def verified(data: bytes, **more: Any) -> Json:
    return verify_residency(ResidencyReport.from_json(data), pin(), **more)


def changed(
    change: Callable[[Json], None], *, saying: bool = False, data: bytes | None = None
) -> bytes:
    """The report after a change; `saying`: what it says is made to fit, where that is possible."""
    document = json.loads(data or made())
    change(document)
    data = json.dumps(document).encode()
    if saying:
        document["says"] = residency_of(ResidencyReport.from_json(data), pin())
    return json.dumps(document).encode()


def verdict(data: bytes, **more: Any) -> str:
    try:
        verified(data, **more)
    except ReceiptInvalid as invalid:
        return invalid.verdict
    return "valid"


def proven(report: ResidencyReport) -> str:
    """The verdict on its proofs, whatever it says."""
    try:
        residency_of(report, pin())
    except ReceiptInvalid as invalid:
        return invalid.verdict
    return "valid"


def word_of(document: Json, action: str, at: int = 0) -> int:
    """Which word is the one of this action."""
    found = [
        number
        for number, word in enumerate(document["words"])
        if action.encode() in b64decode(word["envelope"])[:200]
    ]
    return found[at]


def test_T58_where_keys_could_be_opened_is_recomputed_from_the_pin() -> None:
    document = verified(made())
    first, second = document["epochs"]

    def places(epoch: Json) -> dict[str, tuple[str, str, str, str, int]]:
        return {
            one["node"]: (
                one["role"],
                one["operator"],
                one["region"],
                one["country"],
                one["basis"],
            )
            for one in epoch["keys"]
        }

    founders = {f"n{n}": ("validator", f"operator{n}", REGION, "SE", 2) for n in range(4)}
    joined = ("operator9", "north", "NO", 2)
    assert places(first) == founders | {"n9": ("admitted", *joined)}
    assert places(second) == founders | {"n9": ("validator", *joined)}
    assert {one["region"]: one["nodes"] for one in document["ciphertext"]} == {
        REGION: ["n0", "n1", "n2", "n3"],
        "north": ["n9"],
    }
    vouching = {one["operator"]: one for one in document["operators"]}
    assert vouching["operator9"]["keys"] == [key_named("operator9").public.hex()]
    assert document["regions"]["programs"] == {"vault": ["NO"]}
    assert [one["change"] for one in document["rules"]][-2:] == [
        "set_program_regions",
        "set_country",
    ]
    assert document["regions"]["countries"]["south"] == "FR"
    assert document["simulated"]
    assert verdict(made(), at_least=document["height"]) == "valid"
    assert verdict(made(), at_least=document["height"] + 1) == "incomplete"


def test_T58_a_report_that_leaves_a_validator_out_is_refused() -> None:
    def without(document: Json) -> None:
        del document["words"][word_of(document, "attest")]

    data = changed(without)
    with pytest.raises(ReceiptInvalid, match="epoch 1: the evidence of validator") as invalid:
        verified(data)
    assert invalid.value.verdict == "incomplete"


def test_T58_a_report_that_leaves_an_epoch_out_is_refused() -> None:
    assert verdict(changed(lambda one: one["epochs"].clear())) == "incomplete"
    assert verdict(changed(lambda one: one["epochs"].append(one["epochs"][0]))) == "forged"

    def older_header(document: Json) -> None:
        """The epoch's end is the newest that is shown, and what it opens is left out."""
        (entry,) = document["epochs"]
        terminal = next(
            block
            for block in world().blocks
            if block.header.next_epoch != world().cluster.verified.description.digest
        )
        assert terminal.header.encoded in b64decode(entry)
        document["epochs"].clear()
        document["header"] = b64encode(terminal.header.encoded).decode()
        certificate = encode(terminal.certificate.to_wire())
        document["certificate"] = b64encode(certificate).decode()
        document["words"].clear()

    assert verdict(changed(older_header)) == "incomplete"


def test_T58_a_region_that_is_another_one_is_refused_wherever_it_is_written() -> None:
    def said(document: Json) -> None:
        document["says"]["epochs"][1]["keys"][0]["region"] = "south"

    def in_evidence(document: Json) -> None:
        word = document["words"][word_of(document, "attest")]
        envelope = b64decode(word["envelope"])
        assert envelope.count(b"north") == 2, "in claims, and in what the operator signed"
        word["envelope"] = b64encode(envelope.replace(b"north", b"south")).decode()

    def in_genesis(document: Json) -> None:
        genesis = b64decode(document["genesis"])
        other = genesis.replace(REGION.encode(), b"x" * len(REGION))
        document["genesis"] = b64encode(other).decode()

    def another_country(document: Json) -> None:
        document["says"]["ciphertext"][0]["country"] = "US"

    for change in (said, in_evidence, in_genesis, another_country):
        assert verdict(changed(change)) == "forged", change.__name__


def test_T58_a_word_that_was_not_executed_there_or_was_answered_otherwise_is_refused() -> None:
    def moved(document: Json) -> None:
        document["words"][0]["index"] += 1

    def answered(document: Json) -> None:
        document["words"][0]["result"] = document["words"][-1]["result"]

    def decided_alone(document: Json) -> None:
        """The proposer's own yes is said to have been enough."""
        word = document["words"][0]
        _, (id, status) = decode(b64decode(word["result"]))
        assert status == "open"
        word["result"] = b64encode(encode((True, (id, "active")))).decode()

    def twice(document: Json) -> None:
        document["words"].insert(1, document["words"][0])

    def elsewhere(document: Json) -> None:
        document["words"][0]["place"] = document["words"][1]["place"]

    def other_certificate(document: Json) -> None:
        newest = world().blocks[-2]
        document["certificate"] = b64encode(encode(newest.certificate.to_wire())).decode()

    def none_at_all(document: Json) -> None:
        document["certificate"] = None

    for change in (
        moved,
        answered,
        decided_alone,
        twice,
        elsewhere,
        other_certificate,
        none_at_all,
    ):
        report = ResidencyReport.from_json(changed(change))
        assert proven(report) == "forged", change.__name__


def test_T58_evidence_over_another_block_than_it_names_is_refused() -> None:
    def over_another_block(document: Json) -> None:
        word = document["words"][word_of(document, "attest")]
        word["answered"] = document["words"][0]["place"]

    def unanswered(document: Json) -> None:
        document["words"][word_of(document, "attest")]["answered"] = None

    for change in (over_another_block, unanswered):
        assert proven(ResidencyReport.from_json(changed(change))) == "forged"


def test_T58_a_word_in_a_block_that_no_quorum_certified_is_refused() -> None:
    """Header, leaf and outcome fit one another; only the history does not have them."""

    def made_up(document: Json) -> None:
        word = document["words"][0]
        header = Header.decode(b64decode(word["header"]))
        later = replace(header, time_ms=Milliseconds(header.time_ms + 1))
        leaf = HistoryLeaf.decode(b64decode(word["place"]["leaf"]))
        word["header"] = b64encode(later.encoded).decode()
        leaf = replace(leaf, block=later.digest)
        word["place"]["leaf"] = b64encode(leaf.encode()).decode()

    with pytest.raises(ReceiptInvalid, match="is not in the history"):
        changed(made_up, saying=True)


def test_T58_evidence_that_a_vote_allowed_needs_that_vote() -> None:
    """Else whoever makes a report shows what he likes of the rules, and hides the rest."""

    def without_region(document: Json) -> None:
        for number, word in reversed(list(enumerate(document["words"]))):
            if b"allow_region" in b64decode(word["envelope"]):
                del document["words"][number]

    data = changed(without_region)
    with pytest.raises(ReceiptInvalid, match=r"proposal .* is left out"):
        verified(data)


def test_what_is_no_report_is_refused_by_name() -> None:
    assert verdict(b"") == verdict(b"[]") == verdict(b"{") == "forged"
    for name, value in (
        ("format", "other"),
        ("words", {}),
        ("words", [1]),
        ("genesis", 1),
        ("epochs", ["!"]),
        ("header", ""),
        ("says", []),
        ("more", 1),
        ("version", True),
    ):
        document = json.loads(made()) | {name: value}
        assert verdict(json.dumps(document).encode()) in ("forged", "cannot check"), name
    for version in (1, 3):
        told = json.dumps(json.loads(made()) | {"version": version}).encode()
        assert verdict(told) == "cannot check"
    with pytest.raises(ReceiptInvalid) as invalid:
        verify_residency(ResidencyReport.from_json(made()), "sr1-mistyped")
    assert invalid.value.verdict == "cannot check"
    other = make_cluster_genesis(4).verified.pin
    with pytest.raises(ReceiptInvalid, match="another service"):
        verify_residency(ResidencyReport.from_json(made()), other)


def test_a_service_without_a_block_has_a_report_of_its_founders() -> None:
    genesis = world().cluster.verified
    report = make_report(genesis, [], lambda one: residency_of(one, genesis.pin))
    document = verify_residency(report, genesis.pin)
    assert [one["node"] for one in document["epochs"][0]["keys"]]
    assert (document["height"], len(document["epochs"])) == (0, 1)


def test_T58_a_node_that_is_admitted_later_opens_the_ledger_secrets_of_before() -> None:
    """It gets them with its admission (key_release.py): an epoch's state can be opened where it
    stands, though it was no node of that epoch."""
    document = verified(late())
    first, second = document["epochs"][:2]
    assert {one["node"] for one in first["keys"]} == {f"n{n}" for n in range(4)} | {"n9"}
    held = [{"region": "south", "country": "FR", "nodes": ["n10"]}]
    assert (first["later"], second["later"]) == (held, [])
    assert ("n10", "admitted", "south") in {
        (one["node"], one["role"], one["region"]) for one in second["keys"]
    }

    def hidden(document: Json) -> None:
        document["says"]["epochs"][0]["later"] = []

    assert verdict(changed(hidden, data=late())) == "forged"


def test_T58_a_node_that_members_removed_gets_no_keys_of_the_next_epoch() -> None:
    """It stays among those who may keep ciphertext, and what it had it has."""
    document = verified(late())
    removed = [epoch["epoch"] for epoch in document["epochs"] if "n9" not in nodes_of(epoch)]
    assert removed == [2], "members removed n9 in the second epoch"
    assert "n9" in next(one for one in document["ciphertext"] if one["region"] == "north")["nodes"]


def nodes_of(epoch: Json) -> set[str]:
    return {one["node"] for one in epoch["keys"]}


def test_answers_that_only_equal_one_another_are_not_the_same() -> None:
    def yes(document: Json) -> None:
        document["says"]["epochs"][0]["keys"][0]["basis"] = 2.0

    def one(document: Json) -> None:
        document["says"]["simulated"] = 1

    assert [verdict(changed(change)) for change in (yes, one)] == ["forged", "forged"]


def recovered_report(recovery: RecoveryCertificate) -> ResidencyReport:
    """Of a service that members brought back: its newest header is the one that they agreed to."""
    entry = EpochEntry(recovery.opening, recovery, recovery.description, recovery.public_key)
    genesis = mortal().genesis
    return ResidencyReport(genesis, (entry,), recovery.opening.encoded, recovery, (), {})


def test_T45_who_recovered_a_lost_epoch_is_shown_by_its_own_evidence() -> None:
    recovery = certified(died())
    report = recovered_report(recovery)
    assert ResidencyReport.from_json(json.dumps(report.to_json()).encode()) == report
    document = residency_of(report, mortal().verified.pin)
    ((one,), epochs) = ([*document["epochs"][1]["keys"]][:1], document["epochs"])
    assert (one["role"], one["region"], one["since_height"]) == (
        "validator",
        REGION,
        recovery.opening.height,
    )
    assert len(epochs) == 2
    with pytest.raises(ReceiptInvalid, match="is left out") as invalid:
        residency_of(recovered_report(recovery.brief()), mortal().verified.pin)
    assert invalid.value.verdict == "incomplete"


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A node's ledger, in files."""
    (tmp_path / "genesis.bin").write_bytes(world().cluster.genesis)
    store = open_store(tmp_path / "n0")
    for record in records(world()):
        if isinstance(record, StoredBlock):
            store.append_block(record.header.height, record.encode())
        else:
            store.append_outcome(record.height, record.encode(), record.ids_and_codes())
    store.close()
    return tmp_path


def told(*arguments: str) -> tuple[int, Json]:
    done = CliRunner().invoke(make_app(arguments[0]), [*arguments, "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_the_commands_make_a_report_and_verify_it_and_miss_what_was_left_out(
    folder: Path,
) -> None:
    file, ledger = folder / "residency.json", str(folder / "n0")
    code, document = told("residency", "report", ledger, "-o", str(file), "--service", pin())
    assert (code, document["file"]) == (0, str(file))
    code, document = told("verify", "residency", str(file), "--service", pin())
    assert (code, document["verdict"], document["complete"]) == (0, "valid", False)
    assert any("--ledger" in line for line in document["limits"])
    assert any("operator's word" in line for line in document["limits"])
    code, document = told("verify", "residency", str(file), "--service", pin(), "--ledger", ledger)
    assert (code, document["verdict"], document["complete"]) == (0, "valid", True)
    assert told("verify", "residency", str(file))[0] == 4
    shown = CliRunner().invoke(
        make_app("verify"), ["verify", "residency", str(file), "--service", pin()]
    )
    assert shown.exit_code == 0
    assert "operator9" in shown.stdout

    def without_the_last_vote(report: Json) -> None:
        report["words"] = report["words"][: word_of(report, "propose", -1)]

    file.write_bytes(changed(without_the_last_vote, saying=True))
    code, document = told("verify", "residency", str(file), "--service", pin())
    assert (code, document["complete"]) == (0, False), "nothing in it is wrong"
    code, document = told("verify", "residency", str(file), "--service", pin(), "--ledger", ledger)
    assert (code, document["verdict"]) == (1, "incomplete")
