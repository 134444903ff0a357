"""Answers to sealed queries on executed state: never ordered, never recorded, never the same bytes
twice (T06, T07).

Owns opening a query and sealing its answer. The answer's key is fresh each time and good for one
query envelope only; the answer names the height and history root that it was given on. Which height
the host may answer from is the member's concern (member.py); what the query itself demands is
checked here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import ClientFault, NotCanonical, OperatorFault
from strongroom.consensus.types import ChainId, Digest, Epoch, Height
from strongroom.enclave.contained import KeysNeeded
from strongroom.enclave.formats.envelope import (
    QUERY,
    SESSION_QUERY,
    VERSION,
    query_statement,
    transaction_id,
)
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.enclave.formats.reading import read_envelope, read_query, read_signed_query
from strongroom.enclave.formats.session_keys import SESSION_SALT_SIZE, answer_box
from strongroom.enclave.formats.size_classes import ANSWER_SIZES, pad, unpad
from strongroom.enclave.formats.write_set import WriteSetBox
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.primitives import TAG_SIZE, DoesNotOpen, Secret, random_bytes, verify
from strongroom.enclave.programs.runner import OutcomeNeeded, Runner
from strongroom.enclave.programs.system import Recorded
from strongroom.enclave.proofs.heads import FreshPoint
from strongroom.enclave.sessions.sessions import Sessions


class QueryRefused(ClientFault):
    """A query does not open here.

    Attributes:
        reason: the text of a public refusal, as in outcome.Code.
    """

    def __init__(self, code: Code) -> None:
        super().__init__(f"query refused: {code.text}")
        self.reason = code.text


class BelowDemanded(ClientFault):
    """The query demands a height that is not executed here yet.

    Attributes:
        height: the one to wait for.
    """

    def __init__(self, height: Height) -> None:
        super().__init__(f"height {height} is not executed here yet: wait, or ask another node")
        self.height = height


class HeadsNeeded(ClientFault):
    """The query is linearizable: it needs heads over a nonce that was made after it came."""

    def __init__(self) -> None:
        super().__init__("a linearizable query needs fresh heads: ask again with them")


@dataclass(frozen=True, slots=True)
class OutcomeWanted:
    """The answer needs the outcome record of the block that executed this transaction."""

    id: bytes


@dataclass(frozen=True, slots=True, repr=False)
class _Asked:
    identity: bytes
    secret: Secret
    """From which the answer's key derives."""
    query: bytes


