"""What a replica keeps parsed, of terms and claims, decides nothing: without it, it comes to the
same, and what changes is read anew."""

import pytest
from tests.enclave.programs.vault.world import (
    IN_WEST,
    POLICY,
    PRINTERS,
    Room,
    VaultChain,
    policy_of,
)

from strongroom.enclave.programs.vault.judging import decode_claims
from strongroom.enclave.programs.vault.terms import read_terms

TIGHTER = policy_of(PRINTERS, IN_WEST, {"claim": "room", "equals": "hall-8"})


def forget() -> None:
    """As after a restart."""
    read_terms.cache_clear()
    decode_claims.cache_clear()


def play(*, forgetful: bool) -> list[str]:
    """Two rooms, two keys, a tightening and fresh evidence between beats; the answers."""
    chain, answers = VaultChain(), []
    keys = [chain.key("toy", policy=POLICY), chain.key("bear", policy=policy_of(PRINTERS, IN_WEST))]
    rooms = [Room(who="room session 1"), Room(name="hall-8", who="room session 2")]
    leases = [chain.lease(room, key)["lease"] for room in rooms for key in keys]
    for number in (1, 2, 3):
        if number == 2:
            chain.must("maker", "change", key="/bear", policy=TIGHTER)
        for at, lease in enumerate(leases):
            if forgetful:
                forget()
            room = rooms[at // 2]
            evidence = chain.shown(room) if number == 3 else b""
            told = chain.tell(
                room.who, "beat", lease=lease, number=number, used=0, evidence=evidence
            )
            answers.append(f"{at} {number} {told.ok and told.value['until_ms']} {told.code}")
    return answers


def test_whether_anything_is_kept_shows_nowhere() -> None:
    forget()
    kept = play(forgetful=False)
    assert read_terms.cache_info().hits > 0 < decode_claims.cache_info().hits
    assert play(forgetful=True) == kept
    refused = [line for line in kept if line.endswith("policy")]
    assert [line[:3] for line in refused] == ["1 2"]  # one room, the tightened key, from then on


def test_what_is_kept_cannot_be_changed_by_who_reads_it() -> None:
    chain = VaultChain()
    chain.lease(Room(), chain.key())
    claims = decode_claims(b"\x91\x92\xa4room\xa6hall-7")
    with pytest.raises(TypeError):
        claims["room"] = "hall-8"  # type: ignore[index]
    assert decode_claims(b"\x91\x92\xa4room\xa6hall-7")["room"] == "hall-7"
