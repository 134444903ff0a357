"""`distributed` as it runs in a bench: no thread, no file, no socket, no word to anybody, and no
pickle that names more than a crew's own tasks (T24, T63).

Owns what is taken from it before the walls rise. What it would do beside scheduling tasks and
moving their data, it does not do here.
"""

import io
import linecache
import logging
import pickle as standard
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from strongroom.enclave.room.crew import tasks
from strongroom.enclave.room.crew.configured import (
    core,
    dask,
    pickle,
    scheduler,
    utils,
    versions,
    worker,
)

T = TypeVar("T")
SETTINGS = {
    "distributed.client.preload": [],
    "distributed.comm.compression": False,
    "distributed.comm.offload": False,
    "distributed.comm.retry.count": 0,
    "distributed.comm.timeouts.connect": "3600s",
    "distributed.diagnostics.computations.max-history": 0,
    "distributed.diagnostics.nvml": False,
    "distributed.p2p.storage.disk": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.dashboard.status.task-stream-length": 1,
    "distributed.scheduler.http.routes": [],
    "distributed.scheduler.preload": [],
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.worker-saturation": "inf",
    "distributed.scheduler.worker-ttl": None,
    "distributed.worker.http.routes": [],
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.memory.transfer": False,
    "distributed.worker.preload": [],
    "distributed.worker.profile.enabled": False,
    "distributed.worker.use-file-locking": False,
}
NAMED = {
    ("builtins", "bytes"),
    ("dask._expr", "Expr._reconstruct"),
    ("dask._expr", "LLGExpr"),
    ("dask._task_spec", "Alias"),
    ("dask._task_spec", "Task"),
    *((one.__module__, one.__qualname__) for one in tasks.TASKS),
}
"""All that a pickle may name: the parts of a graph, and a crew's own tasks."""


class NotOurs(standard.UnpicklingError):
    """A pickle names what no member of a crew sends."""


class _Unpickler(standard.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Of the closed list alone."""
        if (module, name) not in NAMED:
            raise NotOurs(f"{module}.{name}")
        return super().find_class(module, name)


def loads(data: bytes, *, buffers: Iterable[Any] = ()) -> Any:
    """Read a pickle; raises NotOurs for one that names anything beside NAMED."""
    return _Unpickler(io.BytesIO(data), buffers=buffers).load()


class Here(Executor):
    """Runs what it is given at once, in this thread: a bench has one."""

    def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run it."""
        future: Future[T] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as fault:
            future.set_exception(fault)
        return future


class _Still:
    """Where a monitor of the machine would be."""

    count, last_time = 0, 0.0
    gpu_name, gpu_memory_total = None, -1

    def recent(self) -> dict[str, float]:
        """Nothing is looked at."""
        return {"cpu": 0.0, "memory": 0, "time": 0.0}

    def range_query(self, start: int) -> dict[str, list[float]]:
        """Nothing was."""
        return {}

    def update(self) -> dict[str, float]:
        """Nothing is."""
        return self.recent()

    def close(self) -> None:
        """Nothing is open."""


class Scheduler(scheduler.Scheduler):  # type: ignore[misc]
    """Without a server of pages."""

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """There is none."""

    async def _stop_services(self) -> None:
        """There is none."""


class Worker(worker.Worker):  # type: ignore[misc]
    """Without a server of pages."""

    def start_http_server(self, *_: Any, **__: Any) -> None:
        """There is none."""

    async def _stop_services(self) -> None:
        """There is none."""


def make_worker() -> Worker:
    """Before the walls rise: it looks at this machine when it is made."""
    return Worker(
        "sr://0",
        protocol="sr",
        nthreads=1,
        executor=Here(),
        memory_limit=0,
        dashboard=False,
        extensions={},
    )


def make_quiet() -> None:
    """Take from `distributed` what it would do behind the walls, for this process and for good."""
    dask.config.set(SETTINGS).__enter__()
    logging.disable(logging.CRITICAL)
    utils._offload_executor = Here()
    core.SystemMonitor = _Still
    for module in (scheduler, worker):
        module.enable_gc_diagnosis = module.disable_gc_diagnosis = _nothing
        module.setproctitle = _nothing
    # Of sources, which a traceback would open:
    linecache.updatecache = _no_lines
    linecache.checkcache = _nothing
    uuid.uuid1 = _chance
    versions.get_versions = worker.get_versions = _no_versions
    pickle.loads = loads
    pickle.dumps = _dumps


def _dumps(x: Any, *, buffer_callback: Any = None, protocol: int | None = None) -> bytes:
    """Pickle what this process has, by name: never code by value."""
    return standard.dumps(x, protocol=protocol or 5, buffer_callback=buffer_callback)


def _chance(node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
    """Names of clients are chance, not this machine's address and clock."""
    return uuid.uuid4()


def _no_versions(*_: Any) -> dict[str, dict[str, str]]:
    """All members are of one measurement, and need not ask each other."""
    return {"host": {}, "packages": {}}


def _no_lines(filename: str, module_globals: dict[str, Any] | None = None) -> list[str]:
    """No file is read for a traceback."""
    return []


def _nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""
