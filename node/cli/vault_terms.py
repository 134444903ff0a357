"""`strongroom vault new | change`: the terms under which a key is released.

Owns how terms are written on a command line. What they mean, and which change of them is a
tightening, the program says.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault, OperatorFault
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
)
from strongroom.node.cli.program_calls import AsOption, Caller, KeyArgument, call, show_result
from strongroom.node.terminal.commands import JsonOption, fail, guarded
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import say
from strongroom.node.vault.names import read_duration, read_moment

POLICY_FILE_BYTES_MAX = 64 * 1024
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of the new key.")]
PolicyOption = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="Release policy (JSON).")
]
QuantityOption = Annotated[
    int | None, typer.Option("--quantity", min=0, help="Units in all; 0: no limit.")
]
FromOption = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="ISO 8601, in UTC; not before it.")
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Not after it; `open` for no end.")
]
ApproverOption = Annotated[
    list[str] | None,
    typer.Option("--approver", metavar="NAME", help="Who consents to loosening; may be repeated."),
]
ThresholdOption = Annotated[
    int | None, typer.Option("--threshold", min=0, help="How many of them; all, if not given.")
]
HeartbeatOption = Annotated[
    str | None, typer.Option("--heartbeat", metavar="DURATION", help="How often a room reports.")
]
LeaseOption = Annotated[
    str | None, typer.Option("--lease", metavar="DURATION", help="How long it goes on unheard.")
]
AllotmentOption = Annotated[
    int | None, typer.Option("--allotment", min=1, help="Units that a lease may hold unused.")
]
DelayOption = Annotated[
    str | None, typer.Option("--delay", metavar="DURATION", help="How long a loosening waits.")
]
CustodianOption = Annotated[
    str | None, typer.Option("--custodian", metavar="NAME", help="Whose HSM holds the other half.")
]


def register(app: typer.Typer) -> None:
    """Mount these commands."""
    for command in (new, change):
        app.command()(command)


@guarded
def new(
    name: NameArgument,
    identity: AsOption,
    policy: Annotated[
        Path, typer.Option("--policy", metavar="FILE", help="Release policy (JSON).")
    ],
    pieces: Annotated[
        int, typer.Option("--pieces", min=0, help="Given one by one; 0: the key is given whole.")
    ] = 0,
    quantity: QuantityOption = None,
    window_from: FromOption = None,
    window_until: UntilOption = None,
    approver: ApproverOption = None,
    threshold: ThresholdOption = None,
    heartbeat: HeartbeatOption = None,
    lease: LeaseOption = None,
    allotment: AllotmentOption = None,
    delay: DelayOption = None,
    custody: Annotated[
        str, typer.Option("--custody", metavar="ledger|split|hsm", help="Who can open it.")
    ] = "ledger",
    custodian: CustodianOption = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Make a key: who may use it, how often, and how long it goes on without a word of you.

    Example: strongroom vault new bear --policy policy.json --pieces 12 --quantity 5 --as maker
    """
    terms = _terms(
        policy=policy,
        quantity=quantity,
        window_from=window_from,
        window_until=window_until,
        approver=approver,
        threshold=threshold,
        heartbeat=heartbeat,
        lease=lease,
        allotment=allotment,
        delay=delay,
        custodian=custodian,
    )
    terms |= {"name": name, "pieces": pieces, "custody": custody}
    terms.setdefault("approvers", [])

    def human(document: dict[str, Any]) -> None:
        result = document["result"]
        show_result(document, f"key {name}@{result['version']} is {result['state']}")
        if result.get("change"):
            say(f"its approvers consent with: strongroom vault approve {result['change'].hex()}")
        say(f"give it its secret with: strongroom vault put {name} FILE --as {identity}")

    call(Caller(identity, directory, timeout, as_json), "vault.new", terms, human)


@guarded
def change(
    key: KeyArgument,
    identity: AsOption,
    policy: PolicyOption = None,
    quantity: QuantityOption = None,
    window_from: FromOption = None,
    window_until: UntilOption = None,
    approver: ApproverOption = None,
    threshold: ThresholdOption = None,
    heartbeat: HeartbeatOption = None,
    lease: LeaseOption = None,
    allotment: AllotmentOption = None,
    delay: DelayOption = None,
    custodian: CustodianOption = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Change a key's terms: what tightens them holds from the next block; anything else waits for
    the approvers and the delay.

    Example: strongroom vault change bear --quantity 3 --as maker
    """
    terms = _terms(
        policy=policy,
        quantity=quantity,
        window_from=window_from,
        window_until=window_until,
        approver=approver,
        threshold=threshold,
        heartbeat=heartbeat,
        lease=lease,
        allotment=allotment,
        delay=delay,
        custodian=custodian,
    )
    if not terms:
        fail("nothing to change: name a term, like --quantity 3", ExitCode.USAGE)
    caller = Caller(identity, directory, timeout, as_json)
    terms["key"] = caller.key(key).base

    def human(document: dict[str, Any]) -> None:
        result = document["result"]
        show_result(document, f"the change of {key} is {result['state']}")
        if result.get("loosens"):
            say(f"it loosens {', '.join(result['loosens'])}")
        if result["state"] == "pending" and result.get("change"):
            say(f"approvers consent with: strongroom vault approve {result['change'].hex()}")

    call(caller, "vault.change", terms, human)


def _terms(
    *,
    policy: Path | None,
    quantity: int | None,
    window_from: str | None,
    window_until: str | None,
    approver: list[str] | None,
    threshold: int | None,
    heartbeat: str | None,
    lease: str | None,
    allotment: int | None,
    delay: str | None,
    custodian: str | None,
) -> dict[str, Any]:
    """The terms that were given, as the program takes them."""
    given: dict[str, Any] = {
        "policy": None if policy is None else read_policy(policy),
        "quantity": quantity,
        "window_from_ms": None if window_from is None else read_moment(window_from),
        "window_until_ms": None if window_until is None else read_moment(window_until),
        "approvers": approver,
        "threshold": len(approver) if threshold is None and approver else threshold,
        "heartbeat_ms": None if heartbeat is None else read_duration(heartbeat),
        "lease_ms": None if lease is None else read_duration(lease),
        "allotment": allotment,
        "delay_ms": None if delay is None else read_duration(delay),
        "custodian": custodian,
    }
    return {name: value for name, value in given.items() if value is not None}


def read_policy(path: Path) -> str:
    """A release policy's text, as the program judges it.

    Raises:
        OperatorFault: it cannot be read.
        ClientFault: it is no text, or too long.
    """
    try:
        with path.open("rb") as file:
            data = file.read(POLICY_FILE_BYTES_MAX + 1)
        text = data.decode()
    except OSError as error:
        raise OperatorFault(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ClientFault(f"{path} is no policy: it is no UTF-8 text") from None
    if len(data) > POLICY_FILE_BYTES_MAX:
        raise ClientFault(f"{path} is too long for a policy")
    return text
