"""Where everything of a cluster lies on disk: the one table of file and folder names.

Owns names and nothing else, and how a hint names the folder: it opens, reads and makes no file. No
other module spells a name of this table.

    DIR/service.json · ca.pem · genesis.bin              what clients and nodes read
    DIR/credential                                       what clients show at a door, mode 0600
    DIR/keys/NAME.json, NAME.seen                        identities, newest height seen
    DIR/keys/NAME.vault/KEY@VERSION.json                 data keys of that identity, mode 0600
    DIR/keys/NAME.recovery/                              a member's recovery keys, mode 0600, and
                                                         generations that it checked
    DIR/keys/NAME.admin/GRANT.NODE.key                   key of diagnostics to be read, mode 0600
    DIR/platform/                                        the simulated manufacturer
    DIR/nK/node.toml · node.log · lock · host.pid · run.json one node's host process
    DIR/nK/tls.key · tls.crt                             its connection key, nothing more
    DIR/nK/chip/                                         its simulated silicon
    DIR/nK/ceremony/                                     what it said and got in a founding
    DIR/nK/sealed/                                       its enclave's sealed keys
    DIR/nK/ledger/ · wal/ · index/ · snapshots/          storage (DESIGN §8)
    DIR/nK/archived/                                     what is known here of archived segments
    DIR/nK/recovery/                                     a dead service's recovery under way
    DIR/nK/chunks/                                       sealed chunks of data sets and results
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

DEFAULT_DIRECTORY = "strongroom-data"
"""Used when neither `--dir` nor STRONGROOM_DIR names a cluster's folder."""
DIRECTORY_VARIABLE = "STRONGROOM_DIR"
"""Names the folder for all commands of a shell."""
PASSPHRASE_VARIABLE = "STRONGROOM_PASSPHRASE"  # noqa: S105 (its name, not its value)
"""Has the passphrase of key files, so that none is asked for."""

SEALED_STATE = "state"
"""The enclave's sealed keys, in a node's `sealed/`."""

_NODE_NAME = re.compile(r"n(\d{1,4})")


def dir_option(directory: Path) -> str:
    """` --dir DIR` as a hint shows it behind a command; nothing where that command finds this
    folder without."""
    usual = Path(os.environ.get(DIRECTORY_VARIABLE) or DEFAULT_DIRECTORY)
    found = directory == usual or directory.absolute() == usual.absolute()
    return "" if found else f" --dir {quote(str(directory))}"


@dataclass(frozen=True, slots=True)
class NodeLayout:
    """One node's folder, `DIR/nK/`."""

    directory: Path

    @property
    def name(self) -> str:
        """The node's name is its folder's."""
        return self.directory.name

    @property
    def cluster(self) -> "ClusterLayout":
        """The folder around it."""
        return ClusterLayout(self.directory.parent)

    @property
    def config(self) -> Path:
        """What the host process is started with."""
        return self.directory / "node.toml"

    @property
    def log(self) -> Path:
        """Structured log; also the process's standard output and error."""
        return self.directory / "node.log"

    @property
    def lock(self) -> Path:
        """Held by the running host; refuses a second one."""
        return self.directory / "lock"

    @property
    def host_pid(self) -> Path:
        """Pid and start time of the host, written by whoever started it."""
        return self.directory / "host.pid"

    @property
    def run(self) -> Path:
        """Written by the running host: its pid, its enclave's pid, when it started."""
        return self.directory / "run.json"

    @property
    def tls_key(self) -> Path:
        """Private key of connections, mode 0600."""
        return self.directory / "tls.key"

    @property
    def tls_certificate(self) -> Path:
        """Self-signed certificate; its key's digest is named in the node's claims."""
        return self.directory / "tls.crt"

    @property
    def chip(self) -> Path:
        """Stands for silicon: the simulated platform's chip key and fuses."""
        return self.directory / "chip"

    @property
    def ceremony(self) -> "CeremonyLayout":
        """What it said and got in a founding between organisations."""
        return CeremonyLayout(self.directory / "ceremony")

    @property
    def sealed(self) -> Path:
        """What the enclave sealed to its chip and measurement."""
        return self.directory / "sealed"

    @property
    def ledger(self) -> Path:
        """Append-only segments of blocks and outcomes."""
        return self.directory / "ledger"

    @property
    def archived(self) -> Path:
        """Contents of archived segments, where the archive is, and what was recalled from it."""
        return self.directory / "archived"

    @property
    def wal(self) -> Path:
        """The consensus log."""
        return self.directory / "wal"

    @property
    def index(self) -> Path:
        """LMDB; rebuilt from the segments when lost."""
        return self.directory / "index"

    @property
    def snapshots(self) -> Path:
        """Sealed state at some heights."""
        return self.directory / "snapshots"

    @property
    def recovery(self) -> Path:
        """A recovery of a dead service that is under way here."""
        return self.directory / "recovery"

    @property
    def chunks(self) -> Path:
        """Sealed chunks of data sets and results."""
        return self.directory / "chunks"


