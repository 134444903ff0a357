"""The host's side of the door: starts the enclave's process and turns typed calls into frames and back.

Owns the process and its one socket. Never sees a key or a plaintext: what passes here is public or sealed. Requests are
answered in order; several may be under way.
"""

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from strongroom.consensus import codec
from strongroom.consensus.blocks import Batch, Header
from strongroom.consensus.errors import OperatorFault
from strongroom.consensus.messages import Head, HeadBody, StatusBody
from strongroom.consensus.statements import Certificate, Statement
from strongroom.consensus.types import Digest, Height, Signature, SignerIndex, View
from strongroom.enclave.requests import FRAME_BYTES_MAX, Ending, Op, decode_answer, encode_request
from strongroom.node.framing import FrameProtocol
from strongroom.node.rpc.faults import Overloaded

REQUESTS_MAX = 1024
OTHERS_REQUESTS_MAX = 512
"""With so many under way, nothing more is asked on behalf of clients and peers: votes and blocks have the rest."""
RETRY_AFTER_MS = 100
WALLS_MAX = 32
_FOR_OTHERS = frozenset({Op.LINK_EVIDENCE, Op.CHECK_LINK, Op.QUERY})
_STOP_SECONDS = 5.0


class EnclaveGone(OperatorFault):
    """The enclave's process ended; nothing that it held can be asked for again."""


@dataclass(frozen=True, slots=True)
class CheckedPeer:
    """A peer whose evidence my enclave verified over my nonce."""

    index: SignerIndex
    name: str
    tls_key: bytes
    """SHA-256 of its TLS key's SubjectPublicKeyInfo."""
    words: str


@dataclass(frozen=True, slots=True)
class Freshness:
    """What q heads over the enclave's nonce say is newest."""

    height: Height
    view: View
    may_vote: bool
    """False when a peer holds a vote of mine that my log does not have (PROTOCOL §6)."""


@dataclass(frozen=True, slots=True)
class EnclaveStatus:
    """Public facts of the enclave."""

    executed: Height
    root: Digest
    boot: int
    fresh: bool
    may_vote: bool


