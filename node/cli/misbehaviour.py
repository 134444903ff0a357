"""`strongroom verify misbehaviour FILE FILE`: two receipts, votes or agreements of a recovery that
cannot both be, and who signed both; offline, against the pin.

Owns options, words and JSON. Judging is enclave/outside/misbehaviour.py's.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import ReceiptInvalid
from strongroom.node.cli.proofs import PinOption, given_pin
from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom.enclave.outside.misbehaviour import Accused, Misbehaviour, Shown

PROVEN, AMONG = "guilt proven", "more than f broke their word"
RECOVERED = "a recovery left out a final block"


@guarded
def verify_misbehaviour(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE [FILE]",
            help="Two receipts, votes or agreements, or one proof of these; an agreement is also "
            "an offer followed by the share given for it.",
        ),
    ],
    pin: PinOption = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write a proof that holds both."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge two files that contradict each other: who signed both, by what key, in which epoch, and
    whether that proves guilt.

    Example: strongroom verify misbehaviour mine.json yours.json --service sr1-… -o proof.json
    """
    try:
        document, code = _judge(files, given_pin(pin), output), ExitCode.OK
    except ReceiptInvalid as fault:
        document = {"verdict": fault.verdict, "reason": str(fault)}
        code = ExitCode.CANNOT_CHECK if fault.verdict == "cannot check" else ExitCode.NO
    emit(document, as_json, lambda: _show(document))
    if code:
        raise typer.Exit(int(code))


def _judge(files: list[Path], pin: str, output: Path | None) -> dict[str, Any]:
    import json

    from strongroom.enclave.outside.misbehaviour import judge
    from strongroom.enclave.outside.misbehaviour_files import proof_document
    from strongroom.node.machine.durable_files import write_out

    shown = list(_all(files))
    if len(shown) != 2:
        raise ReceiptInvalid(
            f"{len(shown)} receipts, votes or agreements: two are judged, or a proof of two",
            verdict="cannot check",
        )
    first, second = shown
    found = judge(first, second, pin)
    if output is not None:
        text = json.dumps(proof_document(first, second), indent=1) + "\n"
        write_out(output.absolute(), text.encode())
    return {**_document(found), "file": None if output is None else str(output)}


def _all(files: list[Path]) -> "Iterator[Shown]":
    """What these files show; an offer of a recovery is followed by the share given for it."""
    from strongroom.enclave.outside.misbehaviour_files import agreement_of, read_file

    left = list(files)
    while left:
        file = left.pop(0)
        data = _read(file)
        try:
            if data.lstrip()[:1] in (b"{", b"[", b"") or not left:
                yield from read_file(data)
            else:
                yield agreement_of(data, _read(left.pop(0)))
        except ReceiptInvalid as fault:
            raise ReceiptInvalid(f"{file}: {fault}", verdict=fault.verdict) from None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ReceiptInvalid(
            f"cannot read {file}: {error.strerror}", verdict="cannot check"
        ) from None


def _document(found: "Misbehaviour") -> dict[str, Any]:
    guilty = found.guilty
    return {
        "verdict": PROVEN if guilty else RECOVERED if found.recovered_by else AMONG,
        "reason": found.what,
        "guilty": [_accused(one) for one in guilty],
        "signed_both": [_accused(one) for one in found.signed_both],
        "service": found.service,
        "pin": found.pin,
        "simulated": found.simulated,
        "recovered_by": list(found.recovered_by),
    }


def _accused(one: "Accused") -> dict[str, Any]:
    from strongroom.consensus.equivocation import encode_evidence

    return {
        "name": one.name or None,
        "key": one.key.hex(),
        "member": one.agreed is not None,
        "signed": [{"epoch": epoch, "key": key.hex()} for epoch, key in one.signed_in],
        "guilty": one.guilty,
        "evidence": None if one.evidence is None else encode_evidence(one.evidence).hex(),
        "agreed": [
            {"height": agreed.height, "head": agreed.head.hex(), "opening": agreed.opening.hex()}
            for agreed in one.agreed or ()
        ],
    }


def _show(document: dict[str, Any]) -> None:
    say(f"{document['verdict']}: {document['reason']}")
    if "guilty" not in document:
        return
    for one in document["signed_both"]:
        where = ", ".join(
            f"epoch {part['epoch']} by key {part['key'][:16]}…" for part in one["signed"]
        )
        guilt, who = "guilty" if one["guilty"] else "signed both", one["name"] or "-"
        kind = "member" if one["member"] else "validator"
        say(f"  {guilt:<11} {kind} {who} ({one['key'][:16]}…), {where}")
        for agreed in one["agreed"]:
            say(f"    agreed to go on from height {agreed['height']}, {agreed['head'][:16]}…")
    if not document["signed_both"]:
        say("  nobody signed both")
    if document["recovered_by"]:
        say(f"  members agreed to the recovery: {', '.join(document['recovered_by'])}; no guilt is")
        say("  proven: none of the two shows that they knew of the final block")
    elif not document["guilty"]:
        say("  the two were certified in different views: that one signed both proves no guilt;")
        say("  votes of the earlier view would")
    if document["simulated"]:
        say("  of a SIMULATED platform")
    if document["file"]:
        say(f"  both stand in {document['file']}")