@dataclass(frozen=True, slots=True)
class CeremonyLayout:
    """One node's part in a founding, `DIR/nK/ceremony/`."""

    directory: Path

    @property
    def card(self) -> Path:
        """What this organisation says of itself."""
        return self.directory / "card"

    @property
    def proposal(self) -> Path:
        """What it accepted."""
        return self.directory / "proposal"

    @property
    def keys(self) -> Path:
        """The enclave's keys for that proposal, sealed to its chip."""
        return self.directory / "sealed-keys"

    @property
    def acceptance(self) -> Path:
        """Its acceptance, so that asking again gives the same one."""
        return self.directory / "acceptance"

    @property
    def given_up(self) -> Path:
        """Digests of the proposals that it accepted and gave up, a line each."""
        return self.directory / "given-up"

    @property
    def founding(self) -> Path:
        """The genesis that it confirmed; at the founder, the one that it made."""
        return self.directory / "founding"

    @property
    def state(self) -> Path:
        """What the enclave sealed when it took its wrap; it becomes the node's at the end."""
        return self.directory / "sealed-state"

    @property
    def confirmation(self) -> Path:
        """Its confirmation."""
        return self.directory / "confirmation"


@dataclass(frozen=True, slots=True)
class ClusterLayout:
    """A local cluster's folder, `DIR`."""

    directory: Path

    @property
    def service(self) -> Path:
        """Pin, chain, endpoints and bundle: all that a client needs."""
        return self.directory / "service.json"

    @property
    def ca(self) -> Path:
        """PEM bundle of the nodes' self-signed certificates."""
        return self.directory / "ca.pem"

    @property
    def genesis(self) -> Path:
        """Canonical genesis bytes."""
        return self.directory / "genesis.bin"

    @property
    def credential(self) -> Path:
        """The credential of this folder's organisation, mode 0600."""
        return self.directory / "credential"

    @property
    def keys(self) -> Path:
        """Identities of members and users."""
        return self.directory / "keys"

    @property
    def platform(self) -> Path:
        """The simulated manufacturer."""
        return self.directory / "platform"

    def identity(self, name: str) -> Path:
        """One identity's key file."""
        return self.keys / f"{name}.json"

    def seen(self, name: str) -> Path:
        """The newest height in an answer to this identity."""
        return self.keys / f"{name}.seen"

    def vault(self, name: str) -> Path:
        """The data keys that one identity keeps of its vault."""
        return self.keys / f"{name}.vault"

    def recovery(self, name: str) -> Path:
        """The recovery keys of one member, and copies of what it checked."""
        return self.keys / f"{name}.recovery"

    def diagnostics_key(self, name: str, grant: str, node: str) -> Path:
        """The one-time key to which diagnostics of a node are sealed for this identity."""
        return self.keys / f"{name}.admin" / f"{grant}.{node}.key"

    def node(self, name: str) -> NodeLayout:
        """One node's folder, whether it exists or not."""
        return NodeLayout(self.directory / name)

    def nodes(self) -> list[NodeLayout]:
        """All nodes that have a configuration, n0, n1, … n10 in numeric order."""
        found = [NodeLayout(path.parent) for path in self.directory.glob("n*/node.toml")]
        numbered = [
            (int(match[1]), node) for node in found if (match := _NODE_NAME.fullmatch(node.name))
        ]
        return [node for _, node in sorted(numbered, key=lambda entry: entry[0])]
