"""From a sealed envelope to a caller and its call, or to a public refusal (DESIGN §4; T01, T07, T09).

Owns the order of checks on ordered envelopes. A refusal follows from public bytes or from failed authentication alone;
nothing of it is sealed, and nothing was changed. What opens, is accepted: from there on, errors are sealed results.
"""

from hashlib import sha256
from typing import Any

from strongroom.consensus import labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import ChainId, Digest
from strongroom.enclave.envelope import CALL, OPENING, Opening, opening_statement, read_envelope
from strongroom.enclave.keys import EpochSecrets
from strongroom.enclave.outcome import Code
from strongroom.enclave.padding import unpad
from strongroom.enclave.primitives import DoesNotOpen, verify
from strongroom.enclave.session_keys import SessionKeys
from strongroom.enclave.sessions import Sessions

Opened = tuple[bytes, SessionKeys, int, bytes | None]
"""(identity, session's keys, sequence, encoded call; None for an opening without one). A tuple: one per transaction."""
_NO_CALL = b""


class Refused(Exception):
    """An envelope is not executed; the code is public."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.text)
        self.code = code


class Intake:
    """Opens ordered envelopes of one epoch."""

    def __init__(self, chain: ChainId, secrets: EpochSecrets, sessions: Sessions) -> None:
        self._chain, self._secrets, self._sessions = chain, secrets, sessions
        self._epoch = secrets.epoch
        self._call_prefix = labels.bound(labels.SESSION_CALL, chain, b"")

    def open(self, envelope: bytes, id: bytes) -> Opened:
        """Open one envelope and use up its sequence number.

        Raises:
            Refused: with the code that goes into its leaf.
        """
        try:
            fields = read_envelope(envelope)
        except NotCanonical:
            raise Refused(Code.MALFORMED) from None
        kind = fields[1]
        if kind != CALL and kind != OPENING:
            raise Refused(Code.MALFORMED)
        if fields[2] != self._epoch:
            raise Refused(Code.WRONG_EPOCH)
        if kind == CALL:
            return self._open_call(envelope, fields)
        return self._open_session(envelope, Digest(id), fields[3])

    def _open_call(self, envelope: bytes, fields: tuple[Any, ...]) -> Opened:
        id, sequence, box = fields[3:]
        session = self._sessions.find(id)
        if session is None:
            raise Refused(Code.UNKNOWN_SESSION)
        refusal = session.refusal(sequence)
        if refusal:
            raise Refused(refusal)
        if session.box is None:
            raise Refused(Code.DOES_NOT_OPEN)
        keys = session.keys or self._sessions.keys_of(id, session)
        try:
            padded = keys.call.open(sequence, box, self._call_prefix + envelope[: -len(box)])
        except DoesNotOpen:
            raise Refused(Code.DOES_NOT_OPEN) from None
        session.accept(sequence)
        self._sessions.touch(id, session)
        try:
            return session.identity, keys, sequence, unpad(padded)
        except NotCanonical:
            return session.identity, keys, sequence, _NO_CALL

    def _open_session(self, envelope: bytes, id: Digest, message: bytes) -> Opened:
        if self._sessions.find(id) is not None:
            raise Refused(Code.DUPLICATE)
        if self._sessions.full:
            raise Refused(Code.SESSIONS_FULL)
        info = labels.bound(labels.SESSION_OPENING, self._chain, envelope[: -len(message)])
        try:
            opening = Opening.decode(unpad(self._secrets.hybrid.open(message, info)))
        except (DoesNotOpen, NotCanonical):
            raise Refused(Code.DOES_NOT_OPEN) from None
        statement = opening_statement(
            self._chain,
            self._epoch,
            self._secrets.public_key_digest,
            opening.secret,
            opening.first_call,
            opening.close,
        )
        signed = Digest(sha256(statement).digest())
        if not verify(opening.public, opening.signature, statement) or self._sessions.knows(signed):
            raise Refused(Code.DOES_NOT_OPEN)
        identity = Digest(sha256(opening.public).digest())
        keys = self._sessions.open(id, identity, signed, opening.secret, close=opening.close)
        return identity, keys, 0, opening.first_call
