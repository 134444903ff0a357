"""The members of a local cluster, who decide by signed transactions at any node's front door."""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from os import urandom
from typing import Any

from strongroom.consensus import codec
from strongroom.enclave.governance.public import (
    BALLOT,
    PROPOSE,
    proposal_digest,
    proposal_id,
    sign_public,
)
from strongroom.node import tls
from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster.cluster import Cluster
from strongroom.node.rpc import probe

SECONDS = 120.0
"""That one answer may take, on a slow machine and while an epoch changes."""
MEMBERS = ("member0", "member1", "member2", "member3")


@dataclass(frozen=True)
class Council:
    """Proposes and votes at one node."""

    cluster: Cluster
    door: str = "n0"

    def decide(self, change: str, **arguments: Any) -> str:
        """Propose a change and vote for it until it is accepted; its status."""
        keys, chain = KeyFolder(self.cluster.layout.keys), self.cluster.service().chain
        named = tuple(arguments.items())
        proposer = keys.load(MEMBERS[0])
        asked = sign_public(
            proposer.public, proposer.key.sign, chain, PROPOSE, (urandom(16), change, named)
        )
        _, status = self.submit(asked)
        fields: Any = codec.decode(asked)
        id, digest = proposal_id(proposer.public, fields[3]), proposal_digest(change, named)
        for name in MEMBERS[1:3]:
            member = keys.load(name)
            _, status = self.submit(
                sign_public(member.public, member.key.sign, chain, BALLOT, (id, digest, True))
            )
        return str(status)

    def submit(self, envelope: bytes) -> Any:
        """Have it executed; its plain result."""
        answer = self.ask("ledger_submit", b64encode(envelope).decode(), "commit")
        done, value = codec.decode(b64decode(answer["result"]))
        assert done, value
        return value

    def ask(self, method: str, *parameters: object) -> Any:
        """Any public method of the door."""
        node = self.cluster.node(self.door)
        context = tls.client_context(node.layout.tls_certificate)
        return probe.ask(
            node.config().rpc,
            context,
            method,
            *parameters,
            seconds=SECONDS,
            credential=self.cluster.service().credential,
        )
