"""A real enclave behind its real walls answers every kind of request, and survives every kind of
refusal (T03, T10).

The walls end a process that makes one system call too many; so whatever path of the enclave is
never walked here, or by its own tests behind the walls (the last test of this page), may be the one
that stops a node.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.enclave.chain import EPOCH, person
from tests.enclave.fixtures import key_named, manufacturer
from tests.enclave.test_hostile_bytes import padded, seal_raw
from tests.hang import HANG_SECONDS
from tests.node.lone_member import (
    FoundedAlone,
    LoneMember,
    constitution_and_evidence,
    found_alone,
    lone_member,
)

from strongroom.consensus import codec
from strongroom.consensus.messages import StatusBody
from strongroom.consensus.statements import Kind, Statement
from strongroom.consensus.types import NO_DIGEST, Digest, Epoch, Height, Sequence, Signature, View
from strongroom.enclave.attestation.deployment import SignedDeployment
from strongroom.enclave.door.requests import (
    FRAME_BYTES_MAX,
    Ending,
    Op,
    decode_answer,
    encode_request,
)
from strongroom.enclave.execution.public_work import UNITS_SHARED
from strongroom.enclave.formats.envelope import Call, Query, transaction_id
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.governance.document import Document
from strongroom.enclave.governance.public import sign_public
from strongroom.enclave.keys.identity import Identity
from strongroom.enclave.member.stage import Need
from strongroom.enclave.outside.client_sessions import ClientSession, seal_query
from strongroom.enclave.primitives import HYBRID_PUBLIC_SIZE
from strongroom.enclave.sandbox.walls import survey
from strongroom.enclave.sessions.sessions import WINDOW
from strongroom.node.enclave_client.calls import EnclaveClient
from strongroom.node.enclave_client.process import EnclaveConnection, EnclaveGone
from strongroom.node.enclave_client.refusals import Refusal
from strongroom.node.execution.pipeline import PUBLIC_PREFIX

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[2]
NONCE = bytes(range(32))


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> FoundedAlone:
    return asyncio.run(found_alone(tmp_path_factory.mktemp("lone") / "chip"))


@pytest.fixture
async def member(founded: FoundedAlone) -> AsyncIterator[LoneMember]:
    async with lone_member(founded) as one:
        yield one


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[Op]:
    """Every kind of request that was answered or refused."""
    ops: set[Op] = set()
    ask = EnclaveConnection.ask_paused

    async def listening(self: EnclaveConnection, op: Op, *arguments: object) -> object:
        ops.add(op)
        return await ask(self, op, *arguments)

    monkeypatch.setattr(EnclaveConnection, "ask_paused", listening)
    return ops


async def raw(enclave: EnclaveClient, frame: bytes) -> object:
    """Any bytes as a request."""
    return decode_answer(await enclave._connection._behind.ask(frame))


async def refusal(enclave: EnclaveClient, op: Op, *arguments: object) -> str:
    """The class of the refusal of a request, which must be refused."""
    with pytest.raises(Refusal) as refused:
        await raw(enclave, encode_request(op, *arguments))
    return refused.value.kind.label


def flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at % len(data)] ^= 1
    return bytes(changed)


RECOVERING = {op for op in Op if op.name.startswith("RECOVER")}
"""Answered behind the walls in tests/integration/test_recovery_drill.py."""


async def test_every_kind_of_request_is_answered_behind_the_walls(
    asked: set[Op], tmp_path: Path
) -> None:
    async with lone_member(await found_alone(tmp_path / "chip")) as member:
        enclave = member.enclave
        assert {name for name, stands, _ in await enclave.walls() if not stands} == {
            wall.name for wall in survey() if not wall.stands
        }
        await enclave.recall([])
        await member.freshen()
        session, opening = member.open(
            "member0", member.call("payments.issue", to="alice", amount=1000)
        )
        issued = await member.give(opening)
        assert session.open_result(0, transaction_id(opening), issued.result_at(0)).value == {
            "supply": 1000
        }
        key, envelope = member.query_envelope("alice", "payments.balance")
        answer = await enclave.query(envelope)
        assert isinstance(answer, tuple)
        assert key.open(answer[0]).value == 1000
        key, envelope = member.query_envelope(
            "member0", "system.result", id=transaction_id(opening)
        )
        needed = await enclave.query(envelope)
        assert needed == transaction_id(opening)
        shown = await enclave.query(envelope, issued.encode())
        assert isinstance(shown, tuple)
        assert key.open(shown[0]).value["result"] == {"supply": 1000}

        evidence = await enclave.link_evidence(NONCE)
        assert (
            await enclave.check_link(evidence, NONCE, member.tip.time_ms)
        ).summary == "good (SIMULATED)"
        for signature in (
            await enclave.sign_link(NONCE, bytes(32)),
            await enclave.sign_batch(Digest(NONCE)),
            await enclave.sign_status(
                StatusBody(
                    EPOCH,
                    View(1),
                    View(0),
                    Height(0),
                    Digest(NONCE),
                    Height(0),
                    (Sequence(0),),
                    Height(1),
                )
            ),
        ):
            assert len(signature) == 64
        await enclave.forget(EPOCH, View(1))
        member.sealed = await enclave.seal()
        assert (await enclave.status()).executed == 1
        await enclave.stop()
        assert await enclave.ending() == Ending.DOOR_CLOSED.text

        await member.start()
        await member.enclave.apply([member.blocks[0].header], [issued.encode()])
        await member.freshen()
        above = await member.order()
        await member.enclave.confirm([above.header], await member.certificate_of(above.header))
        await member.execute(above)
        assert (await member.enclave.status()).boot == 3
        await say_what_a_node_says(member)
        await take_in_a_snapshot_that_is_none(member)
        await change_the_process(member)
        await prepare_to_join(member, tmp_path / "late")
        await found_in_two_processes(tmp_path / "ceremony")
    assert asked == set(Op) - RECOVERING


async def say_what_a_node_says(member: LoneMember) -> None:
    """Everything of epochs, governance and secrets; this one node gives secrets to itself."""
    enclave, time_ms = member.enclave, int(member.tip.time_ms)
    assert await enclave.epochs(()) == EPOCH
    assert Document.read(await enclave.governance()).epoch == EPOCH
    assert (await enclave.duties(time_ms)).need == Need.ATTEST
    for said in (
        await enclave.attest(member.tip.height, member.tip.digest, "127.0.0.1:1", "127.0.0.1:2"),
        await enclave.refresh(),
        await enclave.leave(),
        await enclave.observe("https://id.example", ()),
    ):
        assert said.startswith(PUBLIC_PREFIX)
    with pytest.raises(Refusal):  # nothing was begun; tests/enclave/test_diagnostics.py begins
        await enclave.diagnostics("0" * 32, bytes(HYBRID_PUBLIC_SIZE))
    nonce = await enclave.keys_challenge()
    given = await enclave.keys_give(await enclave.keys_proof(nonce), nonce, time_ms)
    member.sealed = await enclave.keys_take(given)


async def take_in_a_snapshot_that_is_none(member: LoneMember) -> None:
    """Long after it has begun to execute."""
    enclave, tip = member.enclave, member.tip
    assert await enclave.snapshot(Height(0), 0) is None
    leaf, certificate = member.outcomes[0].history_leaf, await member.certificate_of(tip)
    for loading in (
        enclave.load(tip, leaf, (), tip, certificate, 1),
        enclave.load_chunk(0, b""),
        enclave.end_load(),
    ):
        with pytest.raises(Refusal):
            await loading


async def change_the_process(member: LoneMember) -> None:
    """P10: the next process of the same boot learns the ledger, takes over, and the first one does
    nothing more."""
    first, second = member.enclave, await EnclaveClient.start(member.folder)
    nonce = await second.unseal_successor(await first.seal(), member.genesis.data)
    await second.apply([member.blocks[0].header], [member.outcomes[0].encode()])
    above = member.blocks[1].header
    await second.confirm([above], await member.certificate_of(above))
    before = await first.status()
    first.pause()
    member.sealed = await second.take_over(await first.hand_over(nonce))
    assert await refusal(first, Op.STATUS) == "OutOfOrder"
    await first.become(second)
    assert ((await first.status()).boot, first.pid) == (before.boot, second.pid)


async def prepare_to_join(member: LoneMember, chip: Path) -> None:
    """Another enclave makes the keys of a node that this genesis does not know."""
    manufacturer().make_chip().save(chip)
    late = await EnclaveClient.start(chip)
    try:
        identity = Identity(
            name="n9",
            operator="operator9",
            region="eu-west",
            tls_key=Digest(NONCE),
            deployment=SignedDeployment(statement=b"", signature=Signature(bytes(64))),
        )
        sealed = await late.prepare_join(member.genesis.data, identity)
        assert sealed
    finally:
        await late.stop()


async def found_in_two_processes(chip: Path) -> None:
    """A ceremony goes on in another process than the one that made the keys."""
    manufacturer().make_chip().save(chip)
    first = await EnclaveClient.start(chip)
    constitution, evidence = await constitution_and_evidence(first)
    kept = await first.seal_founding()
    await first.stop()
    second = await EnclaveClient.start(chip)
    try:
        await second.resume_founding(kept)
        genesis, wraps = await second.found(constitution, (evidence,))
        assert await second.accept(genesis, wraps)
    finally:
        await second.stop()


async def test_requests_out_of_order_are_refused_at_every_stage_of_its_life(tmp_path: Path) -> None:
    chip = tmp_path / "chip"
    manufacturer().make_chip().save(chip)
    enclave = await EnclaveClient.start(chip)
    early = {Op.PREPARE, Op.UNSEAL, Op.RESUME_FOUNDING, Op.DESCRIBE, Op.WALLS}
    shapes: dict[Op, tuple[object, ...]] = {
        Op.FOUND: (b"", ()),
        Op.ACCEPT: (b"", b""),
        Op.LINK_EVIDENCE: (NONCE,),
        Op.CHECK_LINK: (b"", NONCE, 0),
        Op.SIGN_LINK: (NONCE, NONCE),
        Op.SIGN_BATCH: (NONCE,),
        Op.SIGN_STATUS: ((0, 1, 0, 0, NONCE, 0, (0,), 1),),
        Op.RECALL: ((),),
        Op.CAST: ((),),
        Op.FORGET: (0, 1),
        Op.FRESHEN: ((),),
        Op.APPLY: ((), ()),
        Op.QUERY: (b"", None),
    }
    try:
        for op in Op:
            if op not in early and op in shapes:
                assert await refusal(enclave, op, *shapes[op]) == "OutOfOrder", op
            elif op not in early:
                assert await refusal(enclave, op) in ("OutOfOrder", "NotCanonical"), op
        constitution, evidence = await constitution_and_evidence(enclave)
        for changed in (
            flipped(evidence, at) for at in range(0, len(evidence), len(evidence) // 40)
        ):
            assert await refusal(enclave, Op.FOUND, constitution, (changed,)) in (
                "AttestationError",
                "NotCanonical",
            )
        assert await refusal(enclave, Op.FOUND, b"no constitution", (evidence,)) == "NotCanonical"
        assert await refusal(enclave, Op.UNSEAL, b"", b"") == "OutOfOrder"
        with pytest.raises(Refusal, match="keys already"):
            await constitution_and_evidence(enclave)
        genesis, wraps = await enclave.found(constitution, (evidence,))
        assert await refusal(enclave, Op.FOUND, constitution, (evidence,)) == "OutOfOrder"
        for bad in (
            (genesis, codec.encode(())),
            (genesis, flipped(wraps, -9)),
            (flipped(genesis, -3), wraps),
            (b"", b""),
        ):
            assert await refusal(enclave, Op.ACCEPT, *bad) in ("AttestationError", "NotCanonical")
        sealed = await enclave.accept(genesis, wraps)
        assert await refusal(enclave, Op.ACCEPT, genesis, wraps) == "OutOfOrder"
    finally:
        await enclave.stop()
    again = await EnclaveClient.start(chip)
    try:
        for bad in (
            (b"", genesis),
            (flipped(sealed, -5), genesis),
            (sealed, b""),
            (sealed, flipped(genesis, -3)),
        ):
            assert await refusal(again, Op.UNSEAL, *bad) in (
                "OperatorFault",
                "NotCanonical",
                "AttestationError",
            )
        await again.unseal(sealed, genesis)
        assert await refusal(again, Op.UNSEAL, sealed, genesis) == "OutOfOrder"
    finally:
        await again.stop()


async def test_before_fresh_heads_and_with_bad_ones_it_signs_executes_and_answers_nothing(
    member: LoneMember,
) -> None:
    enclave = member.enclave
    made = await member.order()
    nullify = Statement(Kind.NULLIFY, EPOCH, View(9), NO_DIGEST).to_wire()
    assert await refusal(enclave, Op.CAST, (nullify,)) == "NotFresh"
    _, envelope = member.query_envelope("alice", "payments.balance")
    assert await refusal(enclave, Op.QUERY, envelope, None) == "NotFresh"
    member.blocks.clear()
    member.tip = member.genesis.header
    stranger = await member.head(bytes(32))
    assert await refusal(enclave, Op.FRESHEN, (stranger.to_wire(),)) == "NotFresh"
    await enclave.challenge()
    assert await refusal(enclave, Op.FRESHEN, (stranger.to_wire(),)) == "PeerFault"
    assert await refusal(enclave, Op.FRESHEN, ()) == "PeerFault"
    await member.freshen()
    member.tip = made.header
    certificate = await member.certificate_of(made.header)
    forged = replace(certificate, signatures=(Signature(flipped(certificate.signatures[0], 5)),))
    wire = (made.header.encoded, ())
    for bad in (
        ((wire,), forged.to_wire()),
        ((wire, wire), certificate.to_wire()),
        ((), certificate.to_wire()),
        (((b"", ()),), certificate.to_wire()),
        (((made.header.encoded, (b"",)),), certificate.to_wire()),
        ((wire,), ()),
    ):
        assert await refusal(enclave, Op.EXECUTE, *bad) in ("PeerFault", "NotCanonical")
    assert (await enclave.status()).executed == 0
    other = Statement(Kind.NULLIFY, EPOCH, View(1), NO_DIGEST)
    assert await refusal(enclave, Op.CAST, (other.to_wire(),)) == "GuardRefuses"
    assert (
        await refusal(enclave, Op.CAST, (replace(other, epoch=Epoch(7)).to_wire(),)) == "Silenced"
    )
    assert await refusal(enclave, Op.RECALL, other.to_wire()) == "NotCanonical"
    assert await refusal(enclave, Op.RECALL, (other.to_wire(),)) == "Silenced"


NEEDS_MORE = {Code.SESSIONS_FULL, Code.NOT_ADMITTED, Code.TOO_MANY_SESSIONS, Code.INTERNAL}
"""Seen in tests/enclave/sessions/test_session_admission.py, and where tables are full."""
NEEDS_MORE |= {Code.LOST}  # tests/enclave/test_recovery.py, which passes behind the walls too


async def test_every_public_refusal_of_an_envelope_leaves_it_alive(member: LoneMember) -> None:
    await member.freshen()
    session, opening = member.open("alice")
    twin, _ = member.open("alice")
    _, call = session.seal_call(member.call("payments.transfer", to="bob", amount=1))
    closed, lone = member.open(
        "alice", member.call("payments.transfer", to="bob", amount=1), close=True
    )
    _, late = closed.seal_call(member.call("payments.transfer", to="bob", amount=1))
    _, unknown = twin.seal_call(member.call("payments.transfer", to="bob", amount=1))
    _, future = ClientSession.open(
        member.genesis.public_key, member.genesis.chain, Epoch(5), person("alice")
    )
    session._next = 3 * WINDOW
    _, newest = session.seal_call(member.call("payments.transfer", to="bob", amount=1))
    session._next = 2
    _, outside = session.seal_call(member.call("payments.transfer", to="bob", amount=1))
    envelopes = [
        b"",
        b"\xc1" * 300,
        opening,
        opening,
        call,
        call,
        flipped(opening, -1),
        lone,
        late,
        unknown,
        future,
    ]
    stranger = key_named("stranger")
    public = sign_public(stranger.public, stranger.sign, member.genesis.chain, "leave", ())
    # More of them than one lane's work in a block: the last ones are not judged.
    outcome = await member.give(*envelopes, newest, outside, *[public] * (UNITS_SHARED // 2 + 2))
    assert {Code(code) for code in outcome.codes} == set(Code) - NEEDS_MORE
    assert (await member.enclave.status()).executed == 1


async def test_every_error_of_a_program_is_a_sealed_result_and_leaves_it_alive(
    member: LoneMember,
) -> None:
    await member.freshen()
    session, opening = member.open("member0", member.call("payments.issue", to="alice", amount=10))
    await member.give(opening)
    own = member.measurement
    deep: tuple[Any, ...] = ()
    for _ in range(100):
        deep = (deep,)
    calls: dict[str, Call | bytes] = {
        "unknown program": Call("nothing", own, "transfer", ()),
        "other measurement": Call("payments", bytes(32), "transfer", ()),
        "unknown operation": Call("payments", own, "vanish", ()),
        "arguments": Call("payments", own, "transfer", ("to", 1)),
        "malformed call": b"no call at all",
        "amount": member.call("payments.issue", to="alice", amount=-1),
        "overflow": member.call("payments.issue", to="alice", amount=2**63 - 1),
        "insufficient": member.call("payments.transfer", to="alice", amount=5),
        "memo": member.call("payments.transfer", to="alice", amount=5, memo="x" * 257),
        "no such account": member.call(
            "payments.transfer", to="bob/shelf", amount=5, source="none"
        ),
        "label": member.call("payments.open", account="a/b"),
    }
    envelopes = [
        seal_raw(session, padded(call)) if isinstance(call, bytes) else session.seal_call(call)[1]
        for call in calls.values()
    ]
    envelopes.append(session.seal_call(Call("payments", own, "transfer", deep))[1])
    envelopes.append(seal_raw(session, bytes(176)))
    outcome = await member.give(*envelopes)
    results = [
        session.open_result(1 + at, transaction_id(envelope), outcome.result_at(at))
        for at, envelope in enumerate(envelopes)
    ]
    # a hundred sequences within sequences are no canonical value (codec.DEPTH_MAX)
    assert [result.code for result in results] == [*calls, "malformed call", "malformed call"]


async def test_every_refusal_and_error_of_a_query_leaves_it_alive(member: LoneMember) -> None:
    await member.freshen()
    session, opening = member.open("alice", member.call("payments.transfer", to="bob", amount=1))
    closed, lone = member.open("alice", member.call("payments.open", account="shelf"), close=True)
    outcome = await member.give(opening, lone)
    enclave = member.enclave

    async def code(who: str, name: str, **arguments: Any) -> str:
        key, envelope = member.query_envelope(who, name, **arguments)
        answer = await enclave.query(envelope, outcome.encode())
        assert isinstance(answer, tuple)
        return key.open(answer[0]).code

    assert await code("alice", "payments.balance", account="/nowhere") == "no such account"
    assert await code("alice", "payments.balance", account="bob") == "not the owner"
    assert await code("alice", "payments.statement", limit=0) == "limit"
    assert await code("bob", "system.result", id=transaction_id(opening)) == "not the sender"
    assert await code("bob", "system.result", id=NONCE) == "not executed"
    assert await code("bob", "system.result", id=b"short") == "arguments"
    assert await code("alice", "payments.supply") == ""

    _, plain = member.query_envelope("alice", "payments.supply")
    _, higher = member.query_envelope("alice", "payments.supply", at_least=9)
    _, result = member.query_envelope("alice", "system.result", id=transaction_id(opening))
    shut = closed.seal_query(Query(member.call("payments.supply")))[1]
    unknown = member.open("bob")[0].seal_query(Query(member.call("payments.supply")))[1]
    _, future = seal_query(
        member.genesis.public_key,
        member.genesis.chain,
        Epoch(3),
        person("bob"),
        Query(member.call("payments.supply")),
    )
    for envelope in (b"", opening, flipped(plain, -1), shut, unknown, future):
        assert await refusal(enclave, Op.QUERY, envelope, None) == "QueryRefused"
    assert await refusal(enclave, Op.QUERY, higher, None) == "BelowDemanded"
    assert (
        await refusal(enclave, Op.QUERY, result, flipped(outcome.encode(), -80)) == "OperatorFault"
    )
    assert await refusal(enclave, Op.QUERY, result, b"no outcome") == "OperatorFault"
    inside = session.seal_query(Query(member.call("payments.supply")))[1]
    assert isinstance(await enclave.query(inside), tuple)
    _, linear = member.query_envelope("alice", "payments.supply", linearizable=True)
    assert await refusal(enclave, Op.QUERY, linear, None) == "HeadsNeeded"
    await member.freshen()
    assert isinstance(await enclave.query(linear), tuple)


async def test_what_a_host_replays_wrongly_is_refused(member: LoneMember) -> None:
    await member.freshen()
    for _ in range(3):
        await member.give(member.open("alice")[1])
    old = member.sealed
    member.sealed = await member.enclave.seal()
    await member.enclave.stop()
    await member.start()
    enclave = member.enclave
    headers = [made.header for made in member.blocks]
    records = [outcome.encode() for outcome in member.outcomes]
    for bad in (
        ([headers[1]], [records[1]]),
        ([headers[0]], [records[1]]),
        ([headers[0]], [flipped(records[0], -9)]),
        ([headers[0]], [b"no outcome"]),
        (headers, records[:2]),
    ):
        with pytest.raises(Refusal) as refused:
            await enclave.apply(*bad)
        assert refused.value.kind.label in ("OperatorFault", "NotCanonical")
    blocks, member.blocks, member.tip = member.blocks, [], member.genesis.header
    nonce = await enclave.challenge()
    assert (
        await refusal(enclave, Op.FRESHEN, ((await member.head(nonce)).to_wire(),)) == "StaleHeads"
    )
    member.blocks, member.tip = blocks, blocks[-1].header
    await enclave.apply(headers[:2], records[:2])
    await member.freshen()
    wire = (headers[2].encoded, tuple(batch.to_wire() for batch in blocks[2].batches))
    certificate = await member.certificate_of(headers[2])
    assert await refusal(enclave, Op.EXECUTE, (wire,), certificate.to_wire()) == "NotFresh"
    await enclave.confirm([headers[2]], certificate)
    member.history = type(member.history)(member.genesis.header)
    for outcome in member.outcomes[:2]:
        member.history.append(outcome.history_leaf)
    assert (await member.execute(blocks[2])).encode() == records[2]
    assert old != member.sealed


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        b"\x93\x01",
        codec.encode((99, ())),
        codec.encode((1,)),
        b"\x91" * 60_000,
        b"\x00" * 1_000_000,
    ],
    ids=["nothing", "never used", "cut", "no such operation", "no arguments", "deep", "long"],
)
async def test_T31_frames_that_are_no_requests_are_refused(
    member: LoneMember, frame: bytes
) -> None:
    with pytest.raises(Refusal) as refused:
        await raw(member.enclave, frame)
    assert refused.value.kind.label == "NotCanonical"
    assert (await member.enclave.status()).boot == 2


async def test_a_frame_beyond_the_bound_ends_it(member: LoneMember) -> None:
    member.enclave._connection._behind.frames.transport.write(
        (FRAME_BYTES_MAX + 1).to_bytes(4, "big")
    )
    await member.enclave.closed.wait()
    assert await member.enclave.ending() == Ending.DOOR_CLOSED.text


async def test_an_enclave_that_is_stopped_and_goes_on_answers(member: LoneMember) -> None:
    os.kill(member.enclave.pid, signal.SIGSTOP)
    waiting = asyncio.ensure_future(member.enclave.status())
    await asyncio.sleep(0)
    os.kill(member.enclave.pid, signal.SIGCONT)
    assert (await waiting).boot == 2


async def test_a_contradiction_ends_it_without_a_word_and_its_host_can_say_why(
    member: LoneMember,
) -> None:
    """T09: what is anchored is not what this enclave executed: it halts, and shows a status
    only."""
    await member.freshen()
    await member.give()
    wrong = member.make({}, anchor=replace(member.anchor, root=Digest(bytes(32))))
    with pytest.raises(EnclaveGone):
        await member.execute(wrong)
    assert await member.enclave.ending() == Ending.DIVERGED.text


async def test_an_enclave_without_its_chip_says_so_and_does_not_start(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    enclave = await EnclaveClient.start(tmp_path / "none")
    with pytest.raises(EnclaveGone):
        await enclave.measurement_and_chip()
    assert await enclave.ending() == Ending.NOT_STARTED.text
    said = capfd.readouterr().err
    assert said.startswith("the enclave does not start: ")
    assert "Traceback" not in said


def test_the_enclaves_own_tests_pass_behind_the_walls() -> None:
    """Hundreds of requests and errors, each body in a child that can do no more than an enclave
    can."""
    folder = ROOT / "tests" / "enclave"
    attestation = [
        folder / "attestation" / f"test_{name}.py"
        for name in ("verifier", "certificates", "documents")
    ]
    rooms = ("formats", "proofs", "keys", "sessions", "execution", "member", "outside")
    # These read files or /proc, or begin processes of their own; the two after them are an owner's
    # tools, which load a solver and more: neither an enclave nor a room loads them. Nor what proves
    # misbehaviour, with files and a command.
    beyond = {"test_resting.py", "test_interpreters.py", "test_execution_calls.py"}
    beyond |= {"test_policy_import.py", "test_policy_diff.py"}
    beyond |= {"test_misbehaviour.py", "test_agreed_twice.py"}
    places = [folder, *(folder / room for room in rooms)]
    own = [
        file
        for place in places
        for file in sorted(place.glob("test_*.py"))
        if file.name not in beyond
    ]
    files = [*own, *attestation]
    # The first reads a file, the second makes a manufacturer, the next three begin a process; the
    # last two ask one function about each of a million letters.
    outside = (
        "not tree_head_vectors and not simulated_root_that_is_not_pinned "
        "and not whatever_a_caller_nests and not reads_all_programs_before "
        "and not loads_no_program_that_it_does_not_call and not repaints_ends_or_turns_it "
        "and not printable_ascii_and_those_letters"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.enclave.sandbox.plugin",
    ]
    done = subprocess.run(
        [*command, "-k", outside, *map(str, files)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=4 * HANG_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 500
