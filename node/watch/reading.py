"""Reading what nodes say of themselves and of each other: only what is shown, each text escaped.

Owns the shape that is expected. A document of another shape raises KeyError, TypeError, ValueError
or AttributeError.
"""

from typing import Any

from strongroom.node.shown_text import shown
from strongroom.node.watch.view import BlockRow, Votes

SIGNERS_KEPT = 64
VALIDATORS_KEPT = 64
TIME_MS_END = 253_402_300_800_000
"""The beginning of the year 10000, Unix milliseconds: no calendar here tells what is later."""


def number(value: Any) -> int | None:
    """A whole number that is one; None for anything else."""
    return value if type(value) is int and 0 <= value < 2**63 else None


def read_status(told: dict[str, Any]) -> dict[str, Any]:
    """`node_status`."""
    mempool = told.get("mempool")
    numbers = ("height", "executed", "view", "peers", "quorum", "members", "epoch")
    return {
        **{name: number(told.get(name)) for name in numbers},
        "node": shown(told["node"]),
        "state": shown(told["state"]),
        "leader": shown(told.get("leader") or ""),
        "mempool": number(mempool.get("envelopes")) if type(mempool) is dict else None,
        "alarm": shown(told.get("alarm") or ""),
    }


def read_registered(told: dict[str, Any]) -> dict[str, str]:
    """One of `service_nodes`."""
    return {
        "operator": shown(told.get("operator") or ""),
        "region": shown(told.get("region") or ""),
        "verdict": shown(told.get("verdict") or ""),
    }


def read_head(told: dict[str, Any]) -> BlockRow:
    """One head of the topic `heads`."""
    numbers = [number(told[name]) for name in ("height", "view", "epoch", "count", "bytes")]
    time_ms = number(told["time_ms"])
    if None in numbers or time_ms is None or time_ms >= TIME_MS_END:
        raise ValueError("a number of a head is none")
    height, view, epoch, count, size = (one or 0 for one in numbers)
    signers = told["signers"]
    return BlockRow(
        height=height,
        time=time_ms / 1000,
        proposer=shown(told["proposer"]),
        view=view,
        epoch=epoch,
        count=count,
        bytes=size,
        signers=None if signers is None else tuple(shown(one) for one in signers[:SIGNERS_KEPT]),
        hash=shown(told["hash"]),
    )


def read_votes(told: dict[str, Any], now: float) -> Votes:
    """`node_consensus`, or an event of the topic `consensus`.

    Args:
        told: the document.
        now: when it was told, Unix seconds.
    """
    proposal, before, timeouts = told["proposal"], told["before"] or {}, told["timeouts"]
    ended = before.get("proposal")
    clocks = (timeouts["proposal_ms"], timeouts["view_ms"], timeouts["retry_ms"])
    return Votes(
        view=_whole(told["view"]),
        leader=shown(told["leader"]),
        since=now - min(_whole(told["since_ms"]), TIME_MS_END) / 1000,
        validators=_names(told["validators"]),
        proposes=None if proposal is None else _whole(proposal["height"]),
        notarize=_names(told["notarize"]),
        nullify=_names(told["nullify"]),
        finalizes=None if ended is None else _whole(ended["height"]),
        finalize=_names(before.get("finalize", ())),
        lanes=tuple(
            (shown(one["name"]), _whole(one["waiting"])) for one in told["lanes"][:VALIDATORS_KEPT]
        ),
        strikes=_whole(timeouts["strikes"]),
        rests=proposal is None and clocks == (None, None, None),
    )


def _whole(value: Any) -> int:
    found = number(value)
    if found is None:
        raise ValueError("a number is none")
    return found


def _names(told: Any) -> tuple[str, ...]:
    return tuple(shown(one) for one in told[:VALIDATORS_KEPT])
