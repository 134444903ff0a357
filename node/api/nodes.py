"""Documents about nodes: every validator as this node sees it, other registered nodes, this node
itself (INTERFACES, JSON-RPC).

Pure functions of what the front door reads and of one `NodeState`.
"""

from functools import cache
from importlib.metadata import version

from strongroom.consensus.types import Epoch
from strongroom.node.api.node_state import NodeState
from strongroom.node.api.public_state import node_document, validator_names, validators_shown
from strongroom.node.api.sources import Sources
from strongroom.node.rpc.backend import Document


def validator_documents(sources: Sources, state: NodeState) -> list[Document]:
    """The validators of the current epoch, by index."""
    documents = validators_shown(sources.genesis, state.governance, state.description)
    if state.own is not None:
        documents[state.own]["endpoint"] = f"https://{sources.config.told_rpc}"
    return documents


def node_documents(sources: Sources, state: NodeState) -> list[Document]:
    """Every validator as this node sees it, and every other registered node as the ledger knows
    it."""
    governance = state.governance
    registered = (
        {}
        if governance is None
        else {bytes(node.node_key): node_document(node) for node in governance.nodes}
    )
    unknown: Document = {"status": "validator", "offence": None}
    validators = [
        {
            **registered.pop(bytes(one["node_key"]), unknown),
            **one,
            **_seen(sources, state, one),
        }
        for one in validator_documents(sources, state)
    ]
    others = [
        {**one, "index": None, "verdict": one["status"], "connected": None}
        for one in registered.values()
    ]
    return [*validators, *others]


def _seen(sources: Sources, state: NodeState, validator: Document) -> Document:
    """What this node knows of a validator at first hand."""
    key, own = validator["node_key"], validator["index"] == state.own
    view, status = sources.links.views.get(key), state.statuses.get(key)
    height: int | None = None if status is None else status.body.height
    executed: int | None = None if status is None else status.body.executed
    in_view: int | None = None if status is None else status.body.view
    if own:
        height, executed, in_view = state.height, state.executed, state.view
    return {
        "verdict": "itself" if own else "not checked yet" if view is None else view.verdict,
        "checked": 0 if view is None else view.checked,
        "evidence_digest": "" if view is None else view.evidence_digest,
        "connected": own or key in state.linked,
        "height": height,
        "executed": executed,
        "executes": key in state.executing,
        "view": in_view,
        "faults": state.faults.get(key, 0),
    }


@cache
def _own_version() -> str:
    """Of the installed package: read once, for a look at its files takes half a millisecond and
    every client asks for the status each 5 s."""
    return version("strongroom")


def status_document(sources: Sources, state: NodeState) -> Document:
    """This node, in numbers."""
    description, mempool = state.description, sources.mempool
    leader = description.validators[state.leader].node_key
    names = validator_names(sources.genesis, state.governance)
    return {
        "node": sources.config.name,
        "state": state.word,
        "executes": state.node_key in state.executing,
        "executing": len(state.executing),
        "height": state.height,
        "executed": state.executed,
        "view": state.view,
        "epoch": description.epoch,
        "grace_ms": _grace_ms(sources, state, description.epoch),
        "leader": names.get(leader, leader.hex()),
        "peers": len(state.linked),
        "quorum": description.quorum.size,
        "members": len(description.validators),
        "mempool": {"envelopes": mempool.envelopes, "bytes": mempool.held_bytes},
        "blocks_behind": state.backlog,
        "strikes": state.strikes,
        "version": _own_version(),
        "boot": sources.boot,
        "archived": _archived(sources),
        "alarm": state.alarm_in_words or None,
        "clock_behind_ms": state.clock_behind_ms,
        "fresh": state.begun,
    }


def _archived(sources: Sources) -> Document:
    """Segments of the ledger that are not in this node's folder any more."""
    archived = sources.store.archived
    segments = archived.summaries
    return {
        "segments": len(segments),
        "bytes": sum(one.size for one in segments),
        "height": archived.base.block,
    }


def _grace_ms(sources: Sources, state: NodeState, epoch: Epoch) -> int:
    """How long, from the end of the epoch before, calls in its sessions count."""
    governance, anchor = state.governance, sources.epochs.anchor_of(epoch)
    if governance is None or anchor is None or governance.epoch != epoch:
        return 0
    return max(0, governance.grace_until_ms - anchor.time_ms)
