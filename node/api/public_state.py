"""What everybody may know of governance, as JSON-shaped documents: policy, members, nodes,
proposals, epochs.

Pure functions of the enclave's public document (enclave/governance/document.py) and of a proven
succession of epochs.
"""

from collections.abc import Mapping
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.epochs import EpochChain
from strongroom.consensus.types import Epoch, PublicKey
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.attestation.policy import Policy
from strongroom.enclave.governance.document import Document as PublicState
from strongroom.enclave.governance.document import NodeEntry, ProposalEntry
from strongroom.enclave.governance.rules import Rules
from strongroom.enclave.primitives import digest
from strongroom.enclave.proofs.genesis import VerifiedGenesis
from strongroom.node.rpc.backend import Blob, Document


def rules_of(genesis: VerifiedGenesis, state: PublicState | None) -> Rules:
    """What members govern now; as at genesis while nothing is known of later."""
    return Rules.of(genesis.constitution) if state is None else state.member_rules()


def policy_document(policy: Policy) -> Document:
    """The attestation policy in words, and encoded for whoever judges by it."""
    return {
        "measurements": list(policy.measurements),
        "roots": list(policy.roots),
        "allow_simulated": policy.allow_simulated,
        "regions": list(policy.regions),
        "countries": [{"region": region, "country": one} for region, one in policy.countries],
        "max_age_ms": policy.max_age_ms,
        "operators": [{"name": name, "key": key} for name, key in policy.operators],
        "chips": [{"operator": operator, "chip": chip} for operator, chip in policy.chips],
        "floors": [
            {
                "product": one.product.value,
                "committed": str(one.committed),
                "launch": str(one.launch),
                "reported": str(one.reported),
            }
            for one in policy.floors
        ],
        "revoked": list(policy.revoked),
        "encoded": Blob(policy.encode()),
    }


def member_documents(rules: Rules) -> list[Document]:
    """Who governs, with the roles that each one's identity has."""
    roles = [
        {"program": program, "role": role, "identity": identity}
        for program, role, identity in rules.roles
    ]
    return [
        {
            "name": name,
            "public": key,
            "weight": 0 if name in rules.watchers else 1,
            "roles": [role for role in roles if role["identity"] == digest(key)],
        }
        for name, key in rules.members
    ]


_LIMITS_OF_USERS = (
    "users_per_member",
    "sessions_per_identity",
    "sessions_per_sponsor",
    *(
        f"{what}_per_{whom}"
        for what in ("entries", "bytes")
        for whom in ("user", "member", "sponsor")
    ),
    *(f"secrets_per_{whom}" for whom in ("user", "member")),
)


def users_document(genesis: VerifiedGenesis, state: PublicState | None) -> Document:
    """Who may open sessions: nothing of whom members brought, or who holds a token."""
    rules = rules_of(genesis, state)
    return {
        "open": bool(rules.limit("open_admission")),
        "members": len(rules.members),
        "voting": len(rules.voters),
        "by_vote": 0 if state is None else state.voted_users,
        "issuers": [] if state is None else list(state.admitting),
        "roles": [
            {"program": program, "role": role, "identity": identity}
            for program, role, identity in rules.roles
        ],
        "limits": {name: rules.limit(name) for name in _LIMITS_OF_USERS},
    }


def node_document(node: NodeEntry) -> Document:
    """One node as the ledger knows it."""
    return {
        "name": node.name,
        "node_key": node.node_key,
        "vote_key": node.vote_key,
        "operator": node.operator,
        "region": node.region,
        "status": "suspended" if node.suspended and node.status != "removed" else node.status,
        "measurement": node.measurement,
        "chip": node.chip_id,
        "boot": node.boot,
        "rpc": node.rpc,
        "peer": node.peer,
        "admitted_height": node.admitted_height,
        "attested_height": node.attested_height,
        "age_ms": node.age_ms,
        "alarm": node.alarm,
        "offence": node.offence or None,
        "simulated": node.simulated,
        "evidence_digest": node.evidence_digest,
    }


def proposal_document(proposal: ProposalEntry) -> Document:
    """One proposal, with its ballots. `arguments` are those of its change when it has one only."""
    changes = [
        {"change": name, "arguments": {key: _plain(value) for key, value in given}}
        for name, given in proposal.changes
    ]
    alive = bool(proposal.needed)
    return {
        "id": proposal.id,
        "digest": proposal.digest,
        "change": proposal.change,
        "arguments": changes[0]["arguments"] if len(changes) == 1 else {},
        "changes": changes,
        "proposer": proposal.proposer,
        "status": proposal.status,
        "yes": proposal.yes,
        "no": proposal.no,
        "needed": proposal.needed if alive else None,
        "missing": max(0, proposal.needed - proposal.yes) if alive else None,
        "ballots": [{"member": name, "yes": said} for name, said in proposal.ballots],
        "proposed_ms": proposal.proposed_ms,
        "decided_ms": proposal.decided_ms or None,
        "activates_ms": proposal.activates_ms or None,
        "expires_ms": proposal.expires_ms if proposal.status == "open" else None,
        "note": proposal.note or None,
    }


def epoch_documents(
    genesis: VerifiedGenesis, epochs: EpochChain, start: int, state: PublicState | None = None
) -> list[Document]:
    """The succession of epochs from `start` on, as far as one answer holds; epoch 0 is opened by
    genesis itself."""
    reasons = {} if state is None else {one.epoch: one.reason for one in state.epochs}
    documents = [] if start else [_epoch(genesis.description, genesis.public_key, reasons)]
    for entry in epochs.entries(Epoch(max(1, start))):
        documents.append(
            {
                **_epoch(entry.description, entry.public_key, reasons),
                "height": entry.header.height,
                "time_ms": entry.header.time_ms,
                "header": Blob(entry.header.encoded),
                "certificate": Blob(codec.encode(entry.certificate.to_wire())),
            }
        )
    return documents


def validator_names(genesis: VerifiedGenesis, state: PublicState | None) -> Mapping[PublicKey, str]:
    """Names of all nodes that ever were registered, as far as is known here."""
    names = {one.claims.node_key: one.claims.node for one in genesis.validators}
    if state is not None:
        names |= {PublicKey(node.node_key): node.name for node in state.nodes}
    return names


def validators_shown(
    genesis: VerifiedGenesis, state: PublicState | None, description: EpochDescription
) -> list[Document]:
    """The validators of an epoch by index, and where each says that it serves."""
    names = validator_names(genesis, state)
    founders = {one.claims.node_key: one.claims for one in genesis.validators}
    registered = {} if state is None else {node.node_key: node for node in state.nodes}
    documents = []
    for index, one in enumerate(description.validators):
        known = registered.get(one.node_key)
        source = known or founders.get(one.node_key)
        documents.append(
            {
                "index": index,
                "name": names.get(one.node_key, one.node_key.hex()),
                "node_key": one.node_key,
                "vote_key": one.vote_key,
                "operator": None if source is None else source.operator,
                "region": None if source is None else source.region,
                "endpoint": f"https://{known.rpc}" if known is not None and known.rpc else None,
            }
        )
    return documents


def _epoch(
    description: EpochDescription, public_key: bytes, reasons: Mapping[int, str]
) -> Document:
    return {
        "epoch": description.epoch,
        "reason": reasons.get(description.epoch),
        "members": [member.node_key for member in description.validators],
        "quorum": description.quorum.size,
        "height": 0,
        "time_ms": None,
        "header": None,
        "certificate": None,
        "description": Blob(description.encode()),
        "epoch_key": Blob(public_key),
    }


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
