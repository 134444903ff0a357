"""What policies cost replicas is metered, before they are read, and by their length alone (T11).

A step is a microsecond. Reading and judging take up to 0.6 µs a byte, on a busy machine twice
that: no test here takes the time, all count steps.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.enclave.programs.vault.world import OWNER, PRINTER, Room, VaultChain, beats

from strongroom.enclave.attestation import release_policy
from strongroom.enclave.attestation.release_policy import POLICY_BYTES_MAX
from strongroom.enclave.attestation.strict_json import read_json
from strongroom.enclave.programs.runner import STEPS_MAX

OTHER_STEPS_MAX = 2_000
"""Of an operation, beside the policy: evidence takes most of them."""


def policy_of_bytes(size: int, boot: int = 7) -> str:
    """A policy that room 1 meets, as dear to read as one of its canonical length can be."""
    head = (
        '{"version":"1.0.0","anyOf":[{"authority":"strongroom","allOf":[{"claim":"measurement",'
        f'"equals":"{PRINTER.hex()}"}},{{"claim":"bootcount","in":[1,{boot}'
    )
    left = size - len(head) - len("]}]}]}")
    return head + "0" * (left % 2) + ",1" * (left // 2) + "]}]}]}"


FULL, FULL_TOO = policy_of_bytes(POLICY_BYTES_MAX), policy_of_bytes(POLICY_BYTES_MAX, 8)
NONE = "[" + ",".join("1" * (POLICY_BYTES_MAX // 2 - 1)) + "]"
READ_STEPS = POLICY_BYTES_MAX * 6 // 5


@pytest.fixture
def chain() -> VaultChain:
    return VaultChain()


@pytest.fixture(autouse=True)
def read(chain: VaultChain, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, int]]]:
    """(steps spent, characters) of each text that is really read: nothing is kept from before."""
    seen: list[tuple[int, int]] = []

    def counted(text: str) -> Any:
        seen.append((used(chain), len(text)))
        return read_json(text)

    monkeypatch.setattr(release_policy, "read_json", counted)
    release_policy._parse.cache_clear()
    yield seen
    release_policy._parse.cache_clear()


def used(chain: VaultChain) -> int:
    """Steps of the transaction at hand; the first of its block."""
    return STEPS_MAX - chain.executor._runner.state.meter.left


def paid_before(read: list[tuple[int, int]]) -> bool:
    """Were the steps of all that was read in one transaction spent before?"""
    total = 0
    for spent, size in read:
        total += size
        if spent < total * 6 // 5:
            return False
    return bool(read)


def test_the_texts_are_as_long_as_a_policy_may_be() -> None:
    assert len(FULL) == len(FULL_TOO) == POLICY_BYTES_MAX
    assert POLICY_BYTES_MAX - 2 <= len(NONE) <= POLICY_BYTES_MAX


def test_T11_a_new_key_pays_for_its_policy_before_it_is_read(
    chain: VaultChain, read: list[tuple[int, int]]
) -> None:
    chain.must(OWNER, "new", name="toy", policy=FULL)
    assert READ_STEPS <= used(chain) < READ_STEPS + OTHER_STEPS_MAX
    assert paid_before(read)


def test_T11_a_policy_that_is_refused_is_paid_as_well(
    chain: VaultChain, read: list[tuple[int, int]]
) -> None:
    assert chain.refused(OWNER, "new", name="toy", policy=NONE) == "policy"
    assert used(chain) >= len(NONE) * 6 // 5
    assert paid_before(read)
    assert chain.refused(OWNER, "new", name="toy", policy=" " * 20_000) == "policy"
    assert used(chain) >= READ_STEPS
    chain.key(policy=FULL)
    read.clear()
    assert chain.refused(OWNER, "change", key="/toy", policy=NONE) == "policy"
    assert paid_before(read)


def test_T11_a_change_pays_for_both_policies_and_fits(
    chain: VaultChain, read: list[tuple[int, int]]
) -> None:
    """Each is read once: the new one's canonical text, which is another, is not read again."""
    chain.key(policy=FULL)
    read.clear()
    release_policy._parse.cache_clear()
    chain.must(OWNER, "change", key="/toy", policy="  " + policy_of_bytes(POLICY_BYTES_MAX - 2, 8))
    assert used(chain) >= 2 * READ_STEPS
    assert len(read) == 2
    assert paid_before(read)


def test_T11_a_change_of_another_term_reads_no_policy(
    chain: VaultChain, read: list[tuple[int, int]]
) -> None:
    chain.key(policy=FULL)
    read.clear()
    release_policy._parse.cache_clear()
    assert chain.refused(OWNER, "change", key="/toy", quantity=0) == "change"
    chain.must(OWNER, "change", key="/toy", quantity=5)
    assert used(chain) < OTHER_STEPS_MAX
    chain.must(OWNER, "change", key="/toy", quantity=9)
    assert not read


def test_T11_asks_and_beats_pay_for_the_policy_at_each_judgment(
    chain: VaultChain, read: list[tuple[int, int]]
) -> None:
    key, room = chain.key(policy=FULL), Room()
    for again in (room, room.again(chip=Room().chip, who="second")):
        read.clear()
        release_policy._parse.cache_clear()
        given = chain.lease(again, key)
        assert READ_STEPS <= used(chain) < READ_STEPS + OTHER_STEPS_MAX
        assert paid_before(read)
        for evidence in (b"", chain.shown(again)):
            read.clear()
            release_policy._parse.cache_clear()
            number = 2 if evidence else 1
            arguments = {"lease": given["lease"], "number": number, "used": 0}
            chain.must(again.who, "beat", evidence=evidence, **arguments)
            assert READ_STEPS <= used(chain) < READ_STEPS + OTHER_STEPS_MAX
            assert paid_before(read)


def test_T11_what_was_read_before_costs_the_same(chain: VaultChain) -> None:
    """Two replicas keep different texts; steps, and with them outcomes, must be equal."""
    key, room = chain.key(policy=FULL), Room()
    beat = beats(chain, room, chain.lease(room, key)["lease"])
    texts = iter((FULL_TOO, FULL, FULL_TOO, FULL))

    def steps(do: Callable[[], Any], *, forget: bool) -> int:
        if forget:
            release_policy._parse.cache_clear()
        do()
        return used(chain)

    for do in (
        lambda: chain.refused(OWNER, "new", name="bad", policy=NONE),
        lambda: beat(),
        lambda: chain.must(OWNER, "change", key="/toy", policy=next(texts)),
    ):
        assert steps(do, forget=True) == steps(do, forget=False)


def test_a_block_takes_many_calls_about_an_ordinary_policy(chain: VaultChain) -> None:
    """1 KiB: its steps fit what its envelope brings, and a share of what all bring."""
    policy = policy_of_bytes(1024)
    calls = [(OWNER, "new", {"name": f"key-{at}", "policy": policy}) for at in range(100)]
    assert all(result.ok for result in chain.both(*calls))
    room, key = Room(), chain.key(policy=policy)
    beat = beats(chain, room, chain.lease(room, key)["lease"])
    assert beat().ok
