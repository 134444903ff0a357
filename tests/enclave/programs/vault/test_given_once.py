"""Answers that carry key material are given once, and replicas come to one state whichever way they
learn of a block (T52)."""

import pytest
from tests.enclave.chain import EPOCH, person
from tests.enclave.fixtures import FoundedCluster, make_cluster_genesis
from tests.enclave.programs.vault.world import (
    IN_WEST,
    OWNER,
    PRINTERS,
    K,
    Room,
    VaultChain,
    beats,
    policy_of,
)

from strongroom.consensus import codec
from strongroom.consensus.types import Epoch, Height, Milliseconds
from strongroom.enclave.execution.executor import Executor
from strongroom.enclave.formats.envelope import Call, Query, transaction_id
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.outside.client_sessions import seal_query
from strongroom.enclave.primitives import digest
from strongroom.enclave.programs import PROGRAMS
from strongroom.enclave.programs.framework import Context, Program, RecordedRefusal
from strongroom.enclave.programs.runner import Runner


@pytest.fixture
def chain() -> VaultChain:
    return VaultChain()


def repeated(chain: VaultChain, who: str, envelope: bytes, height: int) -> tuple[bool, object]:
    """`system.result` for a transaction; the host shows the outcome."""
    query = Query(chain.call("system.result", id=transaction_id(envelope)))
    key, sealed = seal_query(
        chain.genesis.public_key, chain.genesis.chain, EPOCH, person(who), query
    )
    answer = chain.executor.query(sealed, chain.outcomes[height - 1].encode())
    assert isinstance(answer, bytes)
    opened = key.open(answer)
    return opened.ok, opened.value if opened.ok else opened.code


def sent(chain: VaultChain, who: str, operation: str, **arguments: object) -> tuple[bytes, int]:
    """A transaction: (envelope, height)."""
    _, envelope = chain.of(who).seal_call(chain.call(f"vault.{operation}", **arguments))
    chain.commit(envelope)
    return envelope, int(chain.tip.height)


def test_T52_a_release_is_not_told_again_neither_before_nor_after_its_revocation(
    chain: VaultChain,
) -> None:
    room, key = Room(), chain.key(pieces=3)
    chain.of(room.who)
    asked = sent(chain, room.who, "ask", key=key, purpose="print", evidence=chain.shown(room))
    lease = chain.look(OWNER, "leases", key="/toy")[0]["lease"]
    piece = sent(chain, room.who, "beat", lease=lease, number=1, used=0, piece=1)
    plain = sent(chain, room.who, "beat", lease=lease, number=2, used=0)
    assert repeated(chain, room.who, *asked) == (False, "given once")
    assert repeated(chain, room.who, *piece) == (False, "given once")
    ok, value = repeated(chain, room.who, *plain)
    assert ok
    assert isinstance(value, dict)
    assert value["result"]["piece_key"] == b""
    assert repeated(chain, "thief", *asked) == (False, "not the sender")
    chain.must(OWNER, "revoke", key="/toy")
    assert repeated(chain, room.who, *asked) == (False, "given once")
    assert repeated(chain, room.who, *piece) == (False, "given once")


def test_T52_a_replayed_ask_is_answered_by_nothing(chain: VaultChain) -> None:
    room, key = Room(), chain.key()
    chain.of(room.who)
    envelope, height = sent(
        chain, room.who, "ask", key=key, purpose="print", evidence=chain.shown(room)
    )
    again = chain.commit(envelope)
    assert again.codes[0] == 1, "a duplicate: no result, no state"
    assert repeated(chain, room.who, envelope, height) == (False, "given once")


def test_write_sets_give_the_same_leases_as_execution(chain: VaultChain) -> None:
    """All that the vault does, then by execution, by write sets, and by turns."""
    room, key = Room(), chain.key(quantity=6, allotment=2, pieces=4, policy=policy_of(PRINTERS))
    other = Room(who="second room")
    beat = beats(chain, room, chain.lease(room, key)["lease"])
    assert beat(piece=1, used=1, reserve=1).ok
    assert beat(used=1, piece=9).code == "piece"
    assert chain.denied(room.again(who="clone"), key) == "clone"
    assert beat(used=1).code == "clone"
    lease = chain.lease(other, key)["lease"]
    chain.must(OWNER, "change", key="/toy", policy=policy_of(PRINTERS, IN_WEST))
    chain.must(other.who, "use", lease=lease, unit=1, digest=bytes(32))
    chain.must(other.who, "end", lease=lease, used=1)
    chain.must(OWNER, "rotate", key="/toy", secret=bytes(32), old_until_ms=chain.now + 10)
    chain.must(OWNER, "suspend", key="/toy")
    chain.must(OWNER, "destroy", key="/toy")
    replicas: list[Executor] = [chain.new_executor(index) for index in (1, 2, 3)]
    for at, (made, outcome) in enumerate(zip(chain.blocks, chain.outcomes, strict=True)):
        for index, replica in enumerate(replicas):
            if index == 0 or (index == 2 and at % 2):
                run = chain.run_of(made, parent=replica.header)
                (again,) = replica.execute(run, [made.batches])
                assert again.encode() == outcome.encode()
            else:
                replica.apply(made.header, outcome)
    digests = {replica.state_digest() for replica in [chain.executor, *replicas]}
    assert len(digests) == 1


