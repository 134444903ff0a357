"""What the commands of a recovery share: a node's folder, its genesis, files that are handed from
one to the other, and how far a long walk is.

Owns these words; the steps themselves: node/membership/recovering.py.
"""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strongroom.consensus.errors import ClientFault, OperatorFault, StrongroomError
from strongroom.node.terminal.printing import move, note

if TYPE_CHECKING:
    from strongroom.node.layout import NodeLayout
    from strongroom.node.membership.recovering_progress import Reached

NodeOption = Annotated[
    Path,
    typer.Option(
        "--ledger", metavar="DIR", help="A node's folder: its ledger, its chip, no sealed keys."
    ),
]
GenesisOption = Annotated[
    Path | None,
    typer.Option("--genesis", metavar="FILE", help="By default the one beside the node's folder."),
]
FILE_BYTES_MAX = 64 * 1024 * 1024
LINE_SECONDS = 5.0
"""How often a long walk says how far it is, where no terminal shows one moving line."""
TURN_SECONDS = 0.2
"""How often that line moves."""


def node_layout(folder: Path) -> "NodeLayout":
    """The node's folder that was named.

    Raises:
        OperatorFault: it is none; with the nodes that are in it, if it is a cluster's.
    """
    from strongroom.node.layout import ClusterLayout, NodeLayout

    layout = NodeLayout(folder.absolute())
    if layout.config.is_file() and layout.chip.is_dir():
        return layout
    nodes = [node.directory for node in ClusterLayout(folder.absolute()).nodes()]
    if nodes:
        raise OperatorFault(
            f"{folder} is a cluster's folder, and a recovery is one node's: name one with "
            f"--ledger, like {folder / nodes[0].name}"
        )
    if not folder.is_dir():
        raise OperatorFault(f"there is no folder {folder}: name a node's folder with --ledger")
    missing = [
        name
        for name, there in (
            (layout.config.name, layout.config.is_file()),
            ("chip/", layout.chip.is_dir()),
        )
        if not there
    ]
    raise OperatorFault(
        f"{folder} is no node's folder, for it has no {' and no '.join(missing)}: name one with "
        "--ledger; a ledger that was copied elsewhere is put into a node's folder first"
    )


def genesis_of(folder: Path, given: Path | None) -> bytes:
    """The genesis document: the given file, or the one beside the node's folder.

    Raises:
        OperatorFault: there is none.
    """
    from strongroom.node.client.audit.ledger_files import read_genesis

    try:
        return read_genesis(folder.absolute() / "ledger", given)
    except StrongroomError as error:
        raise OperatorFault(str(error)) from None


def read_handed(path: Path, what: str) -> bytes:
    """A file that somebody handed over.

    Raises:
        OperatorFault: it cannot be read.
        ClientFault: it is too long.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except IsADirectoryError:
        raise OperatorFault(f"{path} is a folder: name {what}") from None
    except OSError as error:
        raise OperatorFault(f"cannot read {path}: {error.strerror}: name {what}") from None
    if len(data) > FILE_BYTES_MAX:
        raise ClientFault(f"{path} is longer than anything that a recovery hands over")
    return data


def write_handed(path: Path, data: bytes) -> None:
    """Leave a file for somebody, whole or not at all.

    Raises:
        OperatorFault: it cannot be written.
    """
    from strongroom.node.machine.durable_files import write_atomic

    try:
        write_atomic(path, data)
    except OSError as error:
        raise OperatorFault(
            f"cannot write {path}: {error.strerror}: name another place with --out"
        ) from None


class ProgressLine:
    """Says on stderr how far a long walk is: one moving line on a terminal, else a line now and
    then."""

    def __init__(self) -> None:
        self._what, self._said = "", 0.0

    def __call__(self, reached: "Reached") -> None:
        now, ended = time.monotonic(), reached.height >= reached.of
        moving = sys.stderr is not None and sys.stderr.isatty()
        pause = TURN_SECONDS if moving else LINE_SECONDS
        if not ended and reached.what == self._what and now - self._said < pause:
            return
        self._what, self._said = reached.what, now
        text = progress_text(reached)
        if not moving:
            note(text)
            return
        move(text, ended=ended)


def progress_text(reached: "Reached") -> str:
    """How far a long walk is, in words that fit 80 columns."""
    text = f"{reached.what}: block {reached.height:,} of {reached.of:,}, {reached.rate:,.0f}/s"
    if reached.height >= reached.of:
        return f"{text}, {reached.bytes / 2**20:,.0f} MiB in {reached.seconds:,.1f} s"
    return f"{text}, {reached.seconds_left:,.0f} s left"
