"""All enclaves' sealed keys are lost, and k of n members bring the service back: what is typed,
what is refused, what is killed, and what must hold after each (VAULT §7, P9; T45, T5B).

Owns the order. Nothing here needs a running node; every member has a folder of its own.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from scripts.recovery_drill.drill import Drill
from scripts.recovery_drill.kills import Moment, appeared, enclave_lives, killed, told
from scripts.recovery_drill.members import MemberFolder, spoilt_shares

from strongroom.node.layout import NodeLayout

KILLED = "kill -9 of the command, of its enclave, between all shares, and while it opens"


async def lose_all_keys(
    drill: Drill, members: Sequence[MemberFolder], *, older: Path | None = None, known: int = 0
) -> None:
    """Every enclave's sealed keys are gone; k of these members bring the service back on its first
    node.

    Args:
        drill: its cluster runs.
        members: in folders of their own.
        older: a copy of that node's ledger from before the last payments.
        known: a height that members know, above that copy.
    """
    names = [node.name for node in drill.cluster.members]
    lead = drill.cluster.node(names[0]).layout
    await drill.kill_all()
    for name in names:
        shutil.rmtree(drill.cluster.node(name).layout.sealed)
    drill.figures["ledger_bytes"] = drill.ledger_bytes(lead.name)
    if older is not None:
        with drill.step("an older ledger is offered, and refused by members' clients"):
            await _offer_older(drill, older, lead, members[0], known)
    await _begin(drill, lead)
    shares = await _give(drill, lead, members)
    await _take(drill, lead, members, shares)
    await _open(drill, lead)
    with drill.step("the recovered node starts, and answers"):
        _tell_clients_of(drill, names[0])
        await drill.start_all()
        await drill.check_balances("after the recovery")
    if drill.balances:
        await drill.pay_with_receipt()


async def _begin(drill: Drill, lead: NodeLayout) -> None:
    at = ("--ledger", str(lead.directory))
    following = told("following the ledger")
    moments: list[tuple[Moment, bool]] = [
        (enclave_lives, False),
        (enclave_lives, True),
        (following, False),
        (following, True),
    ]
    with drill.step(KILLED):
        for moment, enclave in moments:
            await killed(drill, moment, "recover", "begin", *at, enclave=enclave)
        await killed(drill, appeared(lead.recovery / "state"), "recover", "begin", *at)
    shutil.rmtree(lead.recovery, ignore_errors=True)
    with drill.step("recover begin: the ledger followed without keys"):
        begun = await drill.command("recover", "begin", *at)
    drill.threshold = int(begun["threshold"])
    drill.figures["ordered_and_lost"] = begun["ordered"]
    again = await drill.command("recover", "begin", *at)
    drill.expect(again["hash"] == begun["hash"], f"begun twice: {again}, not {begun}")


async def _give(drill: Drill, lead: NodeLayout, members: Sequence[MemberFolder]) -> dict[str, Path]:
    offer, shares = lead.recovery / "offer", {}
    folder = lead.recovery / "shares"
    folder.mkdir(exist_ok=True)
    first = members[0]
    noted = first.recovery.directory / "agreed-"
    with drill.step(KILLED):
        words = ("recover", "give", str(offer), "--as", first.name, "--dir", str(first.directory))
        number = max(one.number for one in first.recovery.kept())
        await killed(
            drill,
            appeared(noted.with_name(f"agreed-{number}")),
            *(*words, "--out", str(folder / "killed.share")),
        )
    with drill.step(f"recover give: {len(members)} members"):
        for member in members:
            path = folder / f"{member.name}.share"
            await drill.command(
                *("recover", "give", str(offer), "--as", member.name, "--out", str(path)),
                *("--dir", str(member.directory)),
            )
            shares[member.name] = path
    return shares


async def _take(
    drill: Drill, lead: NodeLayout, members: Sequence[MemberFolder], shares: dict[str, Path]
) -> None:
    at = ("--ledger", str(lead.directory))
    given: list[str] = []
    offer, state = (lead.recovery / "offer").read_bytes(), lead.recovery / "state"
    with drill.step("shares that are forged, foreign, old or others' are refused by name"):
        spoilt = spoilt_shares(offer, members[0], members[1], lead.recovery / "shares")
        taken = await drill.command("recover", "take", *map(str, spoilt.values()), *at, ok=1)
        why = [one["why"] for one in taken["refused"]]
        drill.expect(taken["taken"] == [], f"a spoilt share counted: {taken}")
        for reason in spoilt:
            drill.expect(any(reason in one for one in why), f"{reason} is in none of {why}")
    await drill.refused("too-few-shares", "recover", "open", *at)
    for number, member in enumerate(members[: drill.threshold], 1):
        words = ("recover", "take", str(shares[member.name]), *at)
        with drill.step(KILLED):
            for enclave in (False, True):
                await killed(drill, enclave_lives, *words, enclave=enclave)
                await _check_given(drill, at, given, "killed before it counted")
            counted = await killed(drill, appeared(state), *words)
            given.append(member.name)
            await _check_given(drill, at, given, "killed once it had counted")
        drill.figures["killed_once_counted"] = counted
        await drill.refused("share-twice", *words)
        if number < drill.threshold:
            await drill.refused("too-few-shares", "recover", "open", *at)


async def _check_given(drill: Drill, at: tuple[str, str], given: Sequence[str], when: str) -> None:
    status = await drill.command("recover", "status", *at)
    drill.expect(status["given"] == sorted(given), f"{when}: {status['given']}, not {given}")


async def _open(drill: Drill, lead: NodeLayout) -> None:
    at = ("--ledger", str(lead.directory))
    applying, words = told("applying outcomes"), ("recover", "open", *at)
    with drill.step(KILLED):
        for enclave in (False, True):
            await killed(drill, enclave_lives, *words, enclave=enclave)
            await killed(drill, applying, *words, enclave=enclave)
        await killed(drill, appeared(lead.recovery / "certificate"), *words)
    ended = lead.recovery / "end"
    if not ended.exists():
        with drill.step("recover open: write sets applied, the last block made"):
            await _opened(drill, words, appeared(ended))
    process = await drill.spawn(*words)
    out, err = await process.communicate()
    if process.returncode == 0:
        opened = json.loads(out)
        drill.figures["recovered_at"] = opened["recovered_at"]
        drill.figures["members"] = opened["members"]
    else:
        drill.expect("is through" in err.decode(), f"recover open: {err.decode()}")
    await drill.refused("is through", *words)


async def _opened(drill: Drill, words: tuple[str, ...], written: Moment) -> None:
    """Opened, and killed before it could say so: what it came to is on the disk."""
    await killed(drill, written, *words)


def _tell_clients_of(drill: Drill, name: str) -> None:
    """The other nodes are no more: clients are told of the one that came back."""
    service = drill.cluster.layout.service
    document = json.loads(service.read_bytes())
    document["endpoints"] = [f"https://{drill.cluster.node(name).config().rpc}"]
    service.write_text(json.dumps(document))


async def _offer_older(
    drill: Drill, older: Path, lead: NodeLayout, member: MemberFolder, known: int
) -> None:
    """Somebody brings back a ledger that was copied before the last payments."""
    newer = lead.directory / "ledger-newer"
    lead.ledger.rename(newer)
    shutil.copytree(older, lead.ledger)
    shutil.rmtree(lead.index)
    try:
        await drill.command("recover", "begin", "--ledger", str(lead.directory))
        offer = str(lead.recovery / "offer")
        await drill.refused(
            "older-than-you-know",
            *("recover", "give", offer, "--as", member.name, "--dir", str(member.directory)),
            *("--at-least", str(known)),
        )
    finally:
        shutil.rmtree(lead.recovery, ignore_errors=True)
        shutil.rmtree(lead.ledger)
        shutil.rmtree(lead.index)
        newer.rename(lead.ledger)
