"""T5B: a member that agreed to two recoveries under one generation of shares is named by the two
agreements, offline, by the pin alone."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.enclave.dead_service import Dead, agreed, certified, died, given, planned
from tests.enclave.outside.test_misbehaviour import told

from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.errors import ReceiptInvalid
from strongroom.consensus.recovery import Agreement
from strongroom.consensus.types import Digest
from strongroom.enclave.formats.recovery_plan import RecoveryPlan
from strongroom.enclave.outside import misbehaviour_shown
from strongroom.enclave.outside.misbehaviour import NO_CONTRADICTION, ShownAgreement, judge
from strongroom.enclave.outside.misbehaviour_files import agreement_document, read_file
from strongroom.enclave.outside.misbehaviour_shown import VerifiedShown
from strongroom.enclave.outside.receipts import build_receipt
from strongroom.enclave.outside.recovery_giving import Offer

DEAD = died()
"""One service, and two nodes that want to recover it."""
PLANS = [planned(DEAD, (index,))[1] for index in (0, 1)]
PIN = DEAD.chain.genesis.pin


def shown(plan: RecoveryPlan, *members: str, dead: Dead = DEAD) -> ShownAgreement:
    return ShownAgreement(
        genesis=dead.chain.genesis.data,
        certificate=plan.certificate([agreed(dead, plan, name) for name in members]).brief(),
    )


def test_who_signed_two_recoveries_is_named_with_key_and_epoch_and_nobody_else_is() -> None:
    found = judge(shown(PLANS[0], "member0", "member1"), shown(PLANS[1], "member1", "member2"), PIN)
    (one,) = found.guilty
    key = DEAD.chain.members_keys["member1"].public
    assert (one.name, one.key, one.signed_in) == ("member1", key, ((0, key), (0, key)))
    assert one.agreed == (PLANS[0].statement, PLANS[1].statement)
    assert found.what == "two recoveries of epoch 0 under one generation"


def test_a_recovery_below_a_final_block_accuses_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No validator signed both, and members need not have seen what was final."""
    chain, genesis = DEAD.chain, DEAD.chain.genesis
    anchor = chain.blocks[-1].header
    certificate = certified(replace(DEAD, records=DEAD.records[:-1]))
    entry = EpochEntry(
        certificate.opening, certificate, certificate.description, certificate.public_key
    )
    before = build_receipt(
        genesis=genesis.data,
        outcome=chain.outcomes[0],
        position=0,
        history=chain.history,
        anchor=anchor,
        certificate=chain.certificate(anchor),
    )
    after = replace(before, epochs=(entry,))
    monkeypatch.setattr(misbehaviour_shown, "verify_receipt", lambda *_: None)
    for first, second in ((before, after), (after, before)):
        found = judge(first, second, PIN)
        assert (found.signed_both, found.recovered_by) == ((), ("member0", "member1"))
        assert found.what == (
            f"two final blocks at height {anchor.height}, recovered by members from block "
            f"{anchor.height - 1}"
        )
    files = []
    for number, one in enumerate((before, after)):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(one.to_json()))
    document = told(*map(str, files), "--service", PIN)
    assert document["verdict"] == "a recovery left out a final block"
    assert document["recovered_by"] == ["member0", "member1"]


def test_one_recovery_that_many_agreed_to_accuses_nobody() -> None:
    for second in (shown(PLANS[0], "member1"), shown(PLANS[1], "member2")):
        with pytest.raises(ReceiptInvalid) as caught:
            judge(shown(PLANS[0], "member0", "member1"), second, PIN)
        assert caught.value.verdict == NO_CONTRADICTION


