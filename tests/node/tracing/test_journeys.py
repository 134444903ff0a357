"""Sampled journeys: who is followed, ten stamps in order, ten spans of public facts alone."""

import gzip
import threading
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from tests.consensus import samples

from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.types import Height, Milliseconds
from strongroom.node.metrics.observer import Journeys
from strongroom.node.tracing import exporting
from strongroom.node.tracing.exporting import export, make_exporter, make_teller
from strongroom.node.tracing.journeys import (
    ENDED_MAX,
    OPEN_MAX,
    SPANS,
    Sampled,
    Stop,
    size_class_of,
)
from strongroom.node.tracing.settings import TracingSettings

HEADER = replace(samples.HEADER, height=Height(7), time_ms=Milliseconds(4_500))


class Clock:
    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        self.ns += 1_000_000_000
        return self.ns


def sampled(one_in: int = 1, dropped: list[int] | None = None) -> Sampled:
    lost = [] if dropped is None else dropped
    return Sampled(one_in, lambda: lost.append(1), Clock())


def envelopes(count: int, size: int = 200) -> tuple[list[bytes], list[bytes]]:
    made = [number.to_bytes(4, "big") + bytes(size - 4) for number in range(count)]
    return [sha256(one).digest() for one in made], made


def travel(made: Sampled, ids: list[bytes], sent: list[bytes]) -> None:
    """Through all stops; the clock gives 1, 2, 3 … seconds."""
    made.taken(ids, sent)
    made.batched(sent, lane=2)
    made.signed()
    made.said()
    made.recorded(6.0)
    made.executed(7.0)
    made.kept(8.0)
    made.answered(HEADER, 5.0, [(id, 0) for id in ids])


def test_ten_stops_are_stamped_in_their_order() -> None:
    made = sampled()
    ids, sent = envelopes(1)
    followed: Journeys = made  # what the observer asks for
    assert followed is made
    clock = iter([1, 2, 3, 4, 9])
    made._now = lambda: next(clock) * 1_000_000_000
    travel(made, ids, sent)
    (one,) = made.ended
    assert [stamp / 1e9 for stamp in one.stamps] == [1, 2, 3, 4, 4.5, 5, 6, 7, 8, 9]
    assert (one.height, one.lane, one.size_class) == (7, 2, 256)
    assert len(one.stamps) == len(Stop) == len(SPANS) + 1 == 10


def test_a_leaders_clock_that_goes_wrong_turns_no_span_around() -> None:
    for time_ms in (0, 10**12):
        made = sampled()
        ids, sent = envelopes(1)
        made.taken(ids, sent)
        header = replace(HEADER, time_ms=Milliseconds(time_ms))
        made.answered(header, 5.0, [(ids[0], 0)])
        (one,) = made.ended
        assert list(one.stamps) == sorted(one.stamps)


def test_every_node_samples_the_same_ids_and_about_one_in_n() -> None:
    ids, sent = envelopes(5_000)
    taken = []
    for _ in range(2):
        made = Sampled(50, lambda: None)
        made.taken(ids, sent)
        taken.append(sorted(made._open))
    assert taken[0] == taken[1]
    assert 50 < len(taken[0]) < 200
    assert sampled(1)._below == bytes([255]) * 32


def test_nothing_grows_without_bound_and_what_is_given_up_is_counted() -> None:
    dropped: list[int] = []
    made = sampled(1, dropped)
    ids, sent = envelopes(OPEN_MAX + 10)
    made.taken(ids, sent)
    assert (len(made._open), len(made._waiting), len(dropped)) == (OPEN_MAX, OPEN_MAX, 10)
    for _ in range(2 * OPEN_MAX):
        made.signed()
    assert len(made._unsaid) <= OPEN_MAX
    for start in range(0, ENDED_MAX + 100, 100):
        more = [sha256(number.to_bytes(8, "big")).digest() for number in range(start, start + 100)]
        kept = [bytes(300) for _ in more]
        made.taken(more, kept)
        made.answered(HEADER, 5.0, [(id, 0) for id in more])
    assert len(made.ended) == ENDED_MAX


def test_an_envelope_that_is_batched_elsewhere_leaves_nothing_behind() -> None:
    made = sampled()
    ids, sent = envelopes(1)
    made.taken(ids, sent)
    made.answered(HEADER, 5.0, [(ids[0], 0)])
    assert (len(made._open), len(made._waiting)) == (0, 0)
    assert made.ended[0].lane == -1
    assert made.ended[0].envelope is None


@pytest.mark.parametrize(("size", "expected"), [(1, 256), (256, 256), (257, 512), (10**9, 0)])
def test_a_size_is_told_as_its_class(size: int, expected: int) -> None:
    assert size_class_of(size) == expected


