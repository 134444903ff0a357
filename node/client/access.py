"""Privileged access from a person's side: what is said is checked against what was read, and
diagnostics are opened here alone.

Owns the check that a word names the ask that is shown (T43), the one-time key of diagnostics and
its file, and the proof that an enclave of the service made them.
"""

import asyncio
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import ClientFault, NotCanonical, OperatorFault
from strongroom.enclave.formats.size_classes import unpad
from strongroom.enclave.governance.document import Document as PublicState
from strongroom.enclave.governance.grant_document import BegunEntry, GrantEntry
from strongroom.enclave.governance.grant_records import (
    Act,
    ask_digest,
    diagnostics_info,
    parameters_digest,
)
from strongroom.enclave.governance.public import PROPOSAL_NONCE_SIZE
from strongroom.enclave.primitives import SECRET_SIZE, DoesNotOpen, HybridKey, Secret, verify
from strongroom.node.client.audit.chain import check_epochs
from strongroom.node.client.audit.reader import Reader
from strongroom.node.client.errors import NotTrusted, Unreachable
from strongroom.node.client.governing import read_public_state
from strongroom.node.faults import NotReady, NotYet, Overloaded, RpcFault
from strongroom.node.machine.durable_files import write_new

POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Asked:
    """An ask, before it is signed."""

    operations: tuple[str, ...]
    nodes: tuple[str, ...]
    reason: str
    claim_ms: int
    """Within which it is to be begun, from the newest block's time on."""
    duration_ms: int
    kind: str

    def fields(self, state: PublicState) -> tuple[Any, ...]:
        """What is signed, with a fresh nonce."""
        return (
            secrets.token_bytes(PROPOSAL_NONCE_SIZE),
            self.operations,
            self.nodes,
            self.reason,
            state.time_ms + self.claim_ms,
            self.duration_ms,
            self.kind,
        )


def find_grant(state: PublicState, id: str) -> GrantEntry:
    """A grant by its id or its digest, or by the beginning of one that no other has. The digest
    says what was asked; the id is whatever the node shows under it.

    Raises:
        ClientFault: none, or several.
        NotTrusted: its digest is not that of what is shown, so a word would name something else.
    """
    grants = state.access.grants
    found = [one for one in grants if one.id.startswith(id) or one.digest.hex().startswith(id)]
    if len(found) != 1 or not id:
        raise ClientFault(
            f"{len(found)} grants have an id or a digest that begins with {id!r}: "
            "see `strongroom admin list`"
        )
    (grant,) = found
    check_shown(grant)
    return grant


def check_shown(grant: GrantEntry) -> None:
    """Check that a grant's digest is that of what is shown.

    Raises:
        NotTrusted: it is another's, so a word about it would name something else.
    """
    shown = (
        grant.operations,
        grant.nodes,
        grant.reason,
        grant.claim_by_ms,
        grant.duration_ms,
        grant.kind,
    )
    if ask_digest(grant.asker, shown) != grant.digest:
        raise NotTrusted("answer", f"the node shows another ask under grant {grant.id}")


def begun_in(grant: GrantEntry, operation: str, node: str) -> BegunEntry | None:
    """What was begun of this operation at this node."""
    return next((b for b in grant.begins if (b.operation, b.node) == (operation, node)), None)


