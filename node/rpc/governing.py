"""Public transactions at the front door: what members and nodes say openly, signed, and what became
of it.

Owns the shape of these answers. Whether a signature counts, and for whom, is the enclave's to
judge.
"""

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.enclave.formats.envelope import PUBLIC
from strongroom.enclave.formats.reading import read_envelope
from strongroom.enclave.primitives import HYBRID_PUBLIC_SIZE
from strongroom.node.rpc.backend import Blob, Document
from strongroom.node.rpc.caller import Caller
from strongroom.node.rpc.jsonrpc import InvalidParams
from strongroom.node.rpc.method import Method
from strongroom.node.rpc.parameters import BLOB, PROPOSAL, Parameter
from strongroom.node.rpc.submitting import submit


async def governance_submit(caller: Caller, envelope: bytes) -> Document:
    """`governance_submit`: one signed public transaction; waits until it is executed.

    Raises:
        InvalidParams: it is none.
        Refused: it was ordered, and its signature is not its signer's.
    """
    try:
        kind = read_envelope(envelope)[1]
    except NotCanonical as error:
        raise InvalidParams(f"param 'envelope' is no public transaction: {error}") from None
    if kind != PUBLIC:
        raise InvalidParams("param 'envelope' is sealed: submit it with ledger_submit")
    included = await submit(caller, envelope, "commit")
    return {
        "id": included["id"],
        "height": included["height"],
        "index": included["index"],
        "result": Blob(included["result"]),
        **result_document(included["result"]),
    }


def result_document(result: bytes) -> Document:
    """The plain result of a public transaction: what it came to, or why it was refused."""
    ok, value = codec.decode(result)
    if ok:
        return {"ok": True, "value": list(value) if isinstance(value, tuple) else value}
    code, message = value
    return {"ok": False, "error": {"code": code, "message": message}}


async def admin_diagnostics(caller: Caller, grant: str, recipient: bytes) -> Document:
    """`admin_diagnostics`: what this node's enclave gives by a `begin` that stands; nobody but the
    grantee can open it.

    Raises:
        InvalidParams: the recipient's key is none.
        Refused: nothing that was begun says so.
    """
    if len(recipient) != HYBRID_PUBLIC_SIZE:
        raise InvalidParams(f"param 'recipient': a hybrid key has {HYBRID_PUBLIC_SIZE} bytes")
    return await caller.backend.diagnostics(grant, recipient)


GOVERNANCE = (
    Method(
        "governance_submit",
        "Submit one signed public transaction (a proposal, ballot "
        "or withdrawal), and wait until it is executed.",
        (Parameter("envelope", BLOB, "The signed transaction."),),
        "{id, height, index, result, ok, value or error}",
        governance_submit,
        kept=True,
    ),
    Method(
        "governance_proposals",
        "Proposals: all undecided ones, and the newest decided, newest first.",
        (),
        "list of proposals with their ballots",
        lambda caller: caller.backend.proposals(),
    ),
    Method(
        "governance_proposal",
        "One proposal.",
        (Parameter("id", PROPOSAL, "Its id."),),
        "proposal with its ballots",
        lambda caller, id: caller.backend.proposal(id),
    ),
    Method(
        "governance_state",
        "The whole public state of governance, canonically encoded, to simulate changes on.",
        (),
        "{state}",
        lambda caller: {"state": Blob(caller.backend.public_state())},
    ),
    Method(
        "governance_access",
        "Privileged access: grants and events, newest last; standing alarms; for whom keys act.",
        (),
        "{grants, events, alarms, affiliations, regions}",
        lambda caller: caller.backend.access(),
    ),
    Method(
        "admin_diagnostics",
        "Diagnostics of this node's enclave under a grant, sealed to the grantee: first the act to "
        "be submitted, then, once that stands, the sealed bytes.",
        (
            Parameter("grant", PROPOSAL, "Id of the grant."),
            Parameter("recipient", BLOB, "The grantee's hybrid public key, 1216 bytes."),
        ),
        "{act, sealed}, one of them null",
        admin_diagnostics,
    ),
)
"""The methods of governance."""
