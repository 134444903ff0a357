"""Journeys become traces: one root span and nine children, with the times that were stamped.

Owns all that knows OpenTelemetry, which comes with the extra `otel` and is imported by nobody else.
It runs after the answer, beside everything, and in a thread of its own: a collector that is slow or
away costs spans, never a transaction.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import structlog

from strongroom.consensus.errors import OperatorFault
from strongroom.node.tracing.journeys import SPANS, Journey, Sampled, Stop
from strongroom.node.tracing.settings import TracingSettings

COLLECTOR_SECONDS = 2.0
"""Within which the collector must take what it is given."""
END_SECONDS = 2.0
"""A stopping node waits so long for the collector, at most."""
EXPORT_SECONDS = 1.0
"""How often ended journeys are handed on."""

log = structlog.get_logger()

Tell = Callable[[Journey], None]


def make_exporter(settings: TracingSettings) -> Any:
    """The exporter to the collector, OTLP over HTTP.

    Raises:
        OperatorFault: the extra is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise OperatorFault(
            "[tracing] needs OpenTelemetry: pip install 'strongroom[otel]', or take [tracing] out "
            "of node.toml"
        ) from None
    library = logging.getLogger("opentelemetry")  # else it writes to standard error, unasked
    library.addHandler(logging.NullHandler())
    library.propagate = False
    return _saying(OTLPSpanExporter(endpoint=settings.endpoint, timeout=COLLECTOR_SECONDS))


def _saying(exporter: Any) -> Any:
    """The exporter; the log says when the collector takes nothing, and when it does again."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Saying(SpanExporter):
        refused = False

        def export(self, spans: Any) -> Any:
            result = exporter.export(spans)
            refused = result is not SpanExportResult.SUCCESS
            if refused and not self.refused:
                log.warning("traces.not_taken", spans=len(spans))
            elif self.refused and not refused:
                log.info("traces.taken_again")
            self.refused = refused
            return result

        def shutdown(self) -> None:
            exporter.shutdown()

    return Saying()


def make_teller(
    node: str, exporter: Any, *, at_once: bool = False
) -> tuple[Tell, Callable[[], None]]:
    """What makes a trace of a journey; and what ends it, once all is handed over.

    Args:
        node: the name of this node.
        exporter: an OpenTelemetry SpanExporter.
        at_once: give each span to the exporter as it ends; else in batches, by a thread.
    """
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    from opentelemetry.trace import set_span_in_context

    class Ids(RandomIdGenerator):
        """A trace is found by its transaction: its id is the end of the transaction's."""

        trace = 0

        def generate_trace_id(self) -> int:
            return self.trace or super().generate_trace_id()

    ids = Ids()
    resource = Resource({"service.name": "strongroom", "service.instance.id": node})
    provider = TracerProvider(
        resource=resource, id_generator=ids, sampler=ALWAYS_ON, shutdown_on_exit=False
    )
    processor = SimpleSpanProcessor if at_once else BatchSpanProcessor
    provider.add_span_processor(processor(exporter))
    tracer = provider.get_tracer("strongroom")

    def tell(journey: Journey) -> None:
        stamps = journey.stamps
        attributes = {
            "strongroom.height": journey.height,
            "strongroom.lane": journey.lane,
            "strongroom.size_class": journey.size_class,
        }
        ids.trace = int.from_bytes(journey.id[-16:], "big")
        root = tracer.start_span(
            "transaction", start_time=stamps[Stop.TAKEN], attributes=attributes
        )
        context = set_span_in_context(root)
        for at, name in enumerate(SPANS):
            span = tracer.start_span(name, context=context, start_time=stamps[at])
            span.end(end_time=stamps[at + 1])
        root.end(end_time=stamps[Stop.ANSWERED])

    return tell, provider.shutdown


async def export(sampled: Sampled, tell: Tell, end: Callable[[], None]) -> None:
    """Hand ended journeys on until cancelled; what the library still holds is sent then."""
    try:
        while True:
            await asyncio.sleep(EXPORT_SECONDS)
            ended = [sampled.ended.popleft() for _ in range(len(sampled.ended))]
            if ended:
                await asyncio.to_thread(_tell_all, tell, ended)
    finally:
        ending = threading.Thread(target=end, daemon=True)  # no executor waits for it
        ending.start()
        ending.join(END_SECONDS)


def _tell_all(tell: Tell, ended: list[Journey]) -> None:
    for journey in ended:
        tell(journey)
