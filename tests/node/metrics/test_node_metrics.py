"""Every number of a node moves when what it tells of happens, and has the name of the catalogue."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.consensus import samples
from tests.node.host.test_execution_watch import KEYS
from tests.node.metrics.told import Told, names_of

from strongroom.consensus.replica.events import Cast, CertificateRecord, Commit
from strongroom.consensus.replica.records import encode_record
from strongroom.consensus.types import Epoch, Height, Milliseconds, View
from strongroom.enclave.attestation.reasons import Reason
from strongroom.enclave.door.requests import Op
from strongroom.enclave.formats.outcome import Code
from strongroom.node.framing import Traffic
from strongroom.node.metrics.catalogue import METRICS, OTHER_REASON, PREFIX, Kind
from strongroom.node.metrics.observer import OPEN_HEIGHTS_MAX, Observer

HEADER = samples.HEADER
DOOR = {name for name in METRICS if name.startswith(f"{PREFIX}rpc_")}


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


def commit(height: int, time_ms: int) -> Commit:
    header = replace(HEADER, height=Height(height), time_ms=Milliseconds(time_ms))
    return Commit(header, (), samples.certificate("finalize"))


def finals(told: Told) -> None:
    told.observer.epoch(KEYS)
    told.observer.final([commit(5, 1_000), commit(6, 1_500)])


def run_of_blocks(told: Told) -> None:
    finals(told)
    told.observer.recorded([commit(5, 1_000), commit(6, 1_500)])
    told.observer.executing()
    told.observer.executed(2)
    told.observer.kept()
    leaves = [(bytes(32), 0), (bytes(32), 0), (bytes(32), int(Code.DUPLICATE))]
    told.observer.answered(commit(5, 1_000).header, bytes(code for _, code in leaves), leaves)


def given(**values: Any) -> Callable[[Told], None]:
    return lambda told: told.given.update(values)


def nullified(told: Told) -> None:
    kind, payload = encode_record(CertificateRecord(samples.certificate("nullify")))
    told.observer.logged(kind, payload)


def written(told: Told) -> None:
    (told.folder / "ledger" / "blocks-000000000001.log").write_bytes(bytes(1000))


def moved(told: Told) -> None:
    told.archived.summaries.append(SimpleNamespace(size=1000))


def linked(told: Told) -> None:
    told.traffic[KEYS[0]] = Traffic(received=7, sent=9)


def asked(told: Told) -> None:
    told.enclave.waits["CAST"].observe(0.002)


def viewed(told: Told) -> None:
    told.observer.view_changed()
    told.observer.view_changed()


MOVES: list[tuple[str, dict[str, str], Callable[[Told], None]]] = [
    ("build_info", {"version": "*", "measurement": "ab" * 48}, lambda _: None),
    ("node_state", {"state": "suspended"}, given(alarm="it lost its log")),
    ("alarm", {}, given(alarm="it lost its log")),
    ("consensus_height", {}, given(height=Height(101))),
    ("consensus_executed_height", {}, given(executed=100)),
    ("consensus_backlog_blocks", {}, given(backlog=3)),
    ("consensus_behind_blocks", {}, given(claimed=140)),
    ("consensus_view", {}, given(view=View(9))),
    ("consensus_epoch", {}, lambda told: told.given.update(_epoch())),
    ("consensus_validators", {}, lambda _: None),
    ("consensus_executing_validators", {}, given(executing=frozenset(KEYS[:2]))),
    ("consensus_quorum_size", {}, lambda _: None),
    ("consensus_blocks_total", {}, finals),
    ("consensus_views_nullified_total", {}, nullified),
    ("consensus_block_interval_seconds_sum", {}, finals),
    ("consensus_view_seconds_count", {}, viewed),
    (
        "consensus_votes_total",
        {"kind": "notarize"},
        lambda told: told.observer.cast([Cast(samples.STATEMENTS["notarize"])]),
    ),
    ("consensus_validator_last_signed_height", {"validator": "n0"}, finals),
    ("consensus_equivocations_total", {}, lambda told: told.observer.accused()),
    ("transactions_total", {"code": "executed"}, run_of_blocks),
    ("transactions_total", {"code": "duplicate"}, run_of_blocks),
    ("stage_seconds_count", {"stage": "batch"}, lambda told: told.observer.batched(0.1)),
    ("stage_seconds_count", {"stage": "order"}, run_of_blocks),
    ("stage_seconds_count", {"stage": "record"}, run_of_blocks),
    ("stage_seconds_count", {"stage": "execute"}, run_of_blocks),
    ("stage_seconds_count", {"stage": "answer"}, run_of_blocks),
    ("mempool_envelopes", {}, lambda told: setattr(told.mempool, "envelopes", 3)),
    ("mempool_bytes", {}, lambda told: setattr(told.mempool, "held_bytes", 900)),
    (
        "mempool_refused_total",
        {"reason": "full"},
        lambda told: told.observer.refused.update(["full"]),
    ),
    ("log_fsync_seconds_sum", {}, lambda told: told.observer.synced(0.004)),
    ("ledger_bytes", {}, written),
    ("archive_segments", {}, moved),
    ("archive_bytes", {}, moved),
    ("archive_failing", {}, given(archive_alarm="read-only")),
    (
        "archive_reads_total",
        {"result": "damaged"},
        lambda told: told.archived.reads.update(damaged=1),
    ),
    ("disk_free_bytes", {}, lambda _: None),
    ("clock_behind_seconds", {}, given(clock_behind_ms=2_500)),
    ("peer_connected", {"peer": "n0"}, lambda _: None),
    ("peer_bytes_total", {"peer": "n0", "direction": "sent"}, linked),
    ("peer_faults_total", {"peer": "n0"}, given(faults={KEYS[0]: 4})),
    ("enclave_requests_total", {"kind": "cast"}, asked),
    ("enclave_request_seconds_sum", {"kind": "cast"}, asked),
    ("enclave_restarts_total", {}, lambda told: setattr(told, "boot", 3)),
    ("attestation_age_seconds", {"peer": "n0"}, lambda told: told.given.update(_governed())),
    ("attestation_age_limit_seconds", {}, lambda told: told.given.update(_governed())),
    (
        "attestation_refusals_total",
        {"reason": "length"},
        lambda told: told.refusals.update({"length": 1}),
    ),
    ("traces_dropped_total", {}, lambda told: told.observer.drop_trace()),
]
ALWAYS = {
    "build_info",
    "consensus_validators",
    "consensus_quorum_size",
    "disk_free_bytes",
    "peer_connected",
}
"""Not 0 from the first moment on."""


def _epoch() -> dict[str, Any]:
    from tests.node.host.test_execution_watch import DESCRIPTION

    return {"description": replace(DESCRIPTION, epoch=Epoch(1))}


def _governed() -> dict[str, Any]:
    from types import SimpleNamespace

    entry = SimpleNamespace(
        node_key=bytes(KEYS[0]), name="n0", status="validator", age_ms=60_000, measurement=b""
    )
    rules = SimpleNamespace(policy=SimpleNamespace(max_age_ms=86_400_000))
    return {"governance": SimpleNamespace(nodes=(entry,), member_rules=lambda: rules)}


@pytest.mark.parametrize(("name", "labels", "move"), MOVES, ids=lambda one: str(one)[:40])
def test_a_number_moves_when_what_it_tells_of_happens(
    told: Told, name: str, labels: dict[str, str], move: Callable[[Told], None]
) -> None:
    def value() -> float:
        return sum(
            number
            for (sample, has), number in told.samples().items()
            if sample == PREFIX + name
            and all(
                dict(has).get(key) in (word, "*") or word == "*" for key, word in labels.items()
            )
        )

    before = value()
    move(told)
    after = value()
    assert after > 0
    assert after > before or name in ALWAYS


COUNTED = [
    (PREFIX + name, labels, move)
    for name, labels, move in MOVES
    if name.endswith("_total") and labels
]


@pytest.mark.parametrize(
    ("name", "labels"), [(name, labels) for name, labels, _ in COUNTED], ids=str
)
def test_a_counter_is_there_at_0_before_it_moves(
    told: Told, name: str, labels: dict[str, str]
) -> None:
    """`increase` and `rate` do not see a series that begins at 1: its first refusal would be
    nobody's alert."""
    assert told.samples()[name, tuple(sorted(labels.items()))] == 0


