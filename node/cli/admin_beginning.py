"""`strongroom admin begin`: one operation carried as far as the ledger and an enclave enforce it.

Owns the steps of each operation. Diagnostics are taken to their end; what a host does (a restart,
other code installed) is left to its operator, with the words for what comes next.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from strongroom.node.cli.admin_acting import NEXT, Speaker, read_state
from strongroom.node.cli.explorer_tables import time_text
from strongroom.node.client.access import (
    DiagnosticsKey,
    begin_digest,
    begun_in,
    find_grant,
    read_diagnostics,
    takes_node,
)
from strongroom.node.faults import RpcFault
from strongroom.node.layout import ClusterLayout
from strongroom.node.terminal.commands import fail, run
from strongroom.node.terminal.exits import ExitCode

if TYPE_CHECKING:
    from strongroom.node.client.access import Diagnostics

READ = "diagnostics were read"
_MEASUREMENT_DIGITS = 96
AFTER = {
    "restart": "restart the node within the grant's time, then: {finish}",
    "upgrade": "start the node with this code within the grant's time, then: {finish}",
}


class Place(NamedTuple):
    """What is begun, where."""

    id: str
    operation: str
    node: str
    measurement: str


def begin(place: Place, directory: Path, asker: str, timeout: float, as_json: bool) -> None:
    """Begin, and go on as far as can be gone on from here.

    Raises:
        typer.Exit: it was refused, or something is missing.
    """
    _check(place)
    grant = find_grant(run(read_state(directory)), place.id)
    place = place._replace(id=grant.id)
    speaker = Speaker(directory, asker, timeout, as_json)
    if place.operation == "diagnostics":
        _diagnostics(place, directory, asker, timeout, speaker)
        return
    told = _begun(speaker, place, _parameters(place))
    until_ms = told["value"][3]
    finish = f"strongroom admin finish {grant.id} {place.operation}"
    finish += f" --node {place.node}" if place.node else ""
    finish += f" --outcome … --as {asker}"
    after = AFTER.get(
        place.operation,
        "the role is held until {until}: its reads go on record "
        "(strongroom call PROGRAM.QUERY --recorded); give it back with: {finish}",
    )
    speaker.show("begun; " + after.format(finish=finish, until=time_text(until_ms)))


def _diagnostics(
    place: Place, directory: Path, asker: str, timeout: float, speaker: Speaker
) -> None:
    from strongroom.enclave.governance.public import FINISH

    path = ClusterLayout(directory).diagnostics_key(asker, place.id, place.node)
    begun = begun_in(find_grant(run(read_state(directory)), place.id), place.operation, place.node)
    if begun is not None and begun.finished_ms:
        fail("these diagnostics were read and reported: ask for another grant", ExitCode.NO)
    if begun is not None and not path.exists():
        fail(
            f"these diagnostics were begun, and {path} that opens them is not here: report that "
            "with `strongroom admin finish`, and ask for another grant",
            ExitCode.NO,
        )
    key = DiagnosticsKey.at(path)
    if begun is None:
        _begun(speaker, place, (key.public,))
    elif begun.parameters != begin_digest(place.operation, place.node, (key.public,)):
        fail(f"these diagnostics were begun with another key than {path}", ExitCode.NO)
    try:
        read = run(_read(directory, place, key, timeout))
    except RpcFault as fault:
        reason = str(fault.data.get("reason", ""))
        step = NEXT.get(reason, "try again with the same command")
        fail(f"{fault}; {step}", ExitCode.NO)
    fields = (place.id, place.operation, place.node, READ, read.digest)
    speaker.said(FINISH, lambda _: fields)
    key.forget()
    speaker.settle({"grant": place.id, "node": place.node, "diagnostics": read.fields})
    speaker.show(_text(place, read.fields))


async def _read(
    directory: Path, place: Place, key: DiagnosticsKey, timeout: float
) -> "Diagnostics":
    from strongroom.node.client.audit.reader import Reader
    from strongroom.node.client.trust.service import load_service

    async with Reader(load_service(directory)) as reader:
        return await read_diagnostics(reader, place.node, place.id, key, timeout)


def _begun(speaker: Speaker, place: Place, parameters: tuple[Any, ...]) -> dict[str, Any]:
    from strongroom.enclave.governance.public import BEGIN

    digest = begin_digest(place.operation, place.node, parameters)
    return speaker.said(BEGIN, lambda _: (place.id, place.operation, place.node, digest))


def _parameters(place: Place) -> tuple[Any, ...]:
    return (bytes.fromhex(place.measurement),) if place.operation == "upgrade" else ()


def _check(place: Place) -> None:
    if takes_node(place.operation) != bool(place.node):
        words = "takes --node NODE" if takes_node(place.operation) else "takes no --node"
        fail(f"{place.operation} {words}", ExitCode.USAGE)
    digits = place.measurement
    if place.operation == "upgrade":
        hexadecimal = len(digits) == _MEASUREMENT_DIGITS and not digits.strip("0123456789abcdef")
        if not hexadecimal:
            fail(
                f"upgrade takes --measurement, {_MEASUREMENT_DIGITS} hex digits: "
                "`strongroom trust` of the other code prints it",
                ExitCode.USAGE,
            )
    elif digits:
        fail("only an upgrade takes --measurement", ExitCode.USAGE)


def _text(place: Place, fields: dict[str, Any]) -> str:
    lines = [f"diagnostics of {place.node}'s enclave, reported"]
    for name, value in fields.items():
        if isinstance(value, dict):
            lines.append(f"  {name}")
            lines += [f"    {key:<32} {count:>12}" for key, count in value.items() if count]
        else:
            lines.append(f"  {name:<24} {value}")
    return "\n".join(lines)
