"""What each method gives, which errors of the node's own it has, and one example of a call.

Owns these three columns of the table of methods (methods.py). `$NAME` in an example stands for
what only a running service knows; docs/rpc.md and the tests fill it in.
"""

from typing import Any

from strongroom.node import faults
from strongroom.node.faults import RpcFault
from strongroom.node.rpc.schemas import (
    ANY,
    BOOL,
    BYTES,
    COUNT,
    DIGEST,
    HEX,
    TEXT,
    Schema,
    array,
    nullable,
    ref,
    shape,
)

_FAILED = shape({"error": ref("Error")})
_ITEM = {"anyOf": [DIGEST, ref("Included"), _FAILED]}
_PUBLIC = {"id": DIGEST, "height": COUNT, "index": COUNT, "result": BYTES}

RESULTS: dict[str, Schema] = {
    "service_info": shape(
        {
            "chain": DIGEST,
            "pin": TEXT,
            "name": TEXT,
            "genesis": nullable(BYTES),
            "height": COUNT,
            "executed": COUNT,
            "epoch": COUNT,
            "epoch_key": BYTES,
            "epoch_key_digest": DIGEST,
            "measurement": nullable(HEX),
            "node": TEXT,
            "validators": array(ref("Validator")),
            "limits": {"type": "object", "additionalProperties": COUNT},
            "simulated": BOOL,
        }
    ),
    "service_heads": array(shape({"node": TEXT, "node_key": DIGEST, "head": BYTES})),
    "service_epochs": array(ref("Epoch")),
    "service_policy": ref("Policy"),
    "service_members": array(ref("Member")),
    "service_users": ref("Users"),
    "service_nodes": array(ref("Node")),
    "node_status": ref("NodeStatus"),
    "node_consensus": ref("Consensus"),
    "node_evidence": shape({"evidence": BYTES, "nonce": DIGEST}),
    "ledger_submit": {
        "anyOf": [
            {**ref("Included")},
            shape(
                {
                    "id": DIGEST,
                    "height": COUNT,
                    "index": COUNT,
                    "status": {"const": "included"},
                    "result": BYTES,
                    "receipt": ref("Receipt"),
                }
            ),
            shape({"id": DIGEST}),
        ]
    },
    "ledger_submit_many": array(_ITEM),
    "ledger_transaction": ref("Transaction"),
    "ledger_receipt": ref("Receipt"),
    "ledger_block": ref("Block"),
    "ledger_blocks": array(ref("Block")),
    "ledger_transactions": shape(
        {
            "height": COUNT,
            "offset": COUNT,
            "count": COUNT,
            "transactions": array(ref("TransactionRow")),
        }
    ),
    "ledger_header": shape({"header": BYTES, "certificate": nullable(BYTES)}),
    "ledger_consistency": shape({"from_root": DIGEST, "to_root": DIGEST, "proof": array(DIGEST)}),
    "ledger_query": shape({"answer": BYTES, "height": COUNT}),
    "ledger_search": array(
        shape(
            {
                "kind": {"enum": ["block", "transaction", "node", "member", "proposal"]},
                "id": TEXT,
                "words": TEXT,
                "height": nullable(COUNT),
            }
        )
    ),
    "ledger_subscribe": COUNT,
    "ledger_unsubscribe": {"const": True},
    "blob_missing": array(DIGEST),
    "governance_submit": {
        "oneOf": [
            shape({**_PUBLIC, "ok": {"const": True}, "value": ANY}),
            shape({**_PUBLIC, "ok": {"const": False}, "error": {"type": "object"}}),
        ]
    },
    "governance_proposals": array(ref("Proposal")),
    "governance_proposal": ref("Proposal"),
    "governance_state": shape({"state": BYTES}),
    "governance_access": ref("Access"),
    "admin_diagnostics": shape({"act": nullable(BYTES), "sealed": nullable(BYTES)}),
    "rpc.discover": {"type": "object", "required": ["openrpc", "info", "methods"]},
}
"""By method."""

EXAMPLES: dict[str, dict[str, Any]] = {
    "service_heads": {"nonce": "$NONCE"},
    "service_epochs": {"from": 0},
    "node_evidence": {"nonce": "$NONCE"},
    "ledger_submit": {"envelope": "$ENVELOPE", "wait": "none"},
    "ledger_submit_many": {"envelopes": ["$ENVELOPE"]},
    "ledger_transaction": {"id": "$TRANSACTION"},
    "ledger_receipt": {"id": "$TRANSACTION"},
    "ledger_block": {"height": "latest", "transactions": False},
    "ledger_blocks": {"from": 1, "to": 2, "transactions": False},
    "ledger_transactions": {"height": 1, "offset": 0, "limit": 20},
    "ledger_header": {"height": 1},
    "ledger_consistency": {"from": 0, "to": 1},
    "ledger_query": {"envelope": "$QUERY"},
    "ledger_search": {"text": "n0"},
    "ledger_subscribe": {"topic": "heads"},
    "ledger_unsubscribe": {"id": 1},
    "blob_missing": {"names": []},
    "governance_submit": {"envelope": "$PUBLIC"},
    "governance_proposal": {"id": "$PROPOSAL"},
    "admin_diagnostics": {"grant": "$GRANT", "recipient": "$RECIPIENT"},
}
"""Parameters of one call, by method; none where a method takes none."""

_READS = (faults.NotFound, faults.TooLarge, faults.NotYet, faults.Archived)
_ENVELOPES = (faults.Refused, faults.TooLarge, faults.WrongChainOrEpoch, faults.NotReady)
_OWN: dict[str, tuple[type[RpcFault], ...]] = {
    "node_consensus": (faults.NotReady,),
    "node_evidence": (faults.NotReady,),
    "ledger_submit": (*_ENVELOPES, faults.Archived),
    "ledger_submit_many": (*_ENVELOPES, faults.Archived),
    "governance_submit": _ENVELOPES,
    "ledger_query": (faults.NotYet, *_ENVELOPES, faults.Archived),
    "ledger_transaction": _READS,
    "ledger_receipt": _READS,
    "ledger_block": _READS,
    "ledger_blocks": _READS,
    "ledger_transactions": _READS,
    "ledger_header": (faults.NotFound, faults.Archived),
    "ledger_consistency": (faults.NotFound,),
    "ledger_subscribe": (faults.TooLarge,),
    "ledger_unsubscribe": (faults.NotFound,),
    "blob_missing": (faults.NotReady,),
    "governance_proposal": (faults.NotFound,),
    "governance_state": (faults.NotReady,),
    "governance_access": (faults.NotReady,),
    "admin_diagnostics": (faults.Refused, faults.NotReady),
}


def errors_of(method: str) -> tuple[type[RpcFault], ...]:
    """Errors of the node's own that a call may be answered with; any may be `overloaded`, any
    reply `too large`, and where a credential is asked for reading too, any `refused`."""
    own = _OWN.get(method, ())
    always = (faults.Overloaded, faults.TooLarge, faults.Refused)
    return tuple(dict.fromkeys((*own, *always)))