def test_an_agreement_that_its_member_did_not_sign_accuses_nobody() -> None:
    good = shown(PLANS[0], "member1")
    signature = agreed(DEAD, PLANS[0], "member1").signature
    stolen = PLANS[1].certificate([Agreement(DEAD.chain.members_keys["member1"].public, signature)])
    other = agreed(DEAD, PLANS[1], "member2").signature
    forged = PLANS[1].certificate([Agreement(good.certificate.agreements[0].member, other)])
    for bad in (stolen, forged):
        with pytest.raises(ReceiptInvalid, match="did not sign") as caught:
            judge(good, replace(good, certificate=bad.brief()), PIN)
        assert caught.value.verdict == "forged"


def test_an_offer_and_the_share_given_for_it_are_an_agreement_and_make_a_proof(
    tmp_path: Path,
) -> None:
    files = []
    for number, plan in enumerate(PLANS):
        offer = Offer(
            genesis=DEAD.chain.genesis.data, entries=(), plan=plan, generation=DEAD.generation
        )
        for name, data in (
            (f"offer{number}", offer.encode()),
            (f"share{number}", given(DEAD, plan, "member1").encode()),
        ):
            (tmp_path / name).write_bytes(data)
            files.append(str(tmp_path / name))
    proof = str(tmp_path / "proof.json")
    document = told(*files, "--service", PIN, "-o", proof)
    assert document["verdict"] == "guilt proven"
    assert [(one["name"], one["member"]) for one in document["guilty"]] == [("member1", True)]
    assert document["guilty"][0]["agreed"][0]["height"] == PLANS[0].head.header.height
    for file in files:
        Path(file).unlink()
    assert {**told(proof, "--service", PIN), "file": proof} == document


def test_a_share_given_for_another_offer_and_other_bytes_are_refused(tmp_path: Path) -> None:
    offer = Offer(
        genesis=DEAD.chain.genesis.data, entries=(), plan=PLANS[0], generation=DEAD.generation
    )
    names = {
        "offer": offer.encode(),
        "share": given(DEAD, PLANS[1], "member1").encode(),
        "nothing": b"\x93\x01",
    }
    for name, data in names.items():
        (tmp_path / name).write_bytes(data)
    good = tmp_path / "good.json"
    good.write_text(json.dumps(agreement_document(shown(PLANS[0], "member1"))))
    for pair in (("offer", "share"), ("offer", "nothing"), ("nothing", "share")):
        paths = [str(tmp_path / name) for name in pair]
        refused = told(*paths, str(good), "--service", PIN, code=1)
        assert refused["verdict"] == "forged", pair
        if pair == ("offer", "share"):
            assert "given for another offer" in refused["reason"]
    assert told(str(good), str(tmp_path / "offer"), "--service", PIN, code=1)["verdict"] == "forged"


def test_agreements_are_read_as_they_were_written() -> None:
    one = shown(PLANS[0], "member0", "member1")
    document = agreement_document(one)
    assert document["members"] == ["member0", "member1"]
    assert read_file(json.dumps(document).encode()) == (one,)
    for bad in ({"members": ["member0"]}, {"height": 1}, {"agreement": "AA=="}, {"more": 1}):
        with pytest.raises(ReceiptInvalid):
            read_file(json.dumps(document | bad).encode())


def test_agreements_under_other_shares_are_another_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that found a newer copy of the ledger, with newer shares, may agree to that one.
    (Only the comparison is looked at: a second generation of one service would take a second
    life.)"""
    monkeypatch.setattr(VerifiedShown, "_check_agreements", lambda *_: None)
    other = shown(PLANS[1], "member1")
    own = other.certificate.rules
    for rules in (replace(own, generation=2), replace(own, shares=Digest(bytes(32)))):
        newer = replace(other, certificate=replace(other.certificate, rules=rules))
        with pytest.raises(ReceiptInvalid) as caught:
            judge(shown(PLANS[0], "member1"), newer, PIN)
        assert caught.value.verdict == NO_CONTRADICTION
    same = replace(own, policy=Digest(bytes(32)))
    told_again = replace(other, certificate=replace(other.certificate, rules=same))
    assert judge(shown(PLANS[0], "member1"), told_again, PIN).guilty, (
        "another policy excuses nobody"
    )