def test_a_replica_without_input_secrets_has_the_same_state_and_no_secret(
    chain: VaultChain,
) -> None:
    room, key = Room(), chain.key()
    chain.lease(room, key)
    ring = Keyring([chain.cluster.secrets[1].without_input()])
    learner = Executor(chain.genesis, ring, chain.epochs, PROGRAMS)
    for made, outcome in zip(chain.blocks, chain.outcomes, strict=True):
        learner.apply(made.header, outcome)
    assert learner.state_digest() == chain.executor.state_digest()
    assert K not in codec.encode(
        [(name, tuple(items.items())) for _, name, items in learner._runner.state.copy()]
    )


# --- what Context lends ---------------------------------------------------------------------------

LENT = Program("vault")
"""Under the name that may keep secrets."""
OTHER = Program("probe")
SEEN: list[object] = []
NOTES = LENT.map("notes", key=str, value=int)


@LENT.transaction
def make(context: Context, *, label: bytes) -> bytes:
    SEEN.append((context.epoch, context.chain, context.block(context.height - 1)))
    SEEN.append(context.block(context.height))
    return context.secret(label)


@LENT.transaction
def keep(context: Context, *, once: bool, refuse: bool) -> bytes:
    context.map(NOTES).put("kept", 1)
    if once:
        context.give_once()
    if refuse:
        raise RecordedRefusal("no", "and its record stands")
    return bytes(32)


@LENT.query
def peek(context: Context) -> bytes:
    return context.secret(b"x")


@OTHER.transaction
def steal(context: Context) -> bytes:
    return context.secret(b"x")


@OTHER.transaction
def unseal(context: Context) -> bytes:
    return context.box().seal(0, b"", b"")


class LentChain(VaultChain):
    """The same with programs of ours."""

    def __init__(self) -> None:
        super().__init__(make_lent())

    def new_executor(self, index: int = 0) -> Executor:
        programs = {**PROGRAMS, "vault": LENT, "probe": OTHER}
        ring = Keyring([self.cluster.secrets[index]])
        return Executor(self.genesis, ring, self.epochs, programs)

    def run(self, *calls: tuple[str, str, tuple[object, ...]]) -> list[object]:
        session = self.of("alice")
        sealed = [
            session.seal_call(Call(program, self.measurement, name, arguments))
            for program, name, arguments in calls
        ]
        outcome = self.commit(*(envelope for _, envelope in sealed))
        results = [
            session.open_result(sequence, transaction_id(envelope), outcome.result_at(at))
            for at, (sequence, envelope) in enumerate(sealed)
        ]
        return [one.value if one.ok else one.code for one in results]


def make_lent() -> FoundedCluster:
    return make_cluster_genesis(4, programs=("payments", "probe", "system", "vault"))


def test_a_made_secret_is_of_its_label_place_and_height_and_the_same_on_every_replica() -> None:
    chain = LentChain()
    first, second, third = chain.run(
        ("vault", "make", (b"a",)), ("vault", "make", (b"b",)), ("vault", "make", (b"a",))
    )
    (fourth,) = chain.run(("vault", "make", (b"a",)))
    assert len({first, second, third, fourth}) == 4
    assert {len(one) for one in (first, second, third, fourth)} == {32}  # type: ignore[arg-type]
    replica = chain.new_executor(2)
    for made, outcome in zip(chain.blocks, chain.outcomes, strict=True):
        (again,) = replica.execute(chain.run_of(made, parent=replica.header), [made.batches])
        assert again.encode() == outcome.encode()
    before = chain.blocks[0].header
    assert SEEN[0] == (0, chain.genesis.chain, (before.digest, before.time_ms))
    assert SEEN[1] is None, "the block at hand is no recent one"


def test_no_other_program_makes_or_boxes_secrets_and_no_query_does() -> None:
    chain = LentChain()
    assert chain.run(("probe", "steal", ()), ("probe", "unseal", ())) == ["internal", "internal"]
    for program in (LENT, OTHER):
        runner = Runner({program.name: program}, chain.executor._runner._context.surroundings)
        context = runner._context
        context.program = program.name
        context.enter(b"", None if program is OTHER else (lambda _: None))
        with pytest.raises(TypeError, match="keeps no secrets here"):
            context.secret(b"x")
        with pytest.raises(TypeError, match="keeps no secrets here"):
            context.box()


def test_what_is_given_once_is_kept_as_its_digest_and_a_refusals_record_stands() -> None:
    chain = LentChain()
    runner = chain.executor._runner
    runner.at(Height(1), Milliseconds(1), Epoch(0))

    def run(once: bool, refuse: bool) -> tuple[bytes, bytes, bytes]:
        call = Call("vault", chain.measurement, "keep", (once, refuse)).encode()
        return runner.run(call, b"", b"", lambda _: b"", 256)

    plain, _, kept = run(False, False)
    assert kept == plain == codec.encode_value((True, bytes(32), None))
    plain, _, kept = run(True, False)
    assert kept == codec.encode_value((None, digest(plain), None))
    runner.state.maps[NOTES].install({})
    plain, _, kept = run(True, True)
    assert kept == plain == codec.encode_value((False, ("no", "and its record stands"), None))
    assert runner.state.maps[NOTES].copy() == {"kept": 1}
