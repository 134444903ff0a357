"""What devices signed is read in its place or not at all; noise is charged for or not drawn (T62,
T64)."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.enclave.room.worker.jobs import A, contract, given, policy, rows, run, stream

from strongroom.consensus.types import ChainId
from strongroom.enclave.formats.clean_rooms.batches import (
    READINGS_BYTES_MAX,
    Batch,
    BatchRefused,
    SignedFor,
    chained,
    checked_rows,
    moves_of,
    read_batches,
)
from strongroom.enclave.formats.clean_rooms.contract import Input, Stage
from strongroom.enclave.primitives import Secret, SigningKey
from strongroom.enclave.room.analytics.policy import Noise
from strongroom.enclave.room.worker.stages import JobFailed

CHAIN = ChainId(bytes(range(32)))
READINGS = SignedFor(CHAIN, A, "rows")
ONE, TWO = (SigningKey(Secret(bytes([at]) * 32)) for at in (11, 12))
HOUR = 3_600
COUNT = Stage("library", "occupancy.hourly", "")
TEXT = Stage("sql", "case", "SELECT count(*) AS n FROM a")


def batch(key: SigningKey, counter: int, stream_: SignedFor = READINGS, **columns: Any) -> Batch:
    """Ten minutes of a device, the counter's."""
    told: dict[str, list[Any]] = {
        "time": [600 * counter + 60 * at for at in range(10)],
        "occupied": [1] * 10,
        "zone": ["hall"] * 10,
        "device": [key.public.hex()[:8]] * 10,
    }
    return Batch.sign(key, stream_, counter, stream(told | columns))


def sealed(*batches: Batch) -> bytes:
    return b"".join(one.encode() for one in batches)


def chain_of(*segments: Sequence[Batch]) -> bytes:
    """As an honest gateway has told the ledger."""
    digest = b""
    for segment in segments:
        moves = moves_of([(one.device, one.counter) for one in segment])
        digest = bytes(chained(digest, moves))
    return digest


FIRST = batch(ONE, 1), batch(TWO, 5), batch(ONE, 2)
SECOND = batch(ONE, 3), batch(TWO, 6)
TOLD = chain_of(FIRST, SECOND)


def test_batches_of_several_devices_and_segments_are_one_table() -> None:
    one = given("a", A, sealed(*FIRST), sealed(*SECOND))
    one = given_with(one, TOLD)
    assert rows(run((one,), TEXT))["n"] == [50]


def given_with(one: Any, told: bytes) -> Any:
    from dataclasses import replace

    return replace(one, origin=CHAIN + told)


Changed = Callable[[], tuple[Sequence[Batch], Sequence[Batch]]]
LIES: dict[str, tuple[Changed, str]] = {
    "a batch twice": (lambda: (FIRST, (*SECOND, SECOND[1])), "replayed"),
    "a batch of yesterday": (lambda: (FIRST, (FIRST[0], *SECOND)), "replayed"),
    "yesterday's readings under today's counter": (
        lambda: (FIRST, (renumbered(FIRST[0], 3), SECOND[1])),
        "foreign-batch",
    ),
    "the first one left out": (lambda: (FIRST[1:], SECOND), "foreign-batch"),
    "in another order": (lambda: ((FIRST[2], FIRST[1], FIRST[0]), SECOND), "replayed"),
    "one left out": (lambda: (FIRST[:2], SECOND), "gap"),
    "the last one left out": (lambda: (FIRST, SECOND[:1]), "foreign-batch"),
    "in another segment": (lambda: (FIRST[:2], (FIRST[2], *SECOND)), "foreign-batch"),
    "a device more": (
        lambda: (FIRST, (*SECOND, batch(SigningKey(Secret(bytes(32))), 1))),
        "foreign-batch",
    ),
    "signed for another data set": (
        lambda: (FIRST, (batch(ONE, 3, SignedFor(CHAIN, A, "other")), SECOND[1])),
        "foreign-batch",
    ),
    "signed for another owner": (
        lambda: (FIRST, (batch(ONE, 3, SignedFor(CHAIN, bytes(32), "rows")), SECOND[1])),
        "foreign-batch",
    ),
    "signed for another chain": (
        lambda: (FIRST, (batch(ONE, 3, SignedFor(ChainId(bytes(32)), A, "rows")), SECOND[1])),
        "foreign-batch",
    ),
    "a reading changed": (lambda: (FIRST, (changed(SECOND[0]), SECOND[1])), "foreign-batch"),
    "another's signature": (lambda: (FIRST, (claimed(), SECOND[1])), "foreign-batch"),
}


def changed(one: Batch) -> Batch:
    readings = batch(ONE, one.counter, occupied=[0] * 10).readings
    return Batch(one.device, one.counter, readings, one.signature)


