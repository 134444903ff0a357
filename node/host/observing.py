"""What a host notes of itself: its observer and, where `[tracing]` asks for it, sampled journeys
and the work that exports them."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from strongroom.node.config import NodeConfig
from strongroom.node.metrics.observer import Observer
from strongroom.node.tracing.exporting import export, make_exporter, make_teller
from strongroom.node.tracing.journeys import Sampled

Export = Callable[[], Coroutine[Any, Any, None]]


def observe(config: NodeConfig) -> tuple[Observer, Export | None]:
    """The observer of a node with this configuration; what exports its traces, if it has any.

    Raises:
        OperatorFault: traces are asked for, and the extra `otel` is missing.
    """
    observer, tracing = Observer(), config.tracing
    if tracing is None:
        return observer, None
    observer.journeys = sampled = Sampled(tracing.one_in, observer.drop_trace)
    tell, end = make_teller(config.name, make_exporter(tracing))
    return observer, partial(export, sampled, tell, end)