async def wait_decided(reader: Reader, id: str, seconds: float) -> GrantEntry:
    """Wait until a grant is no longer only asked for.

    Raises:
        Unreachable: it is undecided in this time.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        grant = find_grant(await read_public_state(reader), id)
        if grant.status != "asked":
            return grant
        if asyncio.get_running_loop().time() > deadline:
            raise Unreachable(
                f"grant {id} is undecided after {seconds:g} s: "
                f"wait on with `strongroom admin list {id} --wait`"
            )
        await asyncio.sleep(POLL_SECONDS)


class DiagnosticsKey:
    """The one-time key to which diagnostics are sealed, kept in a file until they are read: a
    command that ends between `begin` and opening loses nothing."""

    def __init__(self, seed: Secret, path: Path) -> None:
        self._key, self._path = HybridKey(seed), path

    @classmethod
    def at(cls, path: Path) -> "DiagnosticsKey":
        """The key of this file; made anew when there is none.

        Raises:
            OperatorFault: the file is no such key, or cannot be read or written.
        """
        try:
            if not path.exists():
                path.parent.mkdir(mode=0o700, exist_ok=True)
                write_new(path, os.urandom(SECRET_SIZE).hex().encode(), mode=0o600)
            seed = bytes.fromhex(path.read_bytes().decode())
        except (OSError, ValueError) as error:
            raise OperatorFault(f"{path}: no key of diagnostics ({error}): remove it") from None
        if len(seed) != SECRET_SIZE:
            raise OperatorFault(f"{path}: no key of diagnostics: remove it and begin anew")
        return cls(Secret(seed), path)

    @property
    def public(self) -> bytes:
        """What the `begin` is bound to."""
        return self._key.public

    def forget(self) -> None:
        """They were read: the key is of no more use."""
        self._path.unlink(missing_ok=True)

    def open(self, chain: Any, grant: str, node: str, sealed: bytes) -> "Diagnostics":
        """Open what an enclave sealed.

        Raises:
            NotTrusted: it does not open, or was made for another grant or node.
        """
        try:
            plain = unpad(self._key.open(sealed, diagnostics_info(chain, grant)))
            data, signature = codec.fields(codec.decode(plain), bytes, bytes, name="diagnostics")
            for_grant, at_node, told = codec.fields(
                codec.decode(data), str, str, tuple, name="diagnostics"
            )
            fields = {name: _shown(value) for name, value in told}
        except (DoesNotOpen, NotCanonical, TypeError, ValueError) as error:
            raise NotTrusted("answer", f"these diagnostics do not open: {error}") from None
        if (for_grant, at_node) != (grant, node):
            raise NotTrusted("answer", "these diagnostics are of another grant or node")
        return Diagnostics(data, signature, fields)


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What an enclave told of itself."""

    data: bytes
    """What its node key signed."""
    signature: bytes
    fields: dict[str, Any]

    @property
    def digest(self) -> bytes:
        """What `finish` names."""
        return sha256(self.data).digest()

    def check_signer(self, chain: Any, node_keys: Sequence[Any]) -> None:
        """Check that an enclave of the current epoch made them.

        Raises:
            NotTrusted: none of these node keys signed.
        """
        message = labels.bound(labels.DIAGNOSTICS, chain, self.data)
        if len(self.signature) != 64 or not any(
            verify(key, self.signature, message) for key in node_keys
        ):
            raise NotTrusted("answer", "no validator's enclave signed these diagnostics")


async def fetch_diagnostics(
    reader: Reader, node: str, grant: str, recipient: bytes
) -> tuple[bytes | None, bytes | None]:
    """(the act to be submitted, sealed diagnostics), as the node of this name gives them.

    Raises:
        Unreachable: that node does not answer.
        RpcFault: its enclave refuses.
    """
    for endpoint, status in await reader.ask_each("node_status"):
        if status is not None and status.get("node") == node:
            shown = await reader.ask_at(
                endpoint,
                "admin_diagnostics",
                grant=grant,
                recipient=b64encode(recipient).decode(),
            )
            return _blob(shown, "act"), _blob(shown, "sealed")
    raise Unreachable(f"node {node} does not answer: is it up?")


async def read_diagnostics(
    reader: Reader, node: str, grant: str, key: DiagnosticsKey, seconds: float
) -> Diagnostics:
    """Have the node's enclave act by the `begin`, and open what it gives.

    Raises:
        NotTrusted: what is given was not made by a validator's enclave for this grant and node.
        RpcFault: the enclave, or the ledger, refuses.
        Unreachable: not in this time.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    chain = reader.service.chain
    _, known = await check_epochs(reader.ask_all, reader.service.pin)
    keys = [one.node_key for one in known.newest.validators]
    submitted: bytes | None = None
    while True:
        try:
            act, sealed = await fetch_diagnostics(reader, node, grant, key.public)
            if sealed is not None:
                opened = key.open(chain, grant, node, sealed)
                opened.check_signer(chain, keys)
                return opened
            if act is not None and act != submitted:
                await reader.ask("governance_submit", envelope=b64encode(act).decode())
                submitted = act
        except RpcFault as fault:
            if not _may_pass(fault) or asyncio.get_running_loop().time() > deadline:
                raise
        if asyncio.get_running_loop().time() > deadline:
            raise Unreachable(f"node {node} gave no diagnostics in {seconds:g} s: begin again")
        await asyncio.sleep(POLL_SECONDS)


def begin_digest(operation: str, node: str, parameters: tuple[Any, ...]) -> bytes:
    """What a `begin` names."""
    return parameters_digest(operation, node, parameters)


def takes_node(operation: str) -> bool:
    """Is this an operation at a node?"""
    return not operation.startswith(f"{Act.ROLE}:")


def _may_pass(fault: RpcFault) -> bool:
    """Will the node soon have executed the `begin`?"""
    return fault.data.get("reason") in ("unknown-grant", "not-begun") or isinstance(
        fault, (NotYet, NotReady, Overloaded)
    )


def _blob(shown: Any, name: str) -> bytes | None:
    try:
        return None if shown[name] is None else b64decode(shown[name], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise NotTrusted("answer", f"no answer of admin_diagnostics: {error}") from None


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return dict(value)
    return value
