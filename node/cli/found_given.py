"""What the commands of a founding are given: files in any order, a node's folder, the keys of its
organisation; and where the file for the others goes.

Owns how words of a command line become them; options: found.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time_ns

from strongroom.consensus.errors import ClientFault, NotCanonical, OperatorFault
from strongroom.node.cli.common import ask_passphrase
from strongroom.node.client.identities import KeyFolder
from strongroom.node.layout import ClusterLayout, NodeLayout
from strongroom.node.machine.durable_files import write_out
from strongroom.node.membership.ceremony_card_judging import judge_card
from strongroom.node.membership.ceremony_files import CeremonyFile, read_file
from strongroom.node.membership.ceremony_party import Party, read
from strongroom.node.membership.ceremony_refusals import Ground, refuse
from strongroom.node.membership.ceremony_terms import Proposal
from strongroom.node.membership.node_keys import operator_file

FILES_MAX = 1024


@dataclass(frozen=True, slots=True)
class Given:
    """The files of one command line, by kind; equal ones count once."""

    files: tuple[tuple[CeremonyFile, bytes], ...]

    @classmethod
    def read(cls, paths: Sequence[Path]) -> "Given":
        """Read them. Raises CeremonyRefused for what is no file of a ceremony."""
        if len(paths) > FILES_MAX:
            raise ClientFault(f"at most {FILES_MAX} files, got {len(paths)}")
        found: dict[bytes, CeremonyFile] = {}
        for path in paths:
            data = read(path, "name the files that you got")
            try:
                found[data] = read_file(data)
            except NotCanonical as error:
                refuse(
                    str(path),
                    Ground.FILE,
                    f"no file of a founding ceremony: {error}; have whoever sent it send it again",
                )
        return cls(tuple((one, data) for data, one in found.items()))

    def of(self, kind: type[CeremonyFile]) -> list[bytes]:
        """All of one kind."""
        return [data for one, data in self.files if isinstance(one, kind)]

    def one(self, kind: type[CeremonyFile]) -> bytes:
        """The only one of a kind. Raises CeremonyRefused."""
        files = self.of(kind)
        if len(files) > 1:
            refuse(
                f"the {kind.NAME}", Ground.DOUBLED, f"{len(files)} of them, all different: name one"
            )
        if not files:
            refuse(f"the {kind.NAME}", Ground.MISSING, "is not among the files: name it, too")
        return files[0]


def node_of(directory: Path, name: str | None) -> NodeLayout:
    """The node that takes part.

    Raises:
        OperatorFault: there is none, or several and none was named.
    """
    cluster = ClusterLayout(directory.absolute())
    if name is not None:
        return cluster.node(name)
    cards = cards_in(directory)
    if len(cards) != 1:
        raise OperatorFault(
            f"{len(cards)} nodes with a card in {directory}: make one with `strongroom node init "
            f"{directory}/n1 --operator NAME --region R`, or name one with --node and --dir"
        )
    return NodeLayout(cards[0].parent.parent)


def cards_in(directory: Path) -> list[Path]:
    """Of the nodes of an organisation's folder; one that is being made is none yet."""
    found = ClusterLayout(directory.absolute()).directory.glob("*/ceremony/card")
    return sorted(card for card in found if not card.parent.parent.name.startswith("."))


def party_of(directory: Path, name: str | None) -> Party:
    """Who takes a step: a node of a folder, with both of its organisation's keys.

    Raises:
        OperatorFault: a key cannot be had.
    """
    layout = node_of(directory, name)
    card = judge_card(read(layout.ceremony.card, "make it with `strongroom node init`"))
    keys = KeyFolder(layout.cluster.keys)
    operator = keys.load(operator_file(card.operator), ask_passphrase)
    member = keys.load(card.member, ask_passphrase)
    return Party(layout=layout, operator=operator.key, member=member.key)


def now_ms() -> int:
    """This machine's clock."""
    return time_ns() // 1_000_000


def write_file(output: Path, data: bytes) -> None:
    """Write a file for the others where the user said.

    Raises:
        OperatorFault: another file of a ceremony stands there: somebody's whom it was got from.
        OSError: it cannot be written.
    """
    new, there = read_file(data), _standing(output)
    if there is not None and _whose(there) != _whose(new):
        raise OperatorFault(
            f"{output} is the {there.NAME} of {_whose(there)[1]}, and stays: name another with "
            "-o, and run this again"
        )
    write_out(output, data)


def _standing(path: Path) -> CeremonyFile | None:
    """The file of a ceremony that stands there already."""
    try:
        return read_file(read(path, "name another file with -o")) if path.is_file() else None
    except NotCanonical:
        return None


def _whose(one: CeremonyFile) -> tuple[str, str]:
    return one.NAME, one.name if isinstance(one, Proposal) else one.operator
