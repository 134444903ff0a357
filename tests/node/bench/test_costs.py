"""What a block and a payment cost, taken apart; several runs as one; sizes by what they are for."""

from pathlib import Path

import pytest
from tests.enclave.chain import Chain, funded, pay

from strongroom.node.bench.costs import cost_of, costs, costs_line
from strongroom.node.bench.peer_etcd import beside
from strongroom.node.bench.repeated import interval_95, together
from strongroom.node.bench.report import Document
from strongroom.node.bench.sizes import per_transaction, sizes_of
from strongroom.node.bench.suite_tables import interval_note, peer_note, sizes_line
from strongroom.node.layout import NodeLayout
from strongroom.node.ledger.block_record import StoredBlock
from strongroom.node.ledger.reading import open_store


def report(blocks: float, payments: float, **more: object) -> Document:
    """Of hosts that take 3 ms a block and 10 µs a payment, enclaves 1 ms and 20 µs."""
    host, enclave = 0.003 * blocks + 1e-5 * payments, 0.001 * blocks + 2e-5 * payments
    thousands = payments / 1000
    return {
        "blocks_per_second": blocks,
        "committed_per_second": payments,
        "cpu_seconds_per_1000": {"host": host / thousands, "enclave": enclave / thousands},
        "latency_ms": {"p50": 10.0, "p95": 20.0, "p99": 30.0},
        "cpu_ms_per_block": {"host": host / blocks * 1000, "enclave": enclave / blocks * 1000},
        "nodes": 4,
        "agreement": True,
    } | more


def test_blocks_and_payments_are_taken_apart_exactly_when_the_loads_agree() -> None:
    found = costs([report(100, 100), report(40, 10_000), report(45, 5_000)])
    assert found["host"].block == pytest.approx(0.003)
    assert found["host"].payment == pytest.approx(1e-5)
    assert found["enclave"].block == pytest.approx(0.001)
    assert found["enclave"].payment == pytest.approx(2e-5)


def test_loads_that_are_multiples_of_each_other_tell_nothing_apart() -> None:
    assert cost_of([(10, 100, 1.0), (20, 200, 2.0)]) is None
    assert cost_of([(10, 100, 1.0)]) is None
    assert costs_line([report(10, 100)], 4) is None


def test_costs_are_said_of_one_node_and_of_all() -> None:
    line = costs_line([report(100, 100), report(40, 10_000)], 4)
    assert line is not None
    assert "3.00 ms of processor in each host and 1.00 in each enclave, 16.0 in all 4" in line
    assert line.endswith("a payment 10 and 20 µs")


def test_an_interval_is_students_of_the_mean() -> None:
    assert interval_95([1.0]) is None
    # Mean 2, standard deviation 1, t of two degrees of freedom 4.303: 4.303 ÷ √3 = 2.484.
    assert interval_95([1.0, 2.0, 3.0]) == (-0.484, 4.484)
    wide, narrow = interval_95([1.0, 2.0] * 6), interval_95([1.0, 2.0] * 12)
    assert wide is not None
    assert narrow is not None
    assert narrow[1] - narrow[0] < wide[1] - wide[0]


def test_several_runs_are_told_by_the_one_in_the_middle_and_agree_only_together() -> None:
    runs = [report(10, 300), report(10, 100, agreement=False), report(10, 200)]
    made = together(runs)
    assert made["committed_per_second"] == 200
    assert made["runs"] == 3
    assert made["interval_95"]["committed_per_second"] == (-48.434, 448.434)
    assert not made["agreement"]
    assert "committed_per_second -48.434 to 448.434" in interval_note(made)
    assert together(runs[:1]) == runs[0]


def test_what_was_not_measured_has_no_interval() -> None:
    made = together([report(10, 100, latency_ms={"p50": None})] * 2)
    assert "p50" not in made["interval_95"]
    assert "committed_per_second" in made["interval_95"]


def test_a_peer_stands_beside_a_report_with_the_ratios() -> None:
    peer = {
        "committed_per_second": 50.0,
        "latency_ms": {"p50": 4.0, "p99": 9.0},
        "members": 3,
        "connections": 64,
    }
    made = beside(report(10, 100), peer)
    assert made["ratio_to_etcd"] == {"committed_per_second": 2.0, "p50": 2.5}
    assert "50 per second, p50 4.0, p99 9.0 ms" in peer_note(made)
    silent = beside(report(10, 100), peer | {"committed_per_second": 0.0})
    assert silent["ratio_to_etcd"]["committed_per_second"] is None


def ledger_of(chain: Chain, folder: Path) -> NodeLayout:
    """A node's folder with all that a chain has executed."""
    folder.mkdir()
    store = open_store(folder)
    for made, outcome in zip(chain.blocks, chain.outcomes, strict=True):
        block = StoredBlock(made.header, chain.certificate(made.header), made.batches)
        store.append_block(made.header.height, block.encode())
        store.append_outcome(outcome.height, outcome.encode(), outcome.ids_and_codes())
    store.close()
    return NodeLayout(folder)


def paid() -> Chain:
    chain = Chain()
    payer = funded(chain)
    chain.commit(*(pay(chain, payer) for _ in range(5)))
    return chain


def test_each_byte_of_a_ledger_is_for_something(tmp_path: Path) -> None:
    chain = paid()
    layout = ledger_of(chain, tmp_path / "n0")
    sizes = sizes_of(layout)
    assert sizes.ledger == sum(path.stat().st_size for path in layout.ledger.iterdir())
    assert sizes.transactions == sum(outcome.count for outcome in chain.outcomes)
    assert sizes.results == sum(len(one) for outcome in chain.outcomes for one in outcome.results)
    assert sizes.write_sets == sum(len(outcome.write_set) for outcome in chain.outcomes)
    said = sizes_line({"bytes_on_disk": per_transaction(sizes)})
    assert f"sealed result {round(sizes.results / sizes.transactions, 1):g}" in said


def test_a_record_that_is_not_whole_yet_is_not_counted(tmp_path: Path) -> None:
    layout = ledger_of(paid(), tmp_path / "n0")
    before = sizes_of(layout)
    with next(layout.ledger.iterdir()).open("ab") as file:
        file.write(b"\x01")
    assert sizes_of(layout) == before
