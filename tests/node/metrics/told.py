"""A node that is not there, with everything that metrics are read from."""

from types import SimpleNamespace
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from tests.node.host.test_execution_watch import KEYS, node

from strongroom.node.api.metrics import NodeMetrics
from strongroom.node.framing import Traffic
from strongroom.node.metrics.catalogue import ARCHIVE_READS, FAST
from strongroom.node.metrics.observer import Observer
from strongroom.node.metrics.tallies import Histograms

NAMES = ("n0", "n1", "n2", "n3")
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples_of(text: str) -> Samples:
    """Every sample by name and labels, as Prometheus reads the text."""
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def names_of(text: str) -> set[str]:
    """Metrics, not samples: of what TYPE lines there are."""
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}


class Told:
    """Sources of one node; what a test sets in them is what the metrics say."""

    def __init__(self, folder: Any) -> None:
        (folder / "ledger").mkdir(exist_ok=True)
        self.given: dict[str, Any] = {}
        self.observer = Observer()
        self.enclave = SimpleNamespace(waits=Histograms(FAST))
        self.mempool = SimpleNamespace(envelopes=0, held_bytes=0)
        self.refusals: dict[str, int] = {}
        self.archived = SimpleNamespace(summaries=[], reads=dict.fromkeys(ARCHIVE_READS, 0))
        self.traffic: dict[Any, Traffic] = {}
        self.boot = 1
        self.folder = folder
        self.metrics = NodeMetrics(self._sources())
        self.metrics._limit_of = (None, 1)  # there is no genesis here to read it from

    def _sources(self) -> Any:
        claims = [
            SimpleNamespace(
                claims=SimpleNamespace(node_key=key, node=name), measurement=b"\xab" * 48
            )
            for key, name in zip(KEYS, NAMES, strict=True)
        ]
        told, folder = self, self.folder

        class Sources:
            genesis = SimpleNamespace(validators=claims, constitution=None)
            config = SimpleNamespace(
                name="n1", layout=SimpleNamespace(ledger=folder / "ledger", directory=folder)
            )
            store = SimpleNamespace(archived=told.archived)
            observer, enclave, mempool = told.observer, told.enclave, told.mempool
            links = SimpleNamespace(
                traffic=told.traffic, handshake=SimpleNamespace(refusals=told.refusals)
            )

            @property
            def boot(self) -> int:
                return told.boot

            def state(self) -> Any:
                return node(**told.given)

        return Sources()

    def samples(self) -> Samples:
        return samples_of(self.metrics.render())
