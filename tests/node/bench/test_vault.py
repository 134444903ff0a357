"""What is said of the vault's rows, and when they hold."""

from typing import Any

import pytest
import typer

from strongroom.node.bench.doing import ROOMS_PER_NODE_MAX, _vault
from strongroom.node.bench.vault import VaultLoad, vault_lines
from strongroom.node.bench.vault_process import SEEN_LATE_MS, holds
from strongroom.node.bench.vault_rooms import heartbeat_of, lease_of
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.teller import Teller

REVOKED: dict[str, Any] = {
    "final_ms": 40.0,
    "pieces_after": 0,
    "pieces_after_bound": 0,
    "last_piece_ms": -3.0,
    "printing_ended_ms": 60.0,
    "connected_ended_ms": 700.0,
    "connected_bound_ms": 2000,
    "cut_off_ended_ms": 5500.0,
    "cut_off_bound_ms": 5800,
}


def report(**more: Any) -> dict[str, Any]:
    kind = {"p50": 41.0, "max": 60.0, "leases": 15}
    return {
        "load_average": 1.5,
        "interpreter": {"name": "CPython 3.11.2", "profile_guided": True},
        "ask_us": {
            "evidence_first": 1500.0,
            "evidence": 750.0,
            "verdict": 3.5,
            "beside_evidence": 110.0,
            "beat_with_piece": 45.0,
        },
        "first_piece_ms": {"session": kind, "room": kind},
        "revocation": REVOKED,
        "rooms": 1000,
        "beat_seconds": 10.0,
        "beats": {
            "per_second": 100.0,
            "blocks_per_second": 2.5,
            "latency_ms": {"p50": 40.0, "p95": 60.0, "p99": 80.0, "max": 90.0},
            "ledger_bytes": 1300,
            "core_percent": {"host": 9.0, "enclave": 4.0, "all": 13.0},
            "core_percent_at_rest": 2.6,
        },
        "agreement": True,
    } | more


@pytest.mark.parametrize(
    "broken",
    [
        {"pieces_after": 1},
        {"connected_ended_ms": 2001.0 + SEEN_LATE_MS},
        {"cut_off_ended_ms": 5801.0 + SEEN_LATE_MS},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_a_revocation_holds_within_the_bounds_that_the_ledger_printed(
    broken: dict[str, Any],
) -> None:
    assert holds(REVOKED)
    assert not holds(REVOKED | broken)


def test_each_aim_has_its_row_and_the_last_line_says_whether_all_held() -> None:
    lines = "\n".join(vault_lines(report()))
    for said in ("110.0 beside", "p50 41.0", "1300 ledger bytes", "13.0 %", "bound 5800"):
        assert said in lines
    assert "within its bounds" in vault_lines(report())[-1]
    assert vault_lines(report())[-1].startswith("CPython 3.11.2 built with PGO, load average")
    assert "A BOUND DOES NOT HOLD" in vault_lines(report(agreement=False))[-1]


def test_a_room_that_beats_early_beats_as_often_as_is_said() -> None:
    assert heartbeat_of(10.0) == 20_000
    assert lease_of(20_000) == 60_000


def test_more_rooms_than_the_nodes_take_connections_are_refused_before_a_cluster_is_made() -> None:
    load = VaultLoad(nodes=2, rooms=2 * ROOMS_PER_NODE_MAX + 1)
    with pytest.raises(typer.Exit) as refused:
        _vault(load, None, Teller(to_stderr=True), as_json=True)
    assert refused.value.exit_code == ExitCode.USAGE
