"""What an operator asks before a node is started: would it run here (`node run --check`)?

Owns the findings. It starts no host, votes for nothing and writes nothing: the enclave is started
once beside, unseals a copy of the state that nobody keeps, and shows evidence for this one look.
"""

import asyncio
import os
import shutil
import socket
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import (
    AttestationError,
    NotCanonical,
    OperatorFault,
    StrongroomError,
)
from strongroom.consensus.types import Milliseconds
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.attestation.verifier import GOVERNED, verify_evidence, verify_genuine
from strongroom.enclave.primitives import random_bytes
from strongroom.enclave.proofs.genesis import VerifiedGenesis, verify_genesis
from strongroom.node import tls
from strongroom.node.client.trust.service import load_service
from strongroom.node.config import Address, NodeConfig
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.refusals import Refusal
from strongroom.node.layout import SEALED_STATE
from strongroom.node.machine.ports import PortTaken, check_free
from strongroom.node.machine.run_records import read_processes
from strongroom.node.rpc import probe

DISK_LEAST = 256 * 2**20
DISK_WARNS = 4 * 2**30
"""Free bytes of the node's disk: fewer than the first and it does not begin."""
RESOLVE_SECONDS = 3.0
ASK_SECONDS = 2.0
CLOCK_MS_MAX = 2_000
"""A clock that is so far behind the chain's time proposes blocks that nobody votes for."""
CERTIFICATE_DAYS_WARN = 30


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    """It runs, and somebody should look."""
    ERROR = "error"
    """It would not run, or not as itself."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    """Like `ports`; these words stay."""
    level: Level
    text: str


class Examination:
    """One look at a node's folder."""

    def __init__(self, config: NodeConfig, now_ms: Callable[[], int]) -> None:
        self._config, self._now_ms = config, now_ms
        self._layout = config.layout
        self._genesis: VerifiedGenesis | None = None
        self.findings: list[Finding] = []

    @property
    def good(self) -> bool:
        """Nothing keeps it from running."""
        return all(one.level is not Level.ERROR for one in self.findings)

    async def run(self) -> None:
        """Look at everything; one thing that is wrong keeps no other from being looked at."""
        self._note("config", Level.OK, f"{self._layout.config} is understood")
        for what, look in (
            ("rights", self._rights),
            ("disk", self._disk),
            ("archive", self._archive),
            ("genesis", self._read_genesis),
            ("pin", self._pin),
            ("certificate", self._certificate),
            ("ports", self._ports),
            ("plain", self._plain),
        ):
            await self._look(what, partial(asyncio.to_thread, look))
        await self._look("evidence", self._evidence)
        await self._look("names", self._names)
        await self._look("clock", self._clock)

    async def _look(self, what: str, look: Callable[[], Awaitable[None]]) -> None:
        try:
            await look()
        except (StrongroomError, OSError) as error:
            self._note(what, Level.ERROR, str(error) or type(error).__name__)

    def _note(self, what: str, level: Level, text: str) -> None:
        self.findings.append(Finding(what, level, text))

    # --- the folder -------------------------------------------------------------------------------

    def _rights(self) -> None:
        """Secret files are for their owner alone, and the folder can be written by this user."""
        layout = self._layout
        for folder in (layout.directory, layout.sealed, layout.chip):
            if not folder.is_dir():
                raise OperatorFault(f"{folder} is no folder: found or join with this node first")
        if not os.access(layout.directory, os.R_OK | os.W_OK | os.X_OK):
            raise OperatorFault(
                f"{layout.directory} cannot be written by user {os.geteuid()}: start the node as "
                "the folder's owner, or change it with chown"
            )
        secret = [layout.tls_key, *layout.sealed.iterdir(), *layout.chip.iterdir()]
        for path in secret:
            status = path.stat()
            if status.st_mode & 0o077:
                raise OperatorFault(f"others may read {path}: run `chmod 600 {path}`")
            if status.st_uid not in (os.geteuid(), 0) and os.geteuid() != 0:
                raise OperatorFault(f"{path} is user {status.st_uid}'s: run `chown` as root")
            if not os.access(path, os.R_OK):
                raise OperatorFault(f"{path} cannot be read by user {os.geteuid()}")
        self._note("rights", Level.OK, f"{len(secret)} secret files are their owner's alone")

    def _disk(self) -> None:
        free = shutil.disk_usage(self._layout.directory).free
        words = f"{free / 2**30:.1f} GiB free at {self._layout.directory}"
        if free < DISK_LEAST:
            raise OperatorFault(f"{words}: at least {DISK_LEAST / 2**30:g} GiB are needed")
        self._note("disk", Level.WARNING if free < DISK_WARNS else Level.OK, words)

    # --- who it is --------------------------------------------------------------------------------

    def _archive(self) -> None:
        """Nothing of it is a reason not to run: segments stay in the folder until it works."""
        settings = self._config.archive
        if settings is None:
            return
        home, directory = self._layout.directory, settings.directory
        if not os.access(directory, os.R_OK | os.W_OK | os.X_OK) or not directory.is_dir():
            text = f"{directory} is no folder that can be written: mount it; until then all stays"
            self._note("archive", Level.WARNING, text)
        elif directory.resolve().is_relative_to(home.resolve()):
            text = f"{directory} lies in {home}: name a folder on another disk"
            self._note("archive", Level.WARNING, text)
        else:
            kept = settings.after_bytes
            self._note("archive", Level.OK, f"{directory}, above {kept} bytes of the ledger here")

    def _read_genesis(self) -> None:
        path = self._config.genesis
        try:
            data = path.read_bytes()
        except OSError as error:
            raise OperatorFault(
                f"{path}: {error.strerror}: found a service with `strongroom found`, or join one "
                "with `strongroom node join`"
            ) from None
        try:
            self._genesis = verify_genesis(data)
        except (NotCanonical, AttestationError) as error:
            raise OperatorFault(f"{path} does not verify: {error}; copy it again") from None
        self._note("genesis", Level.OK, f"of {self._genesis.constitution.name}, it verifies")

    def _pin(self) -> None:
        """The genesis is the one that this folder's people pin."""
        path = self._layout.cluster.service
        if self._genesis is None:
            return
        if not path.exists():
            self._note("pin", Level.WARNING, f"no {path}: nobody here pins {self._genesis.pin}")
            return
        pinned = load_service(path).pin
        if pinned != self._genesis.pin:
            raise OperatorFault(
                f"{path} pins another service, {pinned}; {self._config.genesis} is of "
                f"{self._genesis.pin}: one of the two was copied from elsewhere"
            )
        self._note("pin", Level.OK, pinned)

    def _certificate(self) -> None:
        layout = self._layout
        tls.server_context(layout.tls_certificate, layout.tls_key)
        until = tls.valid_until(layout.tls_certificate.read_bytes())
        days = (until - datetime.fromtimestamp(self._now_ms() / 1000, UTC)).days
        words = f"TLS certificate until {until.date()}; a running node renews it by itself"
        self._note(
            "certificate", Level.WARNING if days < CERTIFICATE_DAYS_WARN else Level.OK, words
        )

    async def _evidence(self) -> None:
        """The sealed state opens here, is this node's, and its evidence is taken."""
        if self._genesis is None:
            return
        layout, genesis = self._layout, self._genesis
        path = layout.sealed / SEALED_STATE
        try:
            sealed = path.read_bytes()
        except OSError as error:
            raise OperatorFault(
                f"{path}: {error.strerror}: without its sealed state a node has no keys; restore "
                "it, or join anew"
            ) from None
        nonce = random_bytes(32)
        enclave = await EnclaveClient.start(layout.chip, layout.log)
        try:
            await enclave.unseal(sealed, genesis.data)
            evidence = await enclave.link_evidence(nonce)
        except Refusal as refusal:
            raise OperatorFault(f"the enclave does not take {path}: {refusal}") from None
        finally:
            await enclave.stop()
        claims = Claims.decode(Evidence.decode(evidence).claims)
        if claims.node != self._config.name:
            raise OperatorFault(
                f"this folder is node {claims.node}'s, and {layout.config} says "
                f"{self._config.name}: they belong to two nodes"
            )
        shown = tls.spki_digest(layout.tls_certificate.read_bytes())
        if shown != claims.tls_key:
            raise OperatorFault(
                f"{layout.tls_certificate} is not the key that this node was admitted with: "
                "restore tls.key and tls.crt"
            )
        self._judge(evidence, nonce)

    def _judge(self, evidence: bytes, nonce: bytes) -> None:
        """By genesis' policy; what members may have allowed since is told, not refused."""
        genesis = self._genesis
        if genesis is None:
            return
        judged = (evidence, genesis.constitution.policy)
        now = Milliseconds(self._now_ms())
        try:
            verify_genuine(*judged, chain=genesis.chain, nonce=nonce, time_ms=now)
            verify_evidence(*judged, chain=genesis.chain, nonce=nonce, time_ms=now)
        except AttestationError as error:
            if error.reason not in GOVERNED:
                raise OperatorFault(f"its evidence is refused: {error}") from None
            self._note(
                "evidence",
                Level.WARNING,
                f"genesis does not allow it ({error}): members must have voted since, see "
                "`strongroom gov show`",
            )
        else:
            kind = "SIMULATED, " if genesis.simulated else ""
            self._note("evidence", Level.OK, f"{kind}it meets the policy of genesis")

    # --- the network ------------------------------------------------------------------------------

    def _ports(self) -> None:
        config = self._config
        host, _ = read_processes(self._layout.run)
        if host is not None and host.alive:
            self._note("ports", Level.OK, f"the node runs already, as process {host.pid}")
            return
        listens = [
            one
            for one in (config.rpc, config.peer, config.health, config.metrics)
            if one is not None
        ]
        for address in listens:
            try:
                check_free(address.port, address.host)
            except PortTaken as taken:
                who = "another process" if taken.pid is None else f"process {taken.pid}"
                raise OperatorFault(
                    f"{address} is taken by {who}: stop it, or name another port in "
                    f"{self._layout.config}"
                ) from None
            except socket.gaierror:
                raise OperatorFault(
                    f"{address}: this name does not resolve here: listen on an address of this "
                    "machine, or on 0.0.0.0, and announce the name"
                ) from None
        self._note("ports", Level.OK, f"{', '.join(map(str, listens))} can be had")

    def _plain(self) -> None:
        """Health and metrics have no TLS, and no allowance for each caller (T70)."""
        for name, address in (("health", self._config.health), ("metrics", self._config.metrics)):
            if address is not None and not address.is_loopback:
                self._note(
                    "plain",
                    Level.WARNING,
                    f"{name} = {address} is served without TLS to whoever reaches it: use an "
                    "address of this machine alone, as 127.0.0.1, or have a firewall let your own "
                    "probes in and nobody else",
                )

    async def _names(self) -> None:
        """What is announced and where peers are resolves; a peer's trouble is only told."""
        own = {"this node": self._config.told_peer, "this node's clients": self._config.told_rpc}
        peers = {peer.name: peer.address for peer in self._config.peers}
        found = await asyncio.gather(*(_resolves(one) for one in (*own.values(), *peers.values())))
        for (name, address), good in zip((*own.items(), *peers.items()), found, strict=True):
            if not good:
                level = Level.ERROR if name in own else Level.WARNING
                self._note("names", level, f"{name}: {address.host} does not resolve here")
        if not peers:
            self._note("names", Level.WARNING, "no [[peers]]: it finds nobody by itself")
        elif not any(found[len(own) :]):
            raise OperatorFault("no peer's name resolves: look at this machine's DNS")
        elif all(found):
            self._note("names", Level.OK, f"{', '.join(peers)} and this node's own resolve")

    async def _clock(self) -> None:
        """Against genesis, and against what peers say that is final: the chain's time is never
        ahead of a right clock."""
        if self._genesis is None:
            return
        now = self._now_ms()
        behind = self._genesis.constitution.created_ms - now
        if behind > 0:
            raise OperatorFault(
                f"this clock is {behind / 1000:.0f} s before the service was founded: set it"
            )
        doors = [peer.rpc for peer in self._config.peers if peer.rpc is not None]
        times = await asyncio.gather(*(asyncio.to_thread(_newest_time, one) for one in doors))
        told = sorted((one for one in times if one is not None), reverse=True)
        liars = len(self._config.peers) // 3  # so many may say what they like
        newest = told[min(liars, len(told) - 1)] if told else None
        if newest is None:
            self._note("clock", Level.WARNING, "no peer answered that it could be compared with")
        elif newest - now > CLOCK_MS_MAX:
            raise OperatorFault(
                f"this clock is {(newest - now) / 1000:.1f} s behind the chain's time: "
                "synchronise it (chronyc, timedatectl)"
            )
        else:
            self._note("clock", Level.OK, "not behind the chain's time")


async def examine(config: NodeConfig, *, now_ms: Callable[[], int] | None = None) -> Examination:
    """Look at a node's folder and its surroundings; start nothing."""
    look = Examination(config, now_ms or (lambda: time.time_ns() // 1_000_000))
    await look.run()
    return look


async def _resolves(address: Address) -> bool:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            return bool(await loop.getaddrinfo(address.host, address.port))
    except (OSError, TimeoutError, UnicodeError):
        return False


def _newest_time(door: Address) -> int | None:
    """The time of the newest block that a peer says it has; only ever compared with a clock."""
    try:
        context = tls.dial_context()
        ask = partial(probe.ask, door, context, seconds=ASK_SECONDS)
        height: object = ask("node_status")["height"]
        if type(height) is not int:
            return None
        return int(Header.decode(b64decode(ask("ledger_header", height)["header"])).time_ms)
    except (probe.NoAnswer, NotCanonical, KeyError, TypeError, ValueError):
        return None
