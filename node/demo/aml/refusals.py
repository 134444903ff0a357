"""What is refused in the laundering scenario, and with which code.

Owns who tries what. The order of the story is story.py's.
"""

from strongroom.enclave.room.analytics.checking import check as judge
from strongroom.enclave.room.analytics.refusals import Refused
from strongroom.node.demo.aml import texts
from strongroom.node.demo.aml.transfers import World
from strongroom.node.demo.clean_rooms.agreements import Agreed, Job, OpenRoom
from strongroom.node.demo.clean_rooms.lines import Refusal
from strongroom.node.demo.clean_rooms.parties import Result
from strongroom.node.demo.clean_rooms.scene import Scene
from strongroom.node.rooms.schema_file import read_schema


async def before_the_run(scene: Scene, room: OpenRoom, world: World, agreed: Agreed) -> None:
    """Rows of another bank, a program that is not agreed on, a contribution that comes again."""
    first, second, *_ = world.members
    other = scene.party(second)
    owner = scene.party(first)
    await scene.refused(
        "no-data",
        second,
        f"reads {first}'s data set on the ledger",
        other.ask("rooms.data_set", data=(owner.id, texts.TRANSFERS)),
    )
    tried = f"asks for {first}'s rows in SQL, judged by the worker's rules"
    scene.lines.keep_refusal(Refusal(second, tried, "S5", rule_against_rows(first)))
    analyst = scene.party("analyst")
    changed = texts.search_contract(
        texts.ROUND_TRIPS, world.members, "analyst", seconds=5, releases=0
    )
    id, made = await room.propose(changed, analyst)
    await scene.refused(
        "not-approved",
        "analyst",
        "runs a contract that gives the case to the analyst, which no bank approved",
        Agreed(id, made, room.pool).ask(analyst),
    )
    told = await owner.ask("rooms.data_set", data=(b"", texts.TRANSFERS))
    last = told["versions"][-1]
    again = {name: last[name] for name in ("root", "chunks", "size_class")}
    await scene.refused(
        "key",
        first,
        "contributes the same chunks a second time",
        owner.call("rooms.add", name=texts.TRANSFERS, **again),
    )


async def before_the_release(scene: Scene, world: World, job: Job) -> None:
    """The case before two banks have released it, and in hands that it is not for."""
    regulator, first = scene.party("regulator"), world.members[0]
    await scene.party(first).call("rooms.release", job=job.id, output="case", approve=True)
    await scene.refused(
        "release",
        "regulator",
        f"opens the case file when {first} alone has released it",
        regulator.open(job.id, "case"),
    )
    await scene.refused(
        "recipients",
        first,
        "opens the case file, with all banks' rows of rings",
        scene.party(first).open(job.id, "case"),
    )


def check_groups(scene: Scene, world: World, shown: Result) -> None:
    """Channels of fewer customers than k are not in the answer; the others are."""
    customers: dict[str, set[tuple[str, str]]] = {}
    for row in world.transfers:
        customers.setdefault(row.channel, set()).add((row.from_bank, row.from_account))
    small = {name for name, some in customers.items() if len(some) < texts.K}
    given = {str(row["channel"]) for row in shown.rows}
    words = f"the analyst's query tells {len(given)} channels with their payments"
    scene.lines.check(bool(given) and given <= set(customers), words)
    for name in sorted(small):
        code = "" if name in given else "suppressed"
        tried = f"counts the payments of a group below k ({len(customers[name])} of {texts.K})"
        scene.lines.keep_refusal(Refusal("analyst", tried, "suppressed", code))


async def after_a_withdrawal(scene: Scene, world: World, agreed: Agreed, job: Job) -> None:
    """One bank alone ends it: no run, no opening, also of what was agreed before."""
    last = world.members[-1]
    await scene.party(last).withdraw(texts.TRANSFERS)
    analyst, regulator = scene.party("analyst"), scene.party("regulator")
    await scene.refused(
        "withdrawn",
        "analyst",
        f"runs the agreed search after {last} has withdrawn",
        agreed.ask(analyst),
    )
    await scene.refused(
        "withdrawn",
        "regulator",
        f"opens the case file again after {last} has withdrawn",
        regulator.open(job.id, "case"),
    )


def rule_against_rows(bank: str) -> str:
    """The rule that refuses a query for a bank's rows, as `strongroom rooms check` finds it;
    nothing: it would be taken."""
    section = texts.transfer_terms([bank]).partition("[tables.")[2]
    schema = f"[tables.{section}".replace(f".{texts.TRANSFERS}", f".{bank}_{texts.TRANSFERS}")
    said = read_schema(schema.encode())
    try:
        judge(said.inputs, texts.rows_query([bank]), digits=said.digits)
    except Refused as refused:
        return refused.rule.name
    return ""
