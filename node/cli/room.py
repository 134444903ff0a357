"""`strongroom room run | measure | chip`: attested workers outside the validators.

Owns options, words, JSON and exit codes. The process and its relay: node/rooms; what runs inside:
enclave/room.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    DirectoryOption,
    ask_passphrase,
    existing_directory,
)
from strongroom.node.terminal.commands import JsonOption, fail, guarded, run
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, emit_event, note, say

if TYPE_CHECKING:
    import asyncio

    from strongroom.node.rooms.process import Ended

room_app = typer.Typer(
    name="room",
    no_args_is_help=True,
    help="Rooms: measured programs that open keys as long as their owner agrees.",
)
ProgramArgument = Annotated[
    str,
    typer.Argument(
        metavar="PROGRAM", help="`printer`, `analytics`, `analytics-crew`, or a .py file."
    ),
]


@room_app.command()
@guarded
def measure(
    program: ProgramArgument = "printer",
    files: Annotated[bool, typer.Option("--files", help="A line for each measured file.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the measurement of a room with this program: the same wherever it is installed.

    Example: strongroom room measure ./engraver.py --files
    """
    from strongroom.node.rooms.counting import room_base

    base = room_base(program)

    def human() -> None:
        say(base.measurement.digest.hex())
        say(
            f"{len(base.own)} files of ours, {base.lines} lines, {base.code_lines} of code; "
            f"beside them {base.library_files} files of libraries, {base.measurement.python}"
        )
        for file in base.own if files else ():
            say(f"  {file.sha256[:16]}…  {file.code_lines:5}  {file.path}")

    emit(base.document(), as_json, human)


@room_app.command()
@guarded
def chip(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder for the chip.")],
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Make a SIMULATED chip of the cluster's manufacturer: it stands for buying a machine.

    Example: strongroom room chip ./plant/chip
    """
    existing_directory(directory)
    from strongroom.node.layout import ClusterLayout
    from strongroom.node.rooms.starting import make_chip

    made = make_chip(ClusterLayout(directory).platform, folder)
    document = {"chip": made.chip_id.hex(), "folder": str(folder), "simulated": True}
    emit(document, as_json, lambda: say(f"SIMULATED chip {made.chip_id.hex()} in {folder}"))


@room_app.command("run")
@guarded
def run_(
    program: ProgramArgument,
    name: Annotated[str, typer.Option("--name", help="The room's name.")],
    chip: Annotated[Path, typer.Option("--chip", metavar="DIR", help="Folder of its chip.")],
    region: Annotated[str, typer.Option("--region", help="Where it stands, by your word.")],
    operator: Annotated[
        str, typer.Option("--operator", help="Your name as its operator.", show_default="--as")
    ] = "",
    identity: Annotated[
        str, typer.Option("--as", metavar="NAME", help="Whose key signs for this room.")
    ] = "operator",
    service: Annotated[
        Path,
        typer.Option("--service", envvar="STRONGROOM_DIR", help="service.json, or its folder."),
    ] = DEFAULT_DIR,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state", metavar="DIR", help="Its sealed state; by default beside the chip."
        ),
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Option("--file", metavar="NAME=PATH", help="A file that it may read; repeatable."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A word to its program; repeatable."),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", min=0, help="End after so many (`analytics`); 0: never.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Run a room until its program ends or a lease is refused; with --json one document a line for
    each event. SIGTERM and Ctrl-C end it in order: leases ended, keys wiped, exit status 0.
    `analytics` is the worker of clean rooms: it takes job after job until it is told to end
    (needs the extra `rooms`; `--set memory=MB` is what a job may take). `analytics-ml` is the
    same with LightGBM (extra `rooms-ml`), measured apart.

    Example: strongroom room run printer --name hall-7 --chip ./chip --region eu-west --as plant \
--file design.sealed=./design.sealed --set container=design.sealed --set key=id:HEX/design
    """
    from strongroom.enclave.room.sdk import STOPPED
    from strongroom.node.client.trust.service import load_service
    from strongroom.node.rooms.process import worker_of
    from strongroom.node.rooms.starting import Wanted, program_file, run_room, run_workers

    known = load_service(service)
    wanted = Wanted(
        name=name,
        program=program_file(program),
        chip=chip,
        state=state or chip.parent / f"{name}.state",
        region=region,
        operator=operator or identity,
        files={key: Path(value) for key, value in _pairs(files or (), "--file")},
        parameters=dict(_pairs(settings or (), "--set")),
    )
    signer = known.keys.load(identity, ask_passphrase)

    def on_event(what: str, fields: dict[str, Any]) -> None:
        shown = {key: _shown(value) for key, value in fields.items()}
        if as_json:
            emit_event({"event": what, **shown})
        else:
            note(f"{what}: " + ", ".join(f"{key} {value}" for key, value in shown.items()))

    life = partial(run_workers, jobs=jobs) if worker_of(wanted.program) else run_room
    ended = run(_until_told(partial(life, wanted, service, signer, on_event)))
    stopped = ended.code == STOPPED
    if not ended.ok and not stopped:
        fail(f"{ended.code}: {ended.text}", ExitCode.NO)
    document = {"ok": True, "room": name, "stopped": stopped}
    emit(document, as_json, lambda: say(f"room {name}: {ended.text}"))


async def _until_told(life: "Callable[[asyncio.Event], Awaitable[Ended]]") -> "Ended":
    """A room's life, with a word to end it on SIGTERM, SIGINT or SIGHUP."""
    from strongroom.node.machine.interrupts import told_by_signals

    with told_by_signals() as told:
        return await life(told)


def _pairs(texts: Sequence[str], option: str) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise ClientFault(f"{option} {text}: write NAME=VALUE")
        pairs.append((key, value))
    return pairs


def _shown(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value
