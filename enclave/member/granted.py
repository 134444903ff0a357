"""A node's own enclave acts by a `begin` that stands in its executed state (VAULT §6, T59).

Owns the two steps by which one `begin` is one operation, whatever the host does: the enclave makes
what it will give, sealed to the grantee, and says its digest on the ledger (`act`); once exactly
that digest stands there, it gives it. The ledger takes one `act` per `begin`, so a process that
restarts, a clone, or a disk that was put back makes something else that is never given. What is
made and not given dies with the process.
"""

from collections.abc import Callable

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import ClientFault
from strongroom.enclave.formats.size_classes import ANSWER_SIZES, pad
from strongroom.enclave.governance.action_context import GovernanceView
from strongroom.enclave.governance.grant_records import (
    Act,
    Begun,
    diagnostics_info,
    parameters_digest,
    read_grant,
)
from strongroom.enclave.governance.grant_rules import check_agreed
from strongroom.enclave.governance.grants import check_begun, check_running
from strongroom.enclave.keys.keystore import KeyStore
from strongroom.enclave.primitives import HYBRID_PUBLIC_SIZE, digest, hybrid_seal
from strongroom.enclave.programs.framework import ProgramError

MADE_MAX = 8
"""Diagnostics that are made and not given yet; the oldest goes."""


class NotGranted(ClientFault):
    """This enclave does not act: no `begin` that stands says so.

    Attributes:
        reason: a ground of governance/refusals.py.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason = reason


class Granted:
    """Acts of one enclave under grants."""

    def __init__(self, keystore: KeyStore) -> None:
        self._keystore = keystore
        self._made: dict[bytes, bytes] = {}
        """Sealed diagnostics by the digest of grant and recipient."""

    def diagnostics(
        self,
        view: GovernanceView,
        now_ms: int,
        grant_id: str,
        recipient: bytes,
        measure: Callable[[], tuple[object, ...]],
    ) -> tuple[bytes, bytes]:
        """(digest that the `act` shall name, or nothing; sealed diagnostics, once they may be
        given, or nothing).

        Args:
            view: this enclave's executed state.
            now_ms: block time there.
            grant_id: of the grant.
            recipient: hybrid public key of the grantee, to which the `begin` is bound.
            measure: tells the diagnostics.

        Raises:
            NotGranted: nothing was begun here with this recipient; the grant is over or revoked; or
                another process has acted.
        """
        if len(recipient) != HYBRID_PUBLIC_SIZE:
            raise NotGranted("malformed", f"a recipient's key has {HYBRID_PUBLIC_SIZE} bytes")
        begun, named = self._begun(view, now_ms, grant_id, recipient)
        key = digest(codec.encode((grant_id, named)))
        if begun.acted_ms:
            sealed = self._made.get(key)
            if sealed is None or digest(sealed) != begun.result:
                raise NotGranted(
                    "twice", "another process acted by this begin, once: ask for another grant"
                )
            return b"", sealed
        sealed = self._made.get(key)
        if sealed is None:
            node = view.tables.node(self._keystore.node_key)
            name = "" if node is None else node.name
            sealed = self._seal((grant_id, name), recipient, measure())
        self._made[key] = sealed
        while len(self._made) > MADE_MAX:
            del self._made[next(iter(self._made))]
        return digest(sealed), b""

    def _begun(
        self, view: GovernanceView, now_ms: int, grant_id: str, recipient: bytes
    ) -> tuple[Begun, bytes]:
        """The `begin` at this very node for this very recipient, and its parameters' digest."""
        node = view.tables.node(self._keystore.node_key)
        grant = read_grant(view.tables, grant_id)
        if node is None or grant is None:
            raise NotGranted("unknown-grant", "no such grant stands in this node's state yet")
        named = parameters_digest(Act.DIAGNOSTICS, node.name, (recipient,))
        begun = grant.begun(Act.DIAGNOSTICS, node.name)
        try:
            if begun is None or not begun.acted_ms:
                place = (Act.DIAGNOSTICS, node.name, named)
                return check_begun(view, now_ms, grant, place), named
            check_running(grant, now_ms)
            check_agreed(view, grant)
        except ProgramError as refused:
            raise NotGranted(refused.code, refused.message) from None
        if begun.parameters != named:
            raise NotGranted("other-parameters", "the begin names another recipient's key")
        return begun, named

    def _seal(self, place: tuple[str, str], recipient: bytes, told: tuple[object, ...]) -> bytes:
        """Sealed to the grantee, and signed by the node key inside: only this enclave made it, for
        this grant, under this name."""
        data = codec.encode((*place, told))
        signature = self._keystore.sign(labels.DIAGNOSTICS, data)
        plaintext = pad(codec.encode((data, signature)), ANSWER_SIZES)
        return hybrid_seal(recipient, plaintext, diagnostics_info(self._keystore.chain, place[0]))
