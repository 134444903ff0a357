"""A host that plays with the door of a founded, fresh member: valid requests, changed ones,
replayed ones, noise.

Owns what must hold whatever it does: an answer or a typed refusal, never another error; a refusal
changes nothing; what is executed is the one history; no key and no plaintext in any frame that
comes out. Used by tests/enclave/door/test_door.py and by scripts/fuzz_door.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.enclave.chain import EPOCH, Chain
from tests.enclave.fixtures import FoundedCluster, make_cluster_genesis

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.heads import Head, HeadBody
from strongroom.consensus.messages import StatusBody
from strongroom.consensus.statements import Kind, Statement
from strongroom.consensus.types import NO_DIGEST, Digest, Height, Sequence, View
from strongroom.enclave.door.refusals import Refusal, RefusalKind
from strongroom.enclave.door.requests import Op, decode_answer, encode_request
from strongroom.enclave.door.serve import answer_to
from strongroom.enclave.keys.sealing import SealedState, seal_state
from strongroom.enclave.member.lifecycle import Lifecycle
from strongroom.enclave.outside.client_sessions import ClientSession
from strongroom.enclave.platform.chip import SimulatedChip

CANARY = "canary in every memo"
NONCE = bytes(range(32))
QUORUM = 3


@dataclass(frozen=True)
class Measured:
    """A measurement known by its digest alone, as the founded cluster's policy names it."""

    digest: bytes


@dataclass(frozen=True)
class Ledger:
    """A history of some blocks, executed by another replica, and what a user of it may ask."""

    chain: Chain
    roots: tuple[Digest, ...]
    """By height."""
    session: ClientSession
    opening: bytes


@cache
def cluster() -> FoundedCluster:
    return make_cluster_genesis(4)


@cache
def ledger() -> Ledger:
    """Blocks with everything that can stand in one: openings, payments, errors, refusals, noise."""
    chain = Chain(cluster())
    roots = [chain.executor.root]

    def commit(*envelopes: bytes) -> None:
        chain.commit(*envelopes)
        roots.append(chain.executor.root)

    _, issue = chain.open(
        "member0", chain.call("payments.issue", to="alice", amount=1000), close=True
    )
    commit(issue)
    session, opening = chain.open("alice")
    commit(opening, opening, b"noise", opening[:-1])
    for amount in (1, 10_000):
        commit(
            *(
                session.seal_call(
                    chain.call("payments.transfer", to="bob", amount=amount, memo=CANARY)
                )[1],
            )
        )
    commit()
    return Ledger(chain, tuple(roots), session, opening)