def test_a_counter_has_no_series_later_that_it_had_not_from_the_start(told: Told) -> None:
    """Of every reason, operation and code that there is."""

    def series() -> set[tuple[str, tuple[tuple[str, str], ...]]]:
        return {key for key in told.samples() if key[0].endswith("_total")}

    before = series()
    for _, _, move in COUNTED:
        move(told)
    told.refusals.update(dict.fromkeys([*map(str, Reason), OTHER_REASON], 1))
    for op in Op:
        told.enclave.waits[op.name].observe(0.001)
    assert series() == before


def test_each_number_of_the_catalogue_has_a_move_here_or_is_the_front_doors() -> None:
    moved = {PREFIX + name.removesuffix("_sum").removesuffix("_count") for name, _, _ in MOVES}
    assert moved == METRICS.keys() - DOOR


def test_what_is_told_is_the_catalogue_and_each_has_its_help_and_its_kind(told: Told) -> None:
    for _, _, move in MOVES:
        move(told)
    text = told.metrics.render()
    named = {name for name in names_of(text) if name.startswith(PREFIX)}
    assert named == METRICS.keys() - DOOR
    foreign = names_of(text) - named
    assert {name.split("_")[0] for name in foreign} == {"process", "python"}
    assert "_created" not in text
    for name in named:
        assert f"# HELP {name} {METRICS[name].words}\n" in text
        assert f"# TYPE {name} {METRICS[name].kind}\n" in text