class EnclaveProcess:
    """One enclave, alive from `start` until `stop` or its death."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._waiting: deque[asyncio.Future[bytes]] = deque()
        self._frames = FrameProtocol(self._on_frame, self._on_close, frame_bytes_max=FRAME_BYTES_MAX)
        self.closed = asyncio.Event()

    @classmethod
    async def start(cls, chip: Path, log: Path | None = None) -> "EnclaveProcess":
        """Start `python -m strongroom.enclave` with one end of a socket pair and no other descriptor.

        Args:
            chip: folder of the simulated chip.
            log: where it may complain until its walls are up; by default this process' own standard error.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with ExitStack() as stack:
            stack.enter_context(theirs)
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            # Isolated, and from measured source: no bytecode is read that the measurement does not cover.
            python = [sys.executable, "-I", "-B", "-X", f"pycache_prefix={chip / 'no-bytecode'}"]
            command = ["-m", "strongroom.enclave", "--socket", str(theirs.fileno()), "--chip", str(chip)]
            complaints = None if log is None else stack.enter_context(log.open("ab"))
            process = await asyncio.create_subprocess_exec(
                *python,
                *command,
                "--host",
                str(os.getpid()),
                stdin=asyncio.subprocess.DEVNULL,
                stderr=complaints,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # a terminal's Ctrl-C is for whoever manages it
                env={},
            )
        enclave = cls(process)
        ours.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda: enclave._frames, sock=ours)
        return enclave

    @property
    def pid(self) -> int:
        """Process id of the enclave."""
        return self._process.pid

    async def stop(self) -> None:
        """Close the door, which ends the enclave; kill it when it lingers. Safe to call twice."""
        if self._frames.connected:
            self._frames.transport.close()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
        except TimeoutError:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    async def ending(self) -> str:
        """How its process ended, in words; waits for its end."""
        status = await self._process.wait()
        if status == -signal.SIGSYS:
            return "it made a system call that its walls forbid, which is a bug of ours or a break-in"
        if status < 0:
            return f"signal {signal.Signals(-status).name}"
        return Ending(status).text if status in set(Ending) else f"exit status {status}"

    def _on_frame(self, frame: bytes) -> None:
        if not self._waiting:
            self._frames.transport.abort()
            return
        future = self._waiting.popleft()
        if not future.done():
            future.set_result(frame)

    def _on_close(self, _error: Exception | None) -> None:
        self.closed.set()
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(EnclaveGone("the enclave ended: look at the last lines of the node's log"))

    async def _ask(self, op: Op, *arguments: object) -> object:
        if self.closed.is_set():
            raise EnclaveGone("the enclave has ended: start the node again")
        if op in _FOR_OTHERS and len(self._waiting) >= OTHERS_REQUESTS_MAX:
            raise Overloaded(
                "the enclave has too much to do: ask again, or ask another node", retry_after_ms=RETRY_AFTER_MS
            )
        if len(self._waiting) >= REQUESTS_MAX:
            raise OperatorFault(f"{REQUESTS_MAX} requests wait for the enclave already")
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._frames.send(encode_request(op, *arguments))
        return decode_answer(await future)

    async def _ask_bytes(self, op: Op, *arguments: object) -> bytes:
        answer = await self._ask(op, *arguments)
        if type(answer) is not bytes:
            raise EnclaveGone(f"{op.name}: the enclave's answer is no byte string")
        return answer

    # --- founding and starting ---

    async def prepare(
        self,
        constitution: bytes,
        *,
        name: str,
        operator: str,
        region: str,
        tls_key: bytes,
        deployment: bytes,
        operator_signature: bytes,
    ) -> bytes:
        """Make this node's keys; returns the genesis evidence."""
        return await self._ask_bytes(
            Op.PREPARE, constitution, name, operator, region, tls_key, deployment, operator_signature
        )

    async def measurement_and_chip(self) -> tuple[bytes, bytes]:
        """(measurement 48 bytes, chip id 64 bytes) of this enclave, for an operator's deployment statement."""
        measurement, chip = codec.fields(await self._ask(Op.DESCRIBE), bytes, bytes, name="description")
        return measurement, chip

    async def walls(self) -> list[tuple[str, bool, str]]:
        """(name, stands, words) of every wall around this enclave."""
        listed = codec.listed(await self._ask(Op.WALLS), name="walls", count_max=WALLS_MAX)
        walls = [codec.fields(wall, str, bool, str, name="wall") for wall in listed]
        return [(name, stands, words) for name, stands, words in walls]

    async def found(self, constitution: bytes, evidences: tuple[bytes, ...]) -> tuple[bytes, bytes]:
        """Make the service secret and with it the genesis: (genesis, wraps)."""
        genesis, wraps = codec.fields(await self._ask(Op.FOUND, constitution, evidences), bytes, bytes, name="founding")
        return genesis, wraps

    async def accept(self, genesis: bytes, wraps: bytes) -> bytes:
        """Check everybody's evidence, open the own wrap; returns the sealed state."""
        return await self._ask_bytes(Op.ACCEPT, genesis, wraps)

    async def unseal(self, sealed: bytes, genesis: bytes) -> bytes:
        """Take up the sealed state; returns the one of this boot."""
        return await self._ask_bytes(Op.UNSEAL, sealed, genesis)

    # --- links and signatures ---

    async def link_evidence(self, nonce: bytes) -> bytes:
        """Fresh evidence over a peer's or client's nonce."""
        return await self._ask_bytes(Op.LINK_EVIDENCE, nonce)

    async def check_link(self, evidence: bytes, nonce: bytes, time_ms: int) -> CheckedPeer:
        """Have the enclave judge a peer's evidence.

        Raises:
            Refusal: it does not meet the policy; `reason` says why.
        """
        answer = await self._ask(Op.CHECK_LINK, evidence, nonce, time_ms)
        index, name, tls_key, words = codec.fields(answer, int, str, bytes, str, name="checked peer")
        return CheckedPeer(SignerIndex(index), name, tls_key, words)

    async def sign_link(self, nonce: bytes, tls_key: bytes) -> Signature:
        """Prove to a listener that this node dialled exactly it."""
        return Signature(await self._ask_bytes(Op.SIGN_LINK, nonce, tls_key))

    async def sign_batch(self, digest: Digest) -> Signature:
        """The node key's signature on a batch."""
        return Signature(await self._ask_bytes(Op.SIGN_BATCH, digest))

    async def sign_status(self, body: StatusBody) -> Signature:
        """The node key's signature on a STATUS."""
        return Signature(await self._ask_bytes(Op.SIGN_STATUS, body.to_wire()))

    async def sign_head(self, body: HeadBody) -> Signature:
        """The node key's signature on a HEAD."""
        return Signature(await self._ask_bytes(Op.SIGN_HEAD, body.to_wire()))

    # --- voting ---

    async def recall(self, statements: list[Statement]) -> None:
        """Fill the guard from the log."""
        await self._ask(Op.RECALL, tuple(statement.to_wire() for statement in statements))

    async def cast(self, statements: list[Statement]) -> list[Signature]:
        """Sign statements that are durable in the log."""
        answer = await self._ask(Op.CAST, tuple(statement.to_wire() for statement in statements))
        return [Signature(signature) for signature in codec.listed(answer, name="signatures", count_max=4096)]

    async def forget(self, view: View) -> None:
        """Let the guard drop what it remembers up to a final view."""
        await self._ask(Op.FORGET, view)

    async def challenge(self) -> bytes:
        """The enclave's nonce for heads."""
        return await self._ask_bytes(Op.CHALLENGE)

    async def freshen(self, heads: list[Head]) -> Freshness:
        """Show q heads over the challenge."""
        answer = await self._ask(Op.FRESHEN, tuple(head.to_wire() for head in heads))
        height, view, may_vote = codec.fields(answer, int, int, bool, name="freshness")
        return Freshness(Height(height), View(view), may_vote)

    # --- execution ---

    async def apply(self, headers: list[Header], outcomes: list[bytes]) -> None:
        """Replay own outcomes, provisional until `confirm`."""
        await self._ask(Op.APPLY, tuple(header.encoded for header in headers), tuple(outcomes))

    async def confirm(self, headers: list[Header], certificate: Certificate) -> None:
        """Show the certified header whose anchor covers what was applied."""
        await self._ask(Op.CONFIRM, tuple(header.encoded for header in headers), certificate.to_wire())

    async def execute(
        self, blocks: list[tuple[Header, list[Batch]]], certificate: Certificate
    ) -> list[tuple[bytes, Digest]]:
        """Execute a run of final blocks; an outcome and its root each."""
        wire = tuple((header.encoded, tuple(batch.to_wire() for batch in batches)) for header, batches in blocks)
        answer = await self._ask(Op.EXECUTE, wire, certificate.to_wire())
        listed = codec.listed(answer, name="outcomes", count_max=len(blocks))
        pairs = [codec.fields(pair, bytes, bytes, name="outcome and root") for pair in listed]
        return [(outcome, Digest(root)) for outcome, root in pairs]

    async def query(self, envelope: bytes, outcome: bytes | None = None) -> tuple[bytes, int] | bytes:
        """A sealed answer with its height, or the id of the transaction whose outcome the enclave needs to see."""
        answer = await self._ask(Op.QUERY, envelope, outcome)
        if type(answer) is bytes:
            return answer
        sealed, height = codec.fields(answer, bytes, int, name="answer")
        return sealed, height

    async def seal(self) -> bytes:
        """The sealed state with the newest mark."""
        return await self._ask_bytes(Op.SEAL)

    async def status(self) -> EnclaveStatus:
        """Public facts."""
        answer = await self._ask(Op.STATUS)
        executed, root, boot, fresh, may_vote = codec.fields(answer, int, bytes, int, bool, bool, name="status")
        return EnclaveStatus(Height(executed), Digest(root), boot, fresh, may_vote)
