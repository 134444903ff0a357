"""What results look like, as JSON Schema (draft 7): the components of the OpenRPC document.

Owns the shapes that several results share or that are long. Which method gives which: results.py.
They are those of JSON; in msgpack frames every byte string is raw.
"""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
BOOL: Schema = {"type": "boolean"}
HEX: Schema = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
DIGEST: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
BYTES: Schema = {"type": "string", "contentEncoding": "base64"}
ANY: Schema = {}


def ref(name: str) -> Schema:
    """A component."""
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


def nullable(schema: Schema) -> Schema:
    """This, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def shape(required: Schema, optional: Schema | None = None) -> Schema:
    """An object: members that it always has, and others."""
    return {
        "type": "object",
        "required": sorted(required),
        "properties": {**required, **(optional or {})},
    }


_WHEN = nullable(COUNT)
_PLACE = {"id": DIGEST, "height": COUNT, "index": COUNT}
_ROLE = shape({"program": TEXT, "role": TEXT, "identity": DIGEST})
_WORDS = array(shape({"member": TEXT, "time_ms": COUNT}))
_VALIDATOR = {
    "index": nullable(COUNT),
    "name": TEXT,
    "node_key": DIGEST,
    "vote_key": DIGEST,
    "operator": nullable(TEXT),
    "region": nullable(TEXT),
}
_HEAD = {
    "height": COUNT,
    "hash": DIGEST,
    "time_ms": COUNT,
    "proposer": TEXT,
    "epoch": COUNT,
    "view": COUNT,
    "count": COUNT,
    "bytes": COUNT,
}
_VIEW = {
    "view": COUNT,
    "leader": TEXT,
    "proposal": nullable(
        shape(
            {
                "height": COUNT,
                "hash": DIGEST,
                "proposer": TEXT,
                "time_ms": COUNT,
                "batches": COUNT,
                "bytes": COUNT,
            }
        )
    ),
    "notarize": array(TEXT),
    "nullify": array(TEXT),
    "finalize": array(TEXT),
}
_CERTIFICATE = shape(
    {"view": COUNT, "kind": TEXT, "signers": array(TEXT)},
    {"members": array(ANY), "recovered_at": COUNT},
)
_BATCH = shape(
    {
        "lane": COUNT,
        "origin": TEXT,
        "sequence": COUNT,
        "digest": DIGEST,
        "count": COUNT,
        "size": COUNT,
    }
)
_ENVELOPE = shape(
    {"size": COUNT, "kind": TEXT},
    {
        "sealed": BYTES,
        "public": BYTES,
        "epoch": COUNT,
        "session": DIGEST,
        "sequence": COUNT,
        "signer": nullable(HEX),
        "action": nullable(TEXT),
    },
)
_EXECUTED = {"executed": COUNT, "epoch": COUNT, "grace_over": BOOL}
_BEGUN = shape(
    {
        "operation": TEXT,
        "node": TEXT,
        "parameters": HEX,
        "begun_ms": COUNT,
        "report_by_ms": COUNT,
        "acted_ms": _WHEN,
        "result": nullable(HEX),
        "finished_ms": _WHEN,
        "outcome": nullable(TEXT),
        "outcome_digest": nullable(HEX),
        "unreported": BOOL,
        "uses": COUNT,
    }
)
_GRANT = shape(
    {
        "id": TEXT,
        "digest": DIGEST,
        "asker": HEX,
        "operator": TEXT,
        "operations": array(TEXT),
        "nodes": array(TEXT),
        "reason": TEXT,
        "claim_by_ms": COUNT,
        "duration_ms": COUNT,
        "kind": TEXT,
        "asked_ms": COUNT,
        "needed": COUNT,
        "reviews_needed": COUNT,
        "status": TEXT,
        "decided_ms": _WHEN,
        "until_ms": _WHEN,
        "closed_ms": _WHEN,
        "review_by_ms": _WHEN,
        "review_due": BOOL,
        "approvals": _WORDS,
        "denials": _WORDS,
        "revocations": _WORDS,
        "reviews": _WORDS,
        "begins": array(_BEGUN),
    }
)

COMPONENTS: dict[str, Schema] = {
    "Validator": shape({**_VALIDATOR, "endpoint": nullable(TEXT)}),
    "Node": shape(
        {**_VALIDATOR, "status": TEXT, "offence": nullable(TEXT), "verdict": TEXT},
        {
            "endpoint": nullable(TEXT),
            "connected": nullable(BOOL),
            "checked": NUMBER,
            "evidence_digest": HEX,
            "height": nullable(COUNT),
            "executed": nullable(COUNT),
            "executes": BOOL,
            "view": nullable(COUNT),
            "faults": COUNT,
            "measurement": HEX,
            "chip": HEX,
            "boot": COUNT,
            "rpc": TEXT,
            "peer": TEXT,
            "admitted_height": COUNT,
            "attested_height": COUNT,
            "age_ms": COUNT,
            "alarm": {"type": ["string", "boolean", "integer", "null"]},
            "simulated": BOOL,
        },
    ),
    "NodeStatus": shape(
        {
            "node": TEXT,
            "state": TEXT,
            "executes": BOOL,
            "executing": COUNT,
            "height": COUNT,
            "executed": COUNT,
            "view": COUNT,
            "epoch": COUNT,
            "grace_ms": COUNT,
            "leader": TEXT,
            "peers": COUNT,
            "quorum": COUNT,
            "members": COUNT,
            "mempool": shape({"envelopes": COUNT, "bytes": COUNT}),
            "blocks_behind": COUNT,
            "strikes": COUNT,
            "version": TEXT,
            "boot": COUNT,
            "archived": shape({"segments": COUNT, "bytes": COUNT, "height": COUNT}),
            "alarm": nullable(TEXT),
            "clock_behind_ms": COUNT,
            "fresh": BOOL,
        }
    ),
    "Consensus": shape(
        {
            "node": TEXT,
            "time_ms": COUNT,
            "epoch": COUNT,
            "height": COUNT,
            "quorum": COUNT,
            "validators": array(TEXT),
            **_VIEW,
            "since_ms": COUNT,
            "before": nullable(shape(_VIEW)),
            "lanes": array(
                shape({"name": TEXT, "length": COUNT, "waiting": COUNT, "frozen": BOOL})
            ),
            "timeouts": shape(
                {
                    "strikes": COUNT,
                    "delta_ms": COUNT,
                    "proposal_ms": _WHEN,
                    "view_ms": _WHEN,
                    "retry_ms": _WHEN,
                }
            ),
        }
    ),
    "Epoch": shape(
        {
            "epoch": COUNT,
            "reason": nullable(TEXT),
            "members": array(DIGEST),
            "quorum": COUNT,
            "height": COUNT,
            "time_ms": _WHEN,
            "header": nullable(BYTES),
            "certificate": nullable(BYTES),
            "description": BYTES,
            "epoch_key": BYTES,
        }
    ),
    "BlockHead": shape({**_HEAD, "signers": nullable(array(TEXT))}),
    "Block": shape(
        {
            **_HEAD,
            "parent": DIGEST,
            "batches": array(_BATCH),
            "anchor": shape({"height": COUNT, "root": DIGEST}),
            "certificate": nullable(_CERTIFICATE),
            "outcome_root": nullable(DIGEST),
            "header": BYTES,
        },
        {"transactions": array(ref("TransactionRow"))},
    ),
    "TransactionRow": shape(
        {
            "id": DIGEST,
            "index": COUNT,
            "code": nullable(COUNT),
            "status": TEXT,
            "size": COUNT,
            "kind": TEXT,
            "action": nullable(TEXT),
        }
    ),
    "Transaction": {
        "oneOf": [
            shape({"id": DIGEST, "status": {"enum": ["unknown", "pending"]}, **_EXECUTED}),
            shape(
                {
                    **_PLACE,
                    "status": {"const": "final"},
                    "code": COUNT,
                    "refusal": nullable(TEXT),
                    "result": BYTES,
                    "envelope": _ENVELOPE,
                    **_EXECUTED,
                }
            ),
        ]
    },
    "Included": shape({**_PLACE, "status": {"const": "included"}, "result": BYTES}),
    "Receipt": shape(
        {
            "format": TEXT,
            "version": COUNT,
            **_PLACE,
            "count": COUNT,
            "code": COUNT,
            "status": TEXT,
            "result_digest": DIGEST,
            "claim_digest": DIGEST,
            "outcome_path": array(DIGEST),
            "block": DIGEST,
            "write_set_digest": DIGEST,
            "snapshot_root": DIGEST,
            "history_path": array(DIGEST),
            "anchor": BYTES,
            "certificate": BYTES,
            "genesis": BYTES,
        },
        {"epochs": array(ANY)},
    ),
    "Proposal": shape(
        {
            "id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "digest": DIGEST,
            "change": TEXT,
            "arguments": {"type": "object"},
            "changes": array(shape({"change": TEXT, "arguments": {"type": "object"}})),
            "proposer": TEXT,
            "status": TEXT,
            "yes": COUNT,
            "no": COUNT,
            "needed": nullable(COUNT),
            "missing": nullable(COUNT),
            "ballots": array(shape({"member": TEXT, "yes": BOOL})),
            "proposed_ms": COUNT,
            "decided_ms": _WHEN,
            "activates_ms": _WHEN,
            "expires_ms": _WHEN,
            "note": nullable(TEXT),
        }
    ),
    "Member": shape({"name": TEXT, "public": DIGEST, "weight": COUNT, "roles": array(_ROLE)}),
    "Users": shape(
        {
            "open": BOOL,
            "members": COUNT,
            "voting": COUNT,
            "by_vote": COUNT,
            "issuers": array(ANY),
            "roles": array(_ROLE),
            "limits": {"type": "object", "additionalProperties": COUNT},
        }
    ),
    "Policy": shape(
        {
            "measurements": array(HEX),
            "roots": array(HEX),
            "allow_simulated": BOOL,
            "regions": array(TEXT),
            "countries": array(shape({"region": TEXT, "country": TEXT})),
            "max_age_ms": COUNT,
            "operators": array(shape({"name": TEXT, "key": HEX})),
            "chips": array(shape({"operator": TEXT, "chip": HEX})),
            "floors": array(
                shape({"product": ANY, "committed": TEXT, "launch": TEXT, "reported": TEXT})
            ),
            "revoked": array(HEX),
            "encoded": BYTES,
        }
    ),
    "Access": shape(
        {
            "grants": array(_GRANT),
            "events": array(
                shape(
                    {
                        "number": COUNT,
                        "kind": TEXT,
                        "subject": TEXT,
                        "words": TEXT,
                        "height": COUNT,
                        "time_ms": COUNT,
                    }
                )
            ),
            "alarms": array(shape({"kind": TEXT, "subject": TEXT, "words": TEXT})),
            "affiliations": array(shape({"key": HEX, "operator": TEXT})),
            "regions": array(TEXT),
            "approvals_needed": COUNT,
            "upgrades_need_grants": BOOL,
        }
    ),
    "Error": shape({"code": NUMBER, "message": TEXT}, {"data": {"type": "object"}}),
}
"""By name."""