class HostileHost:
    """One member and its host's game."""

    def __init__(self) -> None:
        founded = cluster()
        chip: SimulatedChip = founded.chips[0]
        measured: Any = Measured(founded.measurement)
        state = SealedState(
            chain=founded.verified.chain,
            keys=founded.keys[0],
            secrets=(founded.secrets[0],),
            boot=1,
            mark=(Height(0), Digest(bytes(32))),
        )
        self.sealed = seal_state(chip.sealing_secret(founded.measurement), state)
        self.core = Lifecycle(chip, measured)
        self.seen: list[bytes] = []
        """Every request so far, to be replayed."""
        self.must(Op.UNSEAL, self.sealed, founded.verified.data)
        self.must(Op.FRESHEN, self._heads(self.must(Op.CHALLENGE), height=0))

    # --- asking -----------------------------------------------------------------------------------

    def ask(self, request: bytes) -> object:
        """One request; its answer, or the Refusal as a value. Checks all that must hold.

        Raises:
            AssertionError: something does not.
            Exception: anything that is no refusal is a crash of the enclave.
        """
        self.seen.append(request)
        before = self.fingerprint()
        frame = answer_to(self.core, request)
        self._check_silence(frame)
        answer = _answer_in(frame)
        if isinstance(answer, Refusal):
            assert answer.kind != RefusalKind.UNFORESEEN, answer
            unchanged = self.fingerprint() == before or self._applied_in_part(request)
            assert unchanged, f"a refusal changed something: {answer}"
        if self.core._active is None:  # it handed over: everything is refused from now on
            return answer
        height, root, *_ = self.core.active.status()
        assert root == ledger().roots[height], "another history was executed"
        return answer

    def must(self, op: Op, *arguments: object) -> Any:
        """A request that must be answered."""
        answer = decode_answer(answer_to(self.core, encode_request(op, *arguments)))
        self.seen.append(encode_request(op, *arguments))
        return answer

    def fingerprint(self) -> tuple[object, ...]:
        """Everything of the member that a request may change; what it remembers of linearizable
        queries apart."""
        member = self.core._active
        if member is None:
            return ()
        executor, guard = member._executor, member.voting.of(EPOCH)
        return (
            executor.height,
            executor.root,
            executor.state_digest(),
            member._provisional,
            guard._promises.all(),
            guard._promises._floor,
            guard.may_vote,
            guard._has_cast,
            member.freshness._nonce,
            id(member.freshness.point),
            member.keystore.mark,
            member.keystore.keys.wrap_keys,
            [one.epoch for one in member.keystore.keyring.all() if one.opens],
        )

    @staticmethod
    def _applied_in_part(request: bytes) -> bool:
        """Outcomes before the one that is refused stand, provisionally (door.answer_to)."""
        return request[1:2] == bytes((Op.APPLY,))

    @staticmethod
    def _check_silence(frame: bytes) -> None:
        founded = cluster()
        node, votes, wraps = founded.keys[0].seeds()
        held = founded.secrets[0]
        assert held.input is not None
        secrets = (node, *votes.values(), *wraps.values(), held.input, held.ledger)
        for secret in secrets:
            assert not any(form in frame for form in _forms(secret.reveal())), (
                "a key came out of the door"
            )
        assert not any(form in frame for form in _forms(CANARY.encode())), (
            "plaintext came out of the door"
        )

    # --- what is valid now ------------------------------------------------------------------------

    def valid_one(self, wanted: Op) -> bytes:
        """A request of this kind that is valid now, if there is one; of an earlier stage of its
        life else."""
        arguments = dict(self._makers())[wanted]
        return encode_request(wanted, *arguments())

    def _makers(self) -> Iterator[tuple[Op, Callable[[], tuple[object, ...]]]]:
        founded, history = cluster(), ledger()
        chain, height = history.chain, self.core.active.status()[0]
        newest = chain.blocks[min(height, len(chain.blocks) - 1)]
        statement = Statement(Kind.NOTARIZE, EPOCH, View(height + 1), newest.header.digest)
        final = chain.certificate(newest.header).to_wire()
        status = StatusBody(
            EPOCH,
            View(9),
            View(1),
            Height(1),
            Digest(NONCE),
            Height(1),
            (Sequence(0),) * 4,
            Height(1),
        )
        head = HeadBody(NONCE, EPOCH, newest.header, chain.certificate(newest.header), None, ())
        identity = ("n9", "operator9", "eu-west", NONCE, (b"", bytes(64)))
        yield Op.PREPARE, lambda: (founded.constitution.encode(), identity)
        yield Op.FOUND, lambda: (founded.constitution.encode(), tuple(founded.evidence))
        yield Op.ACCEPT, lambda: (founded.genesis, founded.wraps)
        yield Op.UNSEAL, lambda: (self.sealed, founded.genesis)
        yield Op.RECOVER, lambda: (founded.genesis, identity)
        yield Op.RECOVER_AGAIN, lambda: (self.sealed, founded.genesis)
        yield Op.RECOVER_FOLLOW, lambda: (((newest.header.encoded, (), final, b""),),)
        yield Op.RECOVER_LEARN, lambda: ((),)
        yield Op.RECOVER_PLAN, lambda: ((peer_evidence(),), int(chain.tip.time_ms))
        yield Op.RECOVER_JOIN, lambda: (NONCE,)
        yield Op.RECOVER_TAKE, lambda: (NONCE,)
        yield Op.RECOVER_RECEIVE, lambda: (final, NONCE)
        yield Op.RECOVER_APPLY, lambda: ((newest.header.encoded,), (NONCE,))
        yield Op.RECOVER_LOSE, lambda: (((newest.header.encoded, ()),),)
        for op in (Op.RECOVER_SHOW, Op.RECOVER_STATUS, Op.RECOVER_OPEN):
            yield op, tuple
        yield Op.RECOVER_END, tuple
        yield Op.DESCRIBE, tuple
        yield Op.WALLS, tuple
        yield Op.PREPARE_JOIN, lambda: (founded.genesis, identity)
        yield Op.SEAL_FOUNDING, tuple
        yield Op.RESUME_FOUNDING, lambda: (self.sealed,)
        yield Op.UNSEAL_SUCCESSOR, lambda: (self.sealed, founded.genesis)
        yield Op.TAKE_OVER, lambda: (self.sealed,)
        yield (
            Op.HAND_OVER,
            lambda: (NONCE + NONCE,),
        )  # a good one would end this member, and with it the game
        yield Op.EPOCHS, lambda: ((),)
        yield (
            Op.ATTEST,
            lambda: (int(newest.header.height), newest.header.digest, "127.0.0.1:1", "127.0.0.1:2"),
        )
        yield Op.KEYS_CHALLENGE, tuple
        yield Op.KEYS_PROOF, lambda: (NONCE,)
        yield (
            Op.KEYS_GIVE,
            lambda: (peer_evidence(), self.must(Op.KEYS_CHALLENGE), int(chain.tip.time_ms)),
        )
        yield Op.KEYS_TAKE, lambda: (NONCE,)
        yield Op.REFRESH, tuple
        yield Op.LEAVE, tuple
        yield Op.OBSERVE, lambda: ("https://id.example", (("kid", "ES256", "{}"),))
        yield Op.DUTIES, lambda: (int(chain.tip.time_ms),)
        yield Op.GOVERNANCE, tuple
        yield Op.DIAGNOSTICS, lambda: ("0" * 32, bytes(1216))
        yield Op.LINK_EVIDENCE, lambda: (NONCE,)
        yield Op.CHECK_LINK, lambda: (peer_evidence(), NONCE, chain.tip.time_ms)
        yield Op.SIGN_LINK, lambda: (NONCE, NONCE)
        yield Op.SIGN_BATCH, lambda: (NONCE,)
        yield Op.SIGN_STATUS, lambda: (status.to_wire(),)
        yield Op.SIGN_HEAD, lambda: (head.to_wire(),)
        yield Op.RECALL, lambda: ((statement.to_wire(),),)
        yield (
            Op.CAST,
            lambda: (
                (
                    statement.to_wire(),
                    Statement(Kind.NULLIFY, EPOCH, View(99), NO_DIGEST).to_wire(),
                ),
            ),
        )
        yield Op.FORGET, lambda: (0, height)
        yield Op.CHALLENGE, tuple
        yield Op.FRESHEN, lambda: (self._heads(self.must(Op.CHALLENGE), height=len(chain.blocks)),)
        yield (
            Op.APPLY,
            lambda: (
                (newest.header.encoded,),
                (chain.outcomes[newest.header.height - 1].encode(),),
            ),
        )
        yield Op.CONFIRM, lambda: ((newest.header.encoded,), final)
        yield (
            Op.EXECUTE,
            lambda: (
                ((newest.header.encoded, tuple(one.to_wire() for one in newest.batches)),),
                final,
            ),
        )
        yield Op.QUERY, lambda: (chain.query_envelope("alice", "payments.statement")[1], None)
        yield Op.SEAL, tuple
        yield Op.STATUS, tuple
        leaf = chain.outcomes[newest.header.height - 1].history_leaf
        yield Op.SNAPSHOT, lambda: (0, 0)
        yield (
            Op.LOAD,
            lambda: (
                newest.header.encoded,
                leaf.encode(),
                (NONCE,),
                newest.header.encoded,
                final,
                1,
            ),
        )
        yield Op.LOAD_CHUNK, lambda: (0, NONCE)
        yield Op.LOAD_END, tuple

    @staticmethod
    def _heads(nonce: bytes, *, height: int) -> tuple[object, ...]:
        founded, chain = cluster(), ledger().chain
        header = founded.verified.header if height == 0 else chain.blocks[height - 1].header
        certificate = None if height == 0 else chain.certificate(header)
        body = HeadBody(nonce, EPOCH, header, certificate, None, ())
        signed = body.signed_bytes(founded.verified.chain)
        members = founded.verified.description.validators
        return tuple(
            Head(body, members[index].node_key, founded.keys[index].node.sign(signed)).to_wire()
            for index in range(1, 1 + QUORUM)
        )


