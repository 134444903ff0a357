"""`strongroom data erase`: a data set is withdrawn, and its key is forgotten when the epoch ends.

Owns these steps and the words about them: what is proven, whose votes are missing, what is only a
node's word. A rotation is the members' to decide; this command proposes one and waits for it
(ROOMS §6; T66).
"""

from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
    YesOption,
    ask_passphrase,
    confirmed,
    existing_directory,
)
from strongroom.node.cli.data_bringing import KeyOption
from strongroom.node.cli.data_keeping import DataArgument, withdrawn
from strongroom.node.cli.program_calls import AsOption, Caller, answered
from strongroom.node.terminal.commands import JsonOption, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, note, say
from strongroom.node.vault.names import read_duration

if TYPE_CHECKING:
    from strongroom.enclave.governance.document import Document, EpochEntry, ProposalEntry

ROTATE = "rotate"
LOOK_SECONDS = 1.0


def register(app: typer.Typer) -> None:
    """Mount this command."""
    app.command()(erase)


@guarded
def erase(
    data: DataArgument,
    identity: AsOption,
    key: KeyOption = "",
    member: Annotated[
        str, typer.Option("--member", metavar="NAME", help="Who proposes the rotation.")
    ] = "",
    wait: Annotated[
        str, typer.Option("--wait", metavar="DURATION", help="How long for the epoch's end.")
    ] = "0",
    yes: YesOption = False,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Withdraw a data set, have the epoch end, and print what proves that its key is forgotten.

    Exit 0: the key is forgotten. Exit 1: not yet; it says whose votes, or what time, are missing.

    Example: strongroom data erase transfers --yes --as bank-a --member member0 --wait 10m
    """
    confirmed(yes, f"withdraw and erase the data set {data} for good", as_json)
    caller = Caller(identity, directory, timeout, as_json)
    existing_directory(directory)
    named = caller.key(data)
    until = monotonic() + read_duration(wait) / 1000
    known = answered(caller, _withdrawal(caller, named.base, key or named.name))
    state = run(_state(caller))
    if not _ends(state, known["height"]):
        if member and _open_rotation(state) is None:
            run(_propose(caller, member))
        state = run(_until_ended(caller, known["height"], until))
    document = _document(state, known, answered(caller, _epoch_now(caller)))
    emit(document, as_json, lambda: _show(data, document))
    if not document["erased"]:
        raise typer.Exit(int(ExitCode.NO))


async def _withdrawal(caller: Caller, account: tuple[bytes, str], key: str) -> dict[str, Any]:
    """Withdraw it, or find when that was: (height, time, transaction)."""
    async with caller.client() as client:
        found = (await client.query("rooms.data_set", data=account)).value
        id = None
        if found["state"] == "active":
            done, _ = await withdrawn(client, account)
            id, client.height = done.id.hex(), max(client.height, done.height)
        revoked: dict[str, Any] | None = None
        own, after = (account[0], key), 0
        while page := (await client.query("vault.records", key=own, after=after)).value["records"]:
            revoked = next((one for one in page if one["what"] == "revoke"), revoked)
            after = page[-1]["number"]
        if revoked is None:
            now = (await client.query("vault.key", key=own)).value["state"]
            note(f"the key {key} is {now}, and no record says since when: name it with --key")
            raise typer.Exit(int(ExitCode.CANNOT_CHECK))
        return {
            "transaction": id,
            "height": revoked["height"],
            "time_ms": revoked["time_ms"],
            "key": key,
            "epoch_proven": client.epoch.epoch,
        }


async def _epoch_now(caller: Caller) -> int:
    """The number of the epoch, checked against the pin: every end before it has its quorum."""
    async with caller.client() as client:
        return client.epoch.epoch


async def _state(caller: Caller) -> "Document":
    """Governance, by the word of a node."""
    from strongroom.node.client.audit.reader import Reader
    from strongroom.node.client.governing import read_public_state
    from strongroom.node.client.trust.service import load_service

    async with Reader(load_service(caller.directory)) as reader:
        return await read_public_state(reader)


async def _until_ended(caller: Caller, height: int, until: float) -> "Document":
    import asyncio

    state = await _state(caller)
    while not (_ends(state, height) and _grace_over(state)) and monotonic() < until:
        await asyncio.sleep(LOOK_SECONDS)
        state = await _state(caller)
    return state


async def _propose(caller: Caller, member: str) -> None:
    from strongroom.node.client.audit.reader import Reader
    from strongroom.node.client.governing import Member
    from strongroom.node.client.trust.service import load_service

    service = load_service(caller.directory)
    signer = service.keys.load(member, ask_passphrase)
    async with Reader(service) as reader:
        signing = Member(reader, signer, timeout=caller.timeout, on_waiting=note)
        decided = await signing.propose(ROTATE, (("compromised", False),))
    proposal, status = decided.value
    note(f"proposed a rotation: {proposal} is {status}, by a receipt at height {decided.height}")


def _ends(state: "Document", height: int) -> "list[EpochEntry]":
    """Epochs that began since that block: what was revoked then is in none of their boxes."""
    return [one for one in state.epochs if one.epoch and one.anchor_height >= height]


def _grace_over(state: "Document") -> bool:
    """Is the secret of the epoch before erased by every honest enclave?"""
    return state.time_ms >= state.grace_until_ms


def _open_rotation(state: "Document") -> "ProposalEntry | None":
    alive = (one for one in state.proposals if one.change == ROTATE and one.status == "open")
    return next(alive, None)


def _document(state: "Document", known: dict[str, Any], epoch: int) -> dict[str, Any]:
    ends = _ends(state, known["height"])
    rotation = _open_rotation(state)
    voted = {name for name, _ in rotation.ballots} if rotation else set()
    members = [name for name, _ in state.member_rules().voters]
    return {
        "erased": bool(ends) and epoch >= ends[0].epoch and (_grace_over(state) or len(ends) > 1),
        "withdrawn": known,
        "epoch": epoch,
        "epoch_end_proven": epoch > known["epoch_proven"],
        "epoch_ended_at": ends[0].anchor_height if ends else None,
        "grace_until_ms": state.grace_until_ms if ends else None,
        "proposal": rotation.id if rotation and not ends else None,
        "votes_missing": [] if ends else [one for one in members if one not in voted],
    }


def _show(data: str, document: dict[str, Any]) -> None:
    from strongroom.node.cli.explorer_tables import time_text

    known = document["withdrawn"]
    say(f"{data}: its key was revoked at height {known['height']}, in a sealed answer of enclaves")
    if known["transaction"]:
        say(f"  by transaction {known['transaction']}: strongroom receipt proves it")
    if document["epoch_ended_at"] is None:
        say("  the epoch has not ended: until then the key's box stands under its input secret")
        if document["proposal"]:
            who = ", ".join(document["votes_missing"])
            say(f"  a rotation waits for votes of {who}:")
            say(f"    strongroom gov vote {document['proposal']} yes --as MEMBER")
        else:
            who = ", ".join(document["votes_missing"])
            say(f"  any member proposes its end ({who}):")
            say("    strongroom gov propose rotate compromised=false --as MEMBER")
        return
    at = document["epoch_ended_at"]
    say(f"  the epoch ended at height {at}: the key is in no box of epoch {document['epoch']}")
    if document["epoch_end_proven"]:
        say("    proven here: epochs since the withdrawal follow from the pin, each by a quorum")
    else:
        say("    that height is a node's word here: `strongroom verify ledger` proves it")
    if document["erased"]:
        say(
            "  its grace is over: enclaves have erased the input secret; with all disks and today's"
        )
        say("    keys in hand nothing opens the key any more, nor a chunk sealed under it")
    else:
        until = time_text(document["grace_until_ms"])
        say(f"  not yet: the grace of the epoch before lasts until {until}")
