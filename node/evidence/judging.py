"""One question for every kind: is this evidence good? Always answered, never crashes.

Owns the table of kinds and the rule that whatever goes wrong inside a verifier is the evidence's
fault: bad, with a reason. Only bugs of ours that `invariant` finds are raised.
"""

from collections.abc import Callable, Mapping
from importlib import import_module

from strongroom.consensus.errors import AttestationError, InvariantBroken
from strongroom.node.evidence.demands import Demands
from strongroom.node.evidence.pieces import Piece
from strongroom.node.evidence.reasons import CannotJudge, Reason, Unjudged
from strongroom.node.evidence.verdict import Answer, Verdict

MODULES: Mapping[str, str] = {
    "sev-snp": "snp",
    "dcap": "dcap",
    "attested-cose": "attested_cose",
    "uvm-endorsement": "uvm",
    "ccf-receipt": "ccf_receipt",
    "ra-tls": "ra_tls",
    "maa-jwt": "maa",
    "ear-jwt": "ear",
    "eat": "eat",
    "cmw": "cmw",
    "strongroom": "own",
}
"""Module of each kind; loaded when a piece of its kind is judged."""
_PANIC = "PanicException"
"""What a Rust library raises when it breaks down; no subclass of Exception."""


def judge(piece: Piece, demands: Demands) -> Verdict:
    """Judge one piece of evidence."""
    try:
        return _judge_of(piece.kind)(piece, demands)
    except CannotJudge as error:
        return Verdict(Answer.CANNOT_CHECK, error.reason, str(error))
    except AttestationError as error:
        return Verdict(Answer.BAD, error.reason, str(error).removeprefix(f"{error.reason}: "))
    except InvariantBroken:
        raise
    except Exception as error:
        return _malformed(piece, error)
    except BaseException as error:
        if type(error).__name__ != _PANIC:
            raise
        return _malformed(piece, error)


def _judge_of(kind: str) -> Callable[[Piece, Demands], Verdict]:
    if kind not in MODULES:
        raise CannotJudge(Unjudged.UNKNOWN_KIND, f"no verifier for evidence of kind {kind!r}")
    judge_kind: Callable[[Piece, Demands], Verdict] = import_module(
        f"strongroom.node.evidence.{MODULES[kind]}"
    ).judge
    return judge_kind


def _malformed(piece: Piece, error: BaseException) -> Verdict:
    return Verdict(Answer.BAD, Reason.MALFORMED, f"{piece.kind}: {type(error).__name__}: {error}")
