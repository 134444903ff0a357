"""`strongroom verify evidence`: attestation of every kind, judged offline for people.

Owns options, words, JSON and exit codes; the judging is strongroom.node.evidence's and is loaded
when the command runs.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, say

if TYPE_CHECKING:
    from strongroom.node.evidence.cases import PolicyFile
    from strongroom.node.evidence.verdict import Verdict

_EXIT_CODES = {"good": ExitCode.OK, "conditional": ExitCode.NO, "bad": ExitCode.NO}
"""A status that the policy does not grant is no yes."""


def register(verify: typer.Typer) -> None:
    """Mount beside the other `verify` commands."""
    verify.command("evidence")(verify_evidence)


@guarded
def verify_evidence(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="One piece of evidence; its kind is detected."),
    ] = None,
    cases: Annotated[
        Path | None,
        typer.Option(
            "--cases", metavar="FILE", help="Judge all of a file's cases; paths relative to it."
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy", metavar="strict|FILE", help="What is demanded: see node/evidence/README.md."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify attestation evidence offline: one piece under a policy, or a file of cases.

    A policy called `strict` refuses every status that is not the best one. Exit 0 only for good
    evidence, or if all cases come out as expected.

    Example: strongroom verify evidence report.bin --policy policy.json
    """
    if (file is None) == (cases is None):
        raise ClientFault("give one FILE, or a file of cases with --cases")
    from strongroom.node.evidence.cases import read_policy

    demanded = read_policy(policy)
    if cases is not None:
        _judge_cases(cases, demanded, as_json)
    elif file is not None:
        _judge_file(file, demanded, as_json, pinned=policy is not None)


def _judge_cases(path: Path, policy: "PolicyFile", as_json: bool) -> None:
    from strongroom.node.evidence.cases import judge_case, read_cases

    found = read_cases(path)
    width = max((len(case.id) for case in found), default=0)
    agreed = 0
    for case in found:
        verdict = judge_case(case, policy.demands)
        agrees = verdict.verdict == case.expected
        agreed += agrees
        document = {
            "id": case.id,
            "expected": case.expected,
            "got": verdict.verdict,
            "reason": verdict.reason,
        }
        line = f"{case.id:<{width}}  {case.expected:<11}  {verdict.verdict:<12}  {_words(verdict)}"
        emit(document, as_json, lambda line=line: say(line))  # type: ignore[misc]
    if not as_json:
        say(f"{agreed} of {len(found)} cases come out as expected")
    if agreed != len(found):
        raise typer.Exit(int(ExitCode.NO))


def _judge_file(path: Path, policy: "PolicyFile", as_json: bool, *, pinned: bool) -> None:
    from strongroom.node.evidence.cases import judge_file

    kind, verdict = judge_file(path, policy, pinned=pinned)
    document: dict[str, Any] = {
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "detail": verdict.detail,
        "kind": kind,
        "facts": dict(verdict.facts),
    }
    emit(document, as_json, lambda: _show(kind, verdict))
    code = _EXIT_CODES.get(verdict.verdict, ExitCode.CANNOT_CHECK)
    if code:
        raise typer.Exit(int(code))


def _show(kind: str | None, verdict: "Verdict") -> None:
    say(f"{verdict.verdict}: {_words(verdict)}")
    for name, value in {"kind": kind or "unknown", **verdict.facts}.items():
        lines = value if isinstance(value, list) else [str(value)]
        for position, line in enumerate(lines or ["-"]):
            say(f"  {name.replace('_', ' ') if position == 0 else '':<16} {line}")


def _words(verdict: "Verdict") -> str:
    simulated = "" if not verdict.simulated or "SIMULATED" in verdict.detail else " (SIMULATED)"
    return f"{verdict.reason}{': ' + verdict.detail if verdict.detail else ''}{simulated}"
