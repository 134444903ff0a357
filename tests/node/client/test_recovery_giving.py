"""What a member's folder remembers, and an offer is compared with (VAULT §7; T5B)."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.enclave.dead_service import died, planned, recovery_key

from strongroom.enclave.formats.recovery import RecoveryKey
from strongroom.enclave.outside.client_sessions import Identity
from strongroom.enclave.outside.receipts import build_receipt
from strongroom.enclave.outside.recovery_giving import Offer, RefusedToGive, judge_offer
from strongroom.node.client.identities import KeyFolder
from strongroom.node.client.recovery_giving import (
    check_executed,
    give_share,
    known_height,
    seen_state,
)
from strongroom.node.client.recovery_keys import RecoveryKeyFolder
from strongroom.node.client.trust.service import Service
from strongroom.node.layout import ClusterLayout


def service_of(directory: Path, pin: str, chain: bytes) -> Service:
    return Service(
        pin=pin,
        chain=chain,  # type: ignore[arg-type]
        endpoints=(),
        ca=directory / "ca.pem",
        keys=KeyFolder(ClusterLayout(directory).keys),
    )


def test_the_newest_height_of_any_identity_and_any_receipt_counts(tmp_path: Path) -> None:
    one = died()
    genesis, chain = one.chain.genesis, one.chain
    service = service_of(tmp_path, genesis.pin, genesis.chain)
    keys = ClusterLayout(tmp_path).keys
    keys.mkdir(parents=True)
    assert known_height(tmp_path, service) == 0
    (keys / "alice.seen").write_text(f"5 {genesis.chain.hex()}\n")
    (keys / "bob.seen").write_text(f"900 {bytes(32).hex()}\n")
    (keys / "carol.seen").write_text("nonsense\n")
    assert known_height(tmp_path, service) == 5
    anchor = chain.blocks[-1].header
    receipt = build_receipt(
        genesis=genesis.data,
        outcome=chain.outcomes[0],
        position=0,
        history=chain.history,
        anchor=anchor,
        certificate=chain.certificate(anchor),
    )
    data = json.dumps(receipt.to_json()).encode()
    assert known_height(tmp_path, service, [data]) == anchor.height


def test_a_member_agrees_to_one_offer_of_a_generation_and_not_to_an_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = died()
    genesis = one.chain.genesis
    service = service_of(tmp_path, genesis.pin, genesis.chain)
    member = Identity(one.chain.members_keys["member1"])
    monkeypatch.setattr(KeyFolder, "load", lambda *_: member)
    folder = RecoveryKeyFolder(
        ClusterLayout(tmp_path).recovery("member1"), genesis.chain, member.public
    )
    own = recovery_key("member1")
    monkeypatch.setattr(RecoveryKeyFolder, "load", lambda *_: own)
    monkeypatch.setattr(RecoveryKeyFolder, "half_of", lambda *_: None)
    at = one.generation.coordinate(member.public) or 0
    assert one.generation.holders[at - 1].recovery_key == RecoveryKey(own.public).digest
    offers = []
    for _ in range(2):
        plan = planned(one)[1]
        offer = Offer(genesis=genesis.data, entries=(), plan=plan, generation=one.generation)
        offers.append(judge_offer(offer.encode(), genesis.pin))
    first, second = offers
    now_ms = int(first.plan.opening.time_ms)
    with pytest.raises(RefusedToGive, match="time-ahead"):
        give_share(tmp_path, service, "member1", first, now_ms=now_ms - 3_600_000)
    given = give_share(tmp_path, service, "member1", first, now_ms=now_ms)
    again = give_share(tmp_path, service, "member1", first, now_ms=now_ms)
    assert given.agreement == again.agreement
    with pytest.raises(RefusedToGive) as refused:
        give_share(tmp_path, service, "member1", second, now_ms=now_ms)
    assert refused.value.reason == "agreed-already"
    carried_out: Any = SimpleNamespace(recoveries=lambda: (first.plan.certificate(),))
    give_share(tmp_path, service, "member1", replace(second, epochs=carried_out), now_ms=now_ms)
    third = judge_offer(
        Offer(
            genesis=genesis.data, entries=(), plan=planned(one)[1], generation=one.generation
        ).encode(),
        genesis.pin,
    )
    for judged in (third, replace(third, epochs=carried_out)):  # the second was not carried out
        with pytest.raises(RefusedToGive, match="agreed-already"):
            give_share(tmp_path, service, "member1", judged, now_ms=now_ms)
    give_share(tmp_path, service, "member1", third, again=True, now_ms=now_ms)
    folder.keep(replace(one.generation, number=one.generation.number + 1))
    with pytest.raises(RefusedToGive) as refused:
        give_share(tmp_path, service, "member1", first, now_ms=now_ms)
    assert refused.value.reason == "older-than-you-know"


def test_T5B_an_offer_without_the_outcomes_of_a_state_that_was_seen_is_refused(
    tmp_path: Path,
) -> None:
    """Its blocks may all be there: what came of them would be lost all the same."""
    one = died(lost=2)
    genesis = one.chain.genesis
    service = service_of(tmp_path, genesis.pin, genesis.chain)
    plan = planned(one)[1]
    offer = Offer(genesis=genesis.data, entries=(), plan=plan, generation=one.generation)
    judged = judge_offer(offer.encode(), genesis.pin)
    executed = plan.opening.anchor.height
    assert judged.height == executed + 2
    keys = ClusterLayout(tmp_path).keys
    keys.mkdir(parents=True)
    check_executed(judged, seen_state(tmp_path, service))
    (keys / "bob.seen").write_text(f"{executed} {genesis.chain.hex()}\n")
    check_executed(judged, seen_state(tmp_path, service))
    (keys / "bob.seen").write_text(f"{executed + 1} {genesis.chain.hex()}\n")
    seen = seen_state(tmp_path, service)
    for lost_above in (None, executed + 1):
        with pytest.raises(RefusedToGive, match=f"--lost-above {executed}") as refused:
            check_executed(judged, seen, lost_above)
        assert refused.value.reason == "older-than-you-know"
    check_executed(judged, seen, executed)