@cache
def _forms(data: bytes) -> tuple[bytes, ...]:
    """As it is, in hex, and as Python would print it."""
    return data, data.hex().encode(), repr(data)[2:-1].encode()


def _answer_in(frame: bytes) -> object:
    try:
        return decode_answer(frame)
    except Refusal as refusal:
        return refusal


@cache
def peer_evidence() -> bytes:
    """Evidence of another member over NONCE."""
    founded = cluster()
    state = SealedState(
        chain=founded.verified.chain,
        keys=founded.keys[1],
        secrets=(founded.secrets[1],),
        boot=1,
        mark=(Height(0), Digest(bytes(32))),
    )
    measured: Any = Measured(founded.measurement)
    core = Lifecycle(founded.chips[1], measured)
    core.unseal(
        seal_state(founded.chips[1].sealing_secret(founded.measurement), state), founded.genesis
    )
    return core.active.link_evidence(NONCE)


# --- what a host does to a request ----------------------------------------------------------------


def flip(request: bytes, at: int, bits: int) -> bytes:
    """Change one byte."""
    if not request:
        return request
    changed = bytearray(request)
    changed[at % len(request)] ^= bits
    return bytes(changed)


def graft(request: bytes, at: int, scion: Any) -> bytes:
    """Replace the at-th value of the request's arguments, at whatever depth, by another one; stays
    canonical."""
    try:
        op, arguments = codec.decode(request)
    except (ValueError, TypeError, NotCanonical):
        return request
    places = list(_places(arguments, ()))
    return codec.encode((op, _with(arguments, places[at % len(places)], scion)))


def _places(value: Any, path: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    yield path
    if type(value) is tuple:
        for index, item in enumerate(value):
            yield from _places(item, (*path, index))


def _with(value: Any, path: tuple[int, ...], scion: Any) -> Any:
    if not path:
        return scion
    head, *rest = path
    return (*value[:head], _with(value[head], tuple(rest), scion), *value[head + 1 :])
