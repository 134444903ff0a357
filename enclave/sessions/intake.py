"""From a sealed envelope to a caller and its call, or to a public refusal (DESIGN §4; T01, T07,
T09).

Owns the order of checks on ordered envelopes. A refusal follows from public bytes, from failed
authentication, or from an identity that may open no session now; nothing of it is sealed, and
nothing was changed. What opens, is accepted: from there on, errors are sealed results.
"""

from hashlib import sha256
from typing import Any

from strongroom.consensus import labels
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import ChainId, Digest, Epoch
from strongroom.enclave.formats.envelope import CALL, OPENING, PUBLIC, Opening, opening_statement
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.formats.reading import read_envelope, read_opening
from strongroom.enclave.formats.session_keys import SessionKeys
from strongroom.enclave.formats.size_classes import unpad
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.primitives import DoesNotOpen, verify
from strongroom.enclave.sessions.session_admission import SessionAdmission
from strongroom.enclave.sessions.sessions import Sessions

Opened = tuple[bytes, SessionKeys, int, bytes | None]
"""(identity, session's keys, sequence, encoded call; None for an opening without one). A tuple: one
per transaction."""
_NO_CALL = b""


class Refused(Exception):
    """An envelope is not executed; the code is public."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.text)
        self.code = code


class Public(Exception):
    """An envelope is not sealed at all: governance's, or a node's own word."""

    def __init__(self, fields: tuple[bytes, bytes, bytes]) -> None:
        super().__init__("a public transaction")
        self.fields = fields
        """Protected header, payload, signature."""


class Presented(Exception):
    """Somebody who is not admitted presents a token, in an opening that closes its session: he is
    if the call succeeds, and nothing of it stands if it does not."""

    def __init__(self, identity: Digest, opening: Opening, statement: Digest) -> None:
        super().__init__("a token")
        self.identity, self.opening, self.statement = identity, opening, statement


class Intake:
    """Opens ordered envelopes: of the current epoch, and of sessions of the one before while its
    grace lasts."""

    def __init__(self, chain: ChainId, keyring: Keyring, admission: SessionAdmission) -> None:
        self._chain, self._keyring, self._admission = chain, keyring, admission
        self._tables: dict[Epoch, Sessions] = {}
        self._epoch = Epoch(0)
        self._call_prefix = labels.bound(labels.SESSION_CALL, chain, b"")

    def turn_to(self, current: Sessions, before: Sessions | None) -> None:
        """Take envelopes of these epochs from now on."""
        self._epoch = current.epoch
        self._tables = {table.epoch: table for table in (current, before) if table is not None}

    def open(self, envelope: bytes, id: bytes) -> Opened:
        """Open one envelope and use up its sequence number.

        Raises:
            Refused: with the code that goes into its leaf.
            Public: it is not sealed.
            Presented: it may stand if its call does; nothing was used up.
            KeysNeeded: the input secret of its epoch is not here: this enclave cannot execute the
                block.
        """
        try:
            fields = read_envelope(envelope)
        except NotCanonical:
            raise Refused(Code.MALFORMED) from None
        kind = fields[1]
        if kind == PUBLIC:
            raise Public(fields[2:])
        if kind != CALL and kind != OPENING:
            raise Refused(Code.MALFORMED)
        if kind == CALL:
            sessions = self._tables.get(fields[2])
            if sessions is None:
                raise Refused(Code.WRONG_EPOCH)
            return self._open_call(envelope, fields, sessions)
        if fields[2] != self._epoch:
            raise Refused(Code.WRONG_EPOCH)
        return self._open_session(envelope, Digest(id), fields[3], self._tables[self._epoch])

    def _open_call(self, envelope: bytes, fields: tuple[Any, ...], sessions: Sessions) -> Opened:
        id, sequence, box = fields[3:]
        session = sessions.find(id)
        if session is None:
            raise Refused(Code.UNKNOWN_SESSION)
        refusal = session.refusal(sequence)
        if refusal:
            raise Refused(refusal)
        if session.box is None:
            raise Refused(Code.DOES_NOT_OPEN)
        keys = session.keys or sessions.keys_of(id, session)
        try:
            padded = keys.call.open(sequence, box, self._call_prefix + envelope[: -len(box)])
        except DoesNotOpen:
            raise Refused(Code.DOES_NOT_OPEN) from None
        sessions.touch(id, session)
        session.accept(sequence)
        try:
            return session.identity, keys, sequence, unpad(padded)
        except NotCanonical:
            return session.identity, keys, sequence, _NO_CALL

    def _open_session(
        self, envelope: bytes, id: Digest, message: bytes, sessions: Sessions
    ) -> Opened:
        secrets = self._keyring.of(self._epoch)
        if sessions.find(id) is not None:
            raise Refused(Code.DUPLICATE)
        if sessions.full:
            raise Refused(Code.SESSIONS_FULL)
        info = labels.bound(labels.SESSION_OPENING, self._chain, envelope[: -len(message)])
        try:
            opening = read_opening(unpad(secrets.hybrid.open(message, info)))
        except (DoesNotOpen, NotCanonical):
            raise Refused(Code.DOES_NOT_OPEN) from None
        statement = opening_statement(
            self._chain,
            self._epoch,
            secrets.public_key_digest,
            opening.secret,
            opening.first_call,
            opening.close,
        )
        signed = Digest(sha256(statement).digest())
        if not verify(opening.public, opening.signature, statement) or sessions.knows(signed):
            raise Refused(Code.DOES_NOT_OPEN)
        identity = Digest(sha256(opening.public).digest())
        way = self._admission.way_of(identity)
        if way is None:
            if opening.close and self._admission.is_heard(opening.first_call):
                raise Presented(identity, opening, signed)
            raise Refused(Code.NOT_ADMITTED)
        if not self._admission.open(identity, way, sessions.opened_by(identity)):
            # In public: a reply sealed with keys of a session that stands nowhere could be asked
            # for again, and then be another plaintext under the same nonce.
            raise Refused(Code.TOO_MANY_SESSIONS)
        keys = sessions.open(id, identity, signed, opening.secret, close=opening.close)
        return identity, keys, 0, opening.first_call

    # --- who presents a token ---------------------------------------------------------------------

    def keys_for(self, presented: Presented, id: bytes) -> SessionKeys:
        """The keys of the session that such an opening would open."""
        return SessionKeys(presented.opening.secret, self._chain, self._epoch, Digest(id))

    def would_stand(self, presented: Presented) -> bool:
        """Is he admitted after his call, and may he open this session? Then it is counted."""
        identity = presented.identity
        way, table = self._admission.way_of(identity), self._tables[self._epoch]
        return way is not None and self._admission.admit(identity, way, table.opened_by(identity))

    def let_stand(self, presented: Presented, id: bytes) -> None:
        """His call stands: so does the opening."""
        opening, identity = presented.opening, presented.identity
        table = self._tables[self._epoch]
        table.open(Digest(id), identity, presented.statement, opening.secret, close=True)