def told(*journeys: Any) -> list[Any]:
    memory: Any = pytest.importorskip(
        "opentelemetry.sdk.trace.export.in_memory_span_exporter", reason="the extra otel is missing"
    )
    exporter = memory.InMemorySpanExporter()
    tell, end = make_teller("n1", exporter, at_once=True)
    for one in journeys:
        tell(one)
    spans = list(exporter.get_finished_spans())
    end()
    return spans


def test_a_trace_is_one_root_and_nine_children_with_the_stamped_times() -> None:
    made = sampled()
    ids, sent = envelopes(2)
    travel(made, ids, sent)
    spans = told(*made.ended)
    assert len(spans) == 20
    for at, journey in enumerate(made.ended):
        *children, root = spans[10 * at : 10 * at + 10]
        assert (root.name, root.parent) == ("transaction", None)
        assert [span.name for span in children] == list(SPANS)
        assert {span.parent.span_id for span in children} == {root.context.span_id}
        times = [(span.start_time, span.end_time) for span in children]
        stamps = list(journey.stamps)
        assert times == list(pairwise(stamps))
        assert (root.start_time, root.end_time) == (stamps[0], stamps[-1])
        assert {span.context.trace_id for span in (root, *children)} == {
            int.from_bytes(ids[at][-16:], "big")
        }, "found by the transaction, on every node"


def test_a_trace_says_height_lane_and_size_class_and_nothing_else() -> None:
    """T08, T10: no identity, session, program or envelope; the host knows none of the first."""
    made = sampled()
    ids, sent = envelopes(1)
    made.taken(ids, sent)
    assert "envelope" not in repr(made._open[ids[0]])
    travel(made, ids, sent)
    assert made.ended[0].envelope is None
    spans = told(*made.ended)
    assert dict(spans[-1].attributes) == {
        "strongroom.height": 7,
        "strongroom.lane": 2,
        "strongroom.size_class": 256,
    }
    assert all(not span.attributes for span in spans[:-1])
    resource = dict(spans[0].resource.attributes)
    assert {key for key in resource if not key.startswith("telemetry.")} == {
        "service.name",
        "service.instance.id",
    }


def test_without_the_extra_a_node_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    name = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(OperatorFault, match=r"strongroom\[otel\]"):
        make_exporter(TracingSettings(endpoint="http://127.0.0.1:1/v1/traces"))


async def test_ended_journeys_are_handed_on_and_the_end_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import asyncio

    monkeypatch.setattr(exporting, "EXPORT_SECONDS", 0)
    made, seen, ended = sampled(), list[Any](), list[int]()
    ids, sent = envelopes(3)
    travel(made, ids, sent)
    work = asyncio.create_task(export(made, seen.append, lambda: ended.append(1)))
    while len(seen) < 3:
        await asyncio.sleep(0)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert ([one.id for one in seen], ended, len(made.ended)) == (ids, [1], 0)


def test_a_host_without_tracing_imports_nothing_of_it() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from strongroom.node.host.host import Host; "
        "from strongroom.node.host.observing import observe; "
        "from types import SimpleNamespace; "
        "assert observe(SimpleNamespace(tracing=None))[0].journeys is None; "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_log_says_once_when_the_collector_is_away_and_when_it_is_back() -> None:
    import structlog

    export_module: Any = pytest.importorskip(
        "opentelemetry.sdk.trace.export", reason="the extra otel is missing"
    )
    answers = iter(["FAILURE", "FAILURE", "SUCCESS", "SUCCESS"])
    inner = SimpleNamespace(
        export=lambda _: getattr(export_module.SpanExportResult, next(answers)),
        shutdown=lambda: None,
    )
    exporter = exporting._saying(inner)
    with structlog.testing.capture_logs() as lines:
        for _ in range(4):
            exporter.export([])
    assert [line["event"] for line in lines] == ["traces.not_taken", "traces.taken_again"]


def test_a_collector_gets_the_ten_spans_over_http() -> None:
    """OTLP as a collector reads it, from the exporter of `[tracing]` alone."""
    service: Any = pytest.importorskip(
        "opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="otel is missing"
    )
    bodies: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    made = sampled()
    ids, sent = envelopes(1)
    travel(made, ids, sent)
    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            endpoint = f"http://127.0.0.1:{server.server_port}/v1/traces"
            exporter = make_exporter(TracingSettings(endpoint=endpoint))
            tell, end = make_teller("n1", exporter)
            tell(made.ended[0])
            end()
        finally:
            server.shutdown()
            thread.join()
    names: list[str] = []
    for path, body in bodies:
        assert path == "/v1/traces"
        request = service.ExportTraceServiceRequest()
        request.ParseFromString(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        for resource in request.resource_spans:
            names += [span.name for scope in resource.scope_spans for span in scope.spans]
    assert sorted(names) == sorted([*SPANS, "transaction"])
