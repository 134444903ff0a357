"""A data set of devices takes their signed batches in order, each once, and no other (T64, ROOMS
§3)."""

from typing import Any

import pytest
from tests.enclave.programs.rooms.world import (
    BANKS,
    ROOT,
    STRANGER,
    WORKERS_ONLY,
    RoomsChain,
    contract,
    data_terms,
    secret_of,
    who,
)

from strongroom.enclave.formats.clean_rooms.batches import MOVES_MAX, Move, chained
from strongroom.enclave.formats.clean_rooms.contract import Input

OWNER = BANKS[0]
A, B, FOREIGN = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32


@pytest.fixture
def chain() -> RoomsChain:
    """An owner's data set of two devices, without a version."""
    chain = RoomsChain()
    publish(chain)
    chain.ok(OWNER, "set_devices", name="readings", add=[A, B], remove=[])
    return chain


def publish(chain: RoomsChain, name: str = "readings") -> None:
    chain.must(OWNER, "new", name=name, policy=WORKERS_ONLY)
    chain.must(OWNER, "put", key=f"/{name}", secret=secret_of(name))
    chain.ok(OWNER, "publish", name=name, terms=data_terms().encode(), key=f"/{name}")


def rotate(chain: RoomsChain, name: str) -> None:
    chain.must(OWNER, "rotate", key="/readings", secret=secret_of(name), old_until_ms=0)


def bring(chain: RoomsChain, what: str, chunks: int, *batches: tuple[bytes, int, int]) -> Any:
    return chain.act(
        OWNER,
        what,
        name="readings",
        root=ROOT,
        chunks=chunks,
        size_class=22,
        batches=[list(one) for one in batches],
    )


def heads(chain: RoomsChain) -> dict[bytes, int]:
    shown = chain.see(OWNER, "devices", data="/readings")
    return {one["device"]: one["last"] for one in shown}


def test_batches_come_in_order_each_once(chain: RoomsChain) -> None:
    assert bring(chain, "add", 1, (A, 1, 3), (B, 7, 7)).ok
    assert bring(chain, "extend", 2, (A, 4, 4)).ok
    assert bring(chain, "extend", 3, (A, 5, 9), (B, 8, 9)).ok
    assert heads(chain) == {A: 9, B: 9}


@pytest.mark.parametrize(
    ("batches", "code"),
    [
        (((A, 3, 3),), "replayed"),
        (((A, 1, 3),), "replayed"),
        (((A, 3, 5),), "replayed"),
        (((A, 5, 5),), "gap"),
        (((FOREIGN, 1, 1),), "foreign-device"),
        (((A, 4, 4), (FOREIGN, 1, 1)), "foreign-device"),
        ((), "batches"),
        (((B, 1, 1), (A, 4, 4)), "batches"),
        (((A, 4, 4), (A, 5, 5)), "batches"),
        (((A, 5, 4),), "batches"),
        (((B, 0, 1),), "batches"),
    ],
)
def test_T64_a_replayed_reordered_or_foreign_batch_is_refused(
    chain: RoomsChain, batches: tuple[Any, ...], code: str
) -> None:
    assert bring(chain, "add", 1, (A, 1, 3)).ok
    assert bring(chain, "extend", 2, *batches).code == code
    assert heads(chain)[A] == 3, "who is refused changes nothing"
    assert bring(chain, "extend", 2, (A, 4, 4)).ok


def test_T64_a_device_that_was_taken_off_the_list_brings_nothing_more(chain: RoomsChain) -> None:
    assert bring(chain, "add", 1, (A, 1, 3), (B, 1, 1)).ok
    shown = chain.ok(OWNER, "set_devices", name="readings", add=[], remove=[A])
    assert shown["devices"] == 1
    assert bring(chain, "extend", 2, (A, 4, 4)).code == "foreign-device"
    assert bring(chain, "extend", 2, (B, 2, 2)).ok
    chain.ok(OWNER, "set_devices", name="readings", add=[A], remove=[])
    assert bring(chain, "extend", 3, (A, 3, 3)).code == "replayed", "its counter is not forgotten"
    assert bring(chain, "extend", 3, (A, 4, 4)).ok


def test_retention_may_leave_old_batches_out_and_takes_no_newer_one_back(
    chain: RoomsChain,
) -> None:
    assert bring(chain, "add", 1, (A, 1, 9)).ok
    rotate(chain, "second")
    assert bring(chain, "add", 1, (A, 1, 8)).code == "replayed"
    assert bring(chain, "add", 1, (A, 6, 12)).ok
    assert bring(chain, "extend", 2, (A, 13, 13)).ok


def test_rows_without_a_device_and_devices_without_rows_do_not_mix(chain: RoomsChain) -> None:
    publish(chain, "plain")
    plain: dict[str, Any] = {"name": "plain", "root": ROOT, "size_class": 22}
    assert chain.no(OWNER, "add", **plain, chunks=1, batches=[[A, 1, 1]]) == "foreign-device"
    chain.ok(OWNER, "add", **plain, chunks=1)
    assert chain.no(OWNER, "set_devices", name="plain", add=[A], remove=[]) == "devices"


def test_the_list_is_the_owners_and_bounded(chain: RoomsChain) -> None:
    assert chain.no(STRANGER, "set_devices", name="readings", add=[A], remove=[]) == "no-data"
    others = f"id:{who(OWNER).hex()}/readings"
    assert chain.refusal(BANKS[1], "rooms.devices", data=others) == "no-data"
    assert chain.no(OWNER, "set_devices", name="readings", add=[b"short"], remove=[]) == "devices"
    gone = chain.no(OWNER, "set_devices", name="readings", add=[], remove=[FOREIGN])
    assert gone == "foreign-device"
    many = [bytes([7]) + at.to_bytes(31, "big") for at in range(MOVES_MAX - 1)]
    assert chain.no(OWNER, "set_devices", name="readings", add=many, remove=[]) == "devices"
    assert len(heads(chain)) == 2
    assert chain.ok(OWNER, "set_devices", name="readings", add=many[1:], remove=[])


def test_a_worker_is_given_the_chain_over_all_batches_of_its_version(chain: RoomsChain) -> None:
    assert bring(chain, "add", 1, (A, 1, 3)).ok
    assert bring(chain, "extend", 2, (A, 4, 4), (B, 1, 1)).ok
    room = chain.open_room()
    chain.bring(BANKS[1])
    inputs = (
        Input("a", contract(room).inputs[0].owner, "readings", 0, 0),
        contract(room).inputs[1],
    )
    chain.staff("operator0", "operator1")
    job = chain.start(chain.agree(contract(room, inputs=inputs)))
    one, *_ = chain.ranks(job)
    readings, plain = chain.take(one, job).value["inputs"]
    first = chained(b"", [Move(A, 1, 3)])
    assert readings["batches"] == chained(first, [Move(A, 4, 4), Move(B, 1, 1)])
    assert plain["batches"] == b""
