"""`nK/run.json`: what a running host says about itself, for whoever manages it.

Owns that file's form. The host writes it once its enclave runs and removes it when it ends cleanly;
a record left behind by a killed host names processes by pid *and* start time, so nobody else is
ever mistaken for them.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from strongroom.node.machine.processes import ProcessId, parent_of


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The two processes of a node."""

    host: ProcessId
    enclave: ProcessId
    started_ms: int
    """Since the Unix epoch."""

    @classmethod
    def here(cls, enclave_pid: int) -> "RunRecord":
        """For the calling process, a host, and its running enclave.

        Raises:
            ProcessLookupError: the enclave has ended.
        """
        host, enclave = ProcessId.of(os.getpid()), ProcessId.of(enclave_pid)
        if host is None or enclave is None:
            raise ProcessLookupError(f"no process {enclave_pid}")
        return cls(host, enclave, time.time_ns() // 1_000_000)

    def write(self, path: Path) -> None:
        """Replace the file in one step."""
        document = {
            "pid": self.host.pid,
            "enclave_pid": self.enclave.pid,
            "started": self.started_ms,
            "host": self.host.document(),
            "enclave": self.enclave.document(),
        }
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(document) + "\n")
        draft.replace(path)


def read_processes(path: Path) -> tuple[ProcessId | None, ProcessId | None]:
    """Host and enclave of a run.json as far as it proves which processes they are; (None, None) if
    it does not.

    A record without start times names a process only while the enclave's parent is the host.
    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None, None
    if not isinstance(document, dict):
        return None, None
    host, enclave = (ProcessId.from_document(document.get(key)) for key in ("host", "enclave"))
    if host is None and enclave is None:
        match document:
            case {"pid": int(pid), "enclave_pid": int(enclave_pid)}:
                child = ProcessId.of(enclave_pid)
                if child is not None and parent_of(child) == pid:
                    return ProcessId.of(pid), child
    return host, enclave