class Queries:
    """Answers queries sealed to the current epoch, and in sessions of the one before while its
    grace lasts."""

    def __init__(
        self,
        chain: ChainId,
        keyring: Keyring,
        runner: Runner,
        write_sets: Callable[[Height], WriteSetBox],
    ) -> None:
        self._chain, self._keyring, self._runner = chain, keyring, runner
        self._write_sets = write_sets
        """The box of write sets of a height."""
        self._tables: dict[Epoch, Sessions] = {}
        self._epoch = Epoch(0)

    def turn_to(self, current: Sessions, before: Sessions | None) -> None:
        """Answer queries of these epochs from now on."""
        self._epoch = current.epoch
        self._tables = {table.epoch: table for table in (current, before) if table is not None}

    def answer(
        self,
        envelope: bytes,
        executed: Header,
        root: Digest,
        outcome: bytes | None,
        fresh: FreshPoint | None,
        clock_ms: int,
    ) -> bytes | OutcomeWanted:
        """Open, run, seal; `executed` and `root` are the newest executed block and the history root
        with it, `clock_ms` what the host's clock shows.

        Raises:
            QueryRefused: it is no query for this service, or its session is unknown here.
            BelowDemanded, HeadsNeeded: the query demands more than is known here.
            OperatorFault: `outcome` is not an outcome of this ledger.
        """
        asked = self._open(envelope)
        try:
            call, at_least, linearizable = read_query(asked.query)
        except NotCanonical:
            call, at_least, linearizable = b"", Height(0), False
        if at_least > executed.height:
            raise BelowDemanded(at_least)
        if linearizable:
            _check_fresh(executed, fresh)
        try:
            ok, value = self._runner.ask(
                call, asked.identity, self._recorded_in(outcome, executed.height), clock_ms
            )
        except OutcomeNeeded as needed:
            return OutcomeWanted(needed.id)
        plaintext = pad(codec.encode_value((ok, value, executed.height, root)), ANSWER_SIZES)
        salt = random_bytes(SESSION_SALT_SIZE)
        whole = codec.encode((VERSION, salt, bytes(len(plaintext) + TAG_SIZE)))
        head = whole[: len(whole) - len(plaintext) - TAG_SIZE]
        return head + answer_box(asked.secret, salt, Digest(transaction_id(envelope))).seal(
            0, plaintext, head
        )

    def _open(self, envelope: bytes) -> _Asked:
        try:
            fields = read_envelope(envelope)
        except NotCanonical:
            raise QueryRefused(Code.MALFORMED) from None
        kind, epoch = fields[1:3]
        if kind not in (QUERY, SESSION_QUERY):
            raise QueryRefused(Code.MALFORMED)
        sessions = self._tables.get(epoch)
        if sessions is None or (kind == QUERY and epoch != self._epoch):
            raise QueryRefused(Code.WRONG_EPOCH)
        try:
            if kind == QUERY:
                return self._open_alone(envelope, fields[3])
            return self._open_in_session(envelope, fields, sessions)
        except (DoesNotOpen, NotCanonical):
            raise QueryRefused(Code.DOES_NOT_OPEN) from None

    def _open_alone(self, envelope: bytes, message: bytes) -> _Asked:
        info = labels.bound(labels.QUERY, self._chain, envelope[: -len(message)])
        secrets = self._keyring.of(self._epoch)
        signed = read_signed_query(unpad(secrets.hybrid.open(message, info)))
        statement = query_statement(
            self._chain, secrets.epoch, secrets.public_key_digest, signed.secret, signed.query
        )
        if not verify(signed.public, signed.signature, statement):
            raise DoesNotOpen("the identity did not sign this query")
        return _Asked(sha256(signed.public).digest(), signed.secret, signed.query)

    def _open_in_session(
        self, envelope: bytes, fields: tuple[Any, ...], sessions: Sessions
    ) -> _Asked:
        id, number, box = fields[3:]
        session = sessions.find(id)
        if session is None:
            raise QueryRefused(Code.UNKNOWN_SESSION)
        if session.box is None:
            raise DoesNotOpen("the session is closed")
        keys = sessions.keys_of(id, session)
        aad = labels.bound(labels.SESSION_QUERY, self._chain, envelope[: -len(box)])
        return _Asked(
            session.identity, keys.query_secret, unpad(keys.queries.open(number, box, aad))
        )

    def _recorded_in(
        self, shown: bytes | None, height: Height
    ) -> Callable[[bytes], Recorded | None]:
        """How `system.result` finds a result: in the outcome that the host shows, once that is
        authenticated.

        The write set opens only beside the leaves of the block that it was made for (its AAD names
        their root), and only an enclave of this service that executed that block could make it: no
        history proof is needed.
        """
        if shown is None:

            def ask(id: bytes) -> Recorded | None:
                raise OutcomeNeeded(id)

            return ask
        if not shown:
            return lambda _: None
        try:
            outcome = Outcome.decode(shown)
            box = self._write_sets(outcome.height)
            write_set = box.open(outcome.write_set, outcome.height, outcome.block, outcome.root)
        except (NotCanonical, DoesNotOpen, KeysNeeded) as error:
            raise OperatorFault(f"the outcome shown is not of this ledger: {error}") from None

        def find(id: bytes) -> Recorded | None:
            position = outcome.position_of(id)
            recorded = None if position is None else write_set.result_of(position)
            return (
                None
                if recorded is None or position is None
                else Recorded(outcome.height, position, *recorded)
            )

        return find


def _check_fresh(executed: Header, fresh: FreshPoint | None) -> None:
    """Everything that was final when the heads were made must be executed (PROTOCOL §6)."""
    if fresh is None:
        raise HeadsNeeded
    if not fresh.is_reached_by(executed):
        raise BelowDemanded(max(fresh.height, Height(executed.height + 1)))