def test_names_keep_to_prometheus_own_rules() -> None:
    for name, entry in METRICS.items():
        assert name.endswith("_total") == (entry.kind is Kind.COUNTER), name
        assert (entry.kind is Kind.HISTOGRAM) == bool(entry.bounds), name
        assert entry.kind is not Kind.HISTOGRAM or name.endswith("_seconds")
        assert not entry.words.endswith(".")
        assert list(entry.bounds) == sorted(entry.bounds)


def test_labels_say_registered_nodes_alone(told: Told) -> None:
    """Whoever is linked, or breaks rules, without being registered has no series of its own."""
    stranger = bytes([99]) * 32
    told.traffic[stranger] = Traffic(5, 5)
    told.given["faults"] = {stranger: 1}
    told.given["linked"] = frozenset({stranger})
    peers = {
        dict(labels)["peer"] for (_, labels), _ in told.samples().items() if "peer" in dict(labels)
    }
    assert peers == {"n0", "n2", "n3"}, "not itself, and nobody else"


def test_the_state_is_one_of_the_states(told: Told) -> None:
    shown = [v for (name, _), v in told.samples().items() if name == f"{PREFIX}node_state"]
    assert sorted(shown) == [0] * 6 + [1]


def test_a_validator_of_an_ended_epoch_is_told_no_more(told: Told) -> None:
    finals(told)
    told.observer.epoch(KEYS[1:])
    assert KEYS[0] not in told.observer.signed
    assert KEYS[2] in told.observer.signed


def test_a_certificate_of_another_kind_is_no_nullified_view() -> None:
    observer = Observer()
    for kind in ("notarize", "finalize"):
        observer.logged(*encode_record(CertificateRecord(samples.certificate(kind))))
    observer.logged(*encode_record(CertificateRecord(samples.certificate("nullify"))))
    assert observer.nullified == 1


def test_heights_that_are_never_answered_are_forgotten() -> None:
    observer = Observer()
    for height in range(1, 2 * OPEN_HEIGHTS_MAX):
        observer.final([commit(height, height)])
    assert len(observer._final_at) <= OPEN_HEIGHTS_MAX