def renumbered(one: Batch, counter: int) -> Batch:
    return Batch(one.device, counter, one.readings, one.signature)


def claimed() -> Batch:
    one = batch(TWO, 3)
    return Batch(ONE.public, 3, one.readings, one.signature)


@pytest.mark.parametrize("lie", LIES)
def test_T64_a_gateway_that_seals_another_thing_than_it_tells_has_no_job(lie: str) -> None:
    """The counters that it told are right each time: the ledger alone cannot see the lie."""
    make, code = LIES[lie]
    segments = [sealed(*part) for part in make()]
    with pytest.raises(BatchRefused) as refused:
        checked_rows(segments, READINGS, TOLD)
    assert refused.value.code == code
    with pytest.raises(JobFailed):
        run((given_with(given("a", A, *segments), TOLD),), TEXT)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        sealed(*FIRST)[:-1],
        sealed(*FIRST) + b"\x00\x00",
        b"\x00\x00\x00\x01\x90",
        b"\xff\xff\xff\xff" + bytes(64),
        (4).to_bytes(4, "big") + b"\x94\x01\x02\x03",
        (b"\x94\xc4\x20" + bytes(32) + b"\xff\xc4\x00\xc4\x00").join([b"\x00\x00\x00\x28", b""]),
    ],
)
def test_T64_what_is_no_batch_is_refused_by_its_form(data: bytes) -> None:
    with pytest.raises(BatchRefused) as refused:
        list(read_batches(data))
    assert refused.value.code == "batch"


def test_a_batch_is_bounded_where_it_is_made_and_where_it_is_read() -> None:
    with pytest.raises(BatchRefused, match="sign two"):
        Batch.sign(ONE, READINGS, 1, bytes(READINGS_BYTES_MAX + 1))
    Batch.sign(ONE, READINGS, 1, bytes(READINGS_BYTES_MAX)).check(READINGS)
    long = Batch(ONE.public, 1, bytes(READINGS_BYTES_MAX + 512), b"")
    with pytest.raises(BatchRefused):
        list(read_batches(long.encode()))


def test_T64_plain_rows_do_not_pass_for_signed_ones_nor_the_other_way_round() -> None:
    plain = stream({"time": [1], "occupied": [1]})
    with pytest.raises(JobFailed):
        run((given_with(given("a", A, plain), TOLD),), TEXT)
    with pytest.raises(JobFailed):
        run((given("a", A, sealed(*FIRST)),), TEXT)


# --- noise that is charged for --------------------------------------------------------------------


def hourly(epsilon: int, noise: Noise | None, **changes: Any) -> list[tuple[str, bytes, bytes]]:
    readings = stream({"time": list(range(0, HOUR, 60)), "occupied": [1] * 60})
    one = given("a", A, readings, columns=policy(noise))
    told = {"inputs": (Input("a", A, "rows", 0, epsilon),), **changes}
    outputs = tuple(
        type(output)("cells", *list(_rest(output))) for output in contract((one,), COUNT).outputs
    )
    return run((one,), COUNT, outputs=outputs, parameters=(("minutes_min", 1),), **told)


def _rest(output: Any) -> Sequence[Any]:
    return (
        output.kind,
        output.recipients,
        output.bytes_max,
        output.filter_alias,
        output.releases,
    )


NOISE = Noise(epsilon_job=2_000_000, epsilon_life=9_000_000, groups=1, rows=1, threshold=2)


def test_T62_who_wants_noise_is_answered_with_it_and_who_does_not_without() -> None:
    assert rows(hourly(0, None))["minutes"] == [60]
    told = {tuple(rows(hourly(1_000, NOISE, seed=bytes([at]) * 32))["minutes"]) for at in range(8)}
    assert len(told) > 1


@pytest.mark.parametrize(("epsilon", "noise"), [(0, NOISE), (1_000, None)])
def test_T62_noise_without_a_charge_and_a_charge_without_noise_are_no_job(
    epsilon: int, noise: Noise | None
) -> None:
    with pytest.raises(JobFailed):
        hourly(epsilon, noise)


def test_T62_a_contract_that_charges_more_than_a_job_may_cost_buys_no_more() -> None:
    """The ledger refuses such a contract; a worker does not draw less noise for it either."""
    seeds = [bytes([at]) * 32 for at in range(8)]
    most = [hourly(NOISE.epsilon_job, NOISE, seed=seed) for seed in seeds]
    assert [hourly(NOISE.epsilon_life, NOISE, seed=seed) for seed in seeds] == most
    assert [hourly(NOISE.epsilon_job // 2, NOISE, seed=seed) for seed in seeds] != most
