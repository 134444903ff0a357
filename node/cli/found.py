"""`strongroom found …`: organisations that do not trust each other found a service, by files that
they exchange.

Owns options and words of these commands. Each of them takes the files that are here in any order
and picks what it needs; what is checked stands in node/membership/ceremony_proposal.py and
ceremony_judging.py, what is done with the enclave in ceremony_steps.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time_ns
from typing import Annotated

import typer

from strongroom.consensus.errors import ClientFault, NotCanonical, OperatorFault
from strongroom.consensus.types import KEY_SIZE, Digest, Milliseconds, PublicKey
from strongroom.enclave.primitives import random_bytes
from strongroom.enclave.programs import PROGRAM_NAMES
from strongroom.enclave.programs.roster import roster
from strongroom.node.cli import found_tables
from strongroom.node.cli.common import DEFAULT_DIR, DirectoryOption, ask_passphrase
from strongroom.node.client.identities import KeyFolder
from strongroom.node.cluster.publishing import publish_founding
from strongroom.node.layout import ClusterLayout, NodeLayout
from strongroom.node.machine.durable_files import write_out
from strongroom.node.membership import ceremony_steps as steps
from strongroom.node.membership.ceremony_files import (
    Acceptance,
    Card,
    CeremonyFile,
    Confirmation,
    FoundingFile,
    Proposal,
    read_file,
)
from strongroom.node.membership.ceremony_judging import (
    judge_acceptances,
    judge_confirmations,
    judge_founding,
)
from strongroom.node.membership.ceremony_proposal import (
    judge_before_accepting,
    judge_card,
    judge_cards,
    judge_proposal,
)
from strongroom.node.membership.ceremony_refusals import Ground, refuse
from strongroom.node.membership.node_keys import operator_file
from strongroom.node.terminal.commands import JsonOption, guarded, run
from strongroom.node.terminal.printing import emit, note, say

found_app = typer.Typer(
    name="found",
    no_args_is_help=True,
    help="Found a service between organisations, by files that they exchange.",
)
FILES_MAX = 1024
HOUR_MS = 3_600_000
MAX_AGE_HOURS = 24
FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Files of this ceremony, in any order.")
]
NodeOption = Annotated[
    str | None,
    typer.Option("--node", metavar="NAME", help="Which node of the folder, if it has several."),
]
OutputOption = Annotated[
    Path, typer.Option("-o", metavar="FILE", help="Where the file for the others goes.")
]


@dataclass(frozen=True, slots=True)
class _Given:
    """The files of one command line, by kind; equal ones count once."""

    files: tuple[tuple[CeremonyFile, bytes], ...]

    @classmethod
    def read(cls, paths: Sequence[Path]) -> "_Given":
        """Read them. Raises CeremonyRefused for what is no file of a ceremony."""
        if len(paths) > FILES_MAX:
            raise ClientFault(f"at most {FILES_MAX} files, got {len(paths)}")
        found: dict[bytes, CeremonyFile] = {}
        for path in paths:
            data = steps.read(path, "name the files that you got")
            try:
                found[data] = read_file(data)
            except NotCanonical as error:
                refuse(str(path), Ground.FILE, f"no file of a founding ceremony: {error}")
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


@found_app.command()
@guarded
def propose(
    files: FilesArgument,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="The service's.")],
    output: OutputOption,
    issuer: Annotated[
        list[str] | None,
        typer.Option("--issuer", metavar="MEMBER", help="Who issues payments; repeat for more."),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option("--limit", metavar="NAME=VALUE", help="A limit unlike its default."),
    ] = None,
    member: Annotated[
        list[str] | None,
        typer.Option("--member", metavar="NAME=HEX", help="A member that runs no node."),
    ] = None,
    user: Annotated[
        list[str] | None,
        typer.Option("--user", metavar="HEX", help="Id of a first user of the roster."),
    ] = None,
    max_age: Annotated[
        int, typer.Option("--max-age-hours", min=1, max=720, help="How old evidence may be.")
    ] = MAX_AGE_HOURS,
    as_json: JsonOption = False,
) -> None:
    """Propose a service of the organisations whose cards are given: one file, the same for all.

    Whoever makes it decides nothing: each checks it, and answers it or not.

    Example: strongroom found propose bank1.card bank2.card bank3.card bank4.card --name clearing
    --issuer bank1 -o clearing.proposal
    """
    cards = judge_cards(_Given.read(files).of(Card))
    keys = {card.member: card.member_key for card in cards.values()}
    others = tuple(sorted(_named_key(text) for text in member or []))
    keys |= dict(others)
    roles = [("payments", "issuer", _member_id(one, keys)) for one in issuer or []]
    roles += [(roster.name, "user", Digest(_hex(one, "--user", 32))) for one in user or []]
    proposal = Proposal(
        name=name,
        salt=random_bytes(32),
        created_ms=Milliseconds(_now_ms()),
        cards=tuple(card.encode() for _, card in sorted(cards.items())),
        members=others,
        roles=tuple(sorted(roles)),
        programs=PROGRAM_NAMES,
        limits=tuple(sorted(_limit(text) for text in limit or [])),
        max_age_ms=Milliseconds(max_age * HOUR_MS),
    ).encode()
    agreed = judge_proposal(proposal)
    write_out(output, proposal)
    emit(
        {"file": str(output), **found_tables.proposal_document(agreed)},
        as_json,
        lambda: found_tables.show_proposal(agreed),
    )
    note(f"{output} goes to all of them; each checks it with `strongroom found check`")


@found_app.command()
@guarded
def show(files: FilesArgument, as_json: JsonOption = False) -> None:
    """Show what files of a ceremony say, believing nothing in them.

    Example: strongroom found show clearing.proposal
    """
    documents = [found_tables.file_document(one) for one, _ in _Given.read(files).files]
    emit(documents, as_json, lambda: found_tables.show_files(documents))


@found_app.command()
@guarded
def check(
    files: FilesArgument,
    directory: DirectoryOption = DEFAULT_DIR,
    node: NodeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check everything that is here of the others, and print what accepting would sign. Signs
    nothing.

    Example: strongroom found check clearing.proposal bank2.card bank3.card bank4.card --dir bank1
    """
    given = _Given.read(files)
    agreed = judge_proposal(given.one(Proposal))
    layout = _node(directory, node)
    own = judge_card(steps.read(layout.ceremony.card, "make it with `strongroom node init`"))
    measurement = run(steps.measured(layout))
    judge_before_accepting(
        agreed, own=own, received=given.of(Card), measurement=measurement, now_ms=_now_ms()
    )
    good = ["cards", "code", "clock", "own words"]
    acceptances, foundings = given.of(Acceptance), given.of(FoundingFile)
    if acceptances or foundings:
        judge_acceptances(agreed, acceptances)
        good.append("acceptances")
    if foundings:
        founding, _ = judge_founding(agreed, acceptances, given.one(FoundingFile))
        good.append("genesis")
        if confirmations := given.of(Confirmation):
            judge_confirmations(agreed, founding, confirmations)
            good.append("confirmations")
    document = {"good": good, **found_tables.proposal_document(agreed)}
    emit(document, as_json, lambda: found_tables.show_checked(agreed, own, good))


@found_app.command()
@guarded
def accept(
    files: FilesArgument,
    output: OutputOption,
    directory: DirectoryOption = DEFAULT_DIR,
    node: NodeOption = None,
    instead: Annotated[
        bool,
        typer.Option("--instead", help="Give up another proposal that was accepted, for good."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Have this node's enclave answer a proposal, once every card in it is the one that its
    organisation gave you itself; sign that.

    Example: strongroom found accept clearing.proposal bank2.card bank3.card bank4.card --dir bank1
    -o bank1.acceptance
    """
    given, party = _Given.read(files), party_of(directory, node)
    proposal, received = given.one(Proposal), given.of(Card)
    done = run(steps.accept(party, proposal, received, now_ms=_now_ms(), instead=instead))
    write_out(output, done)
    one = Acceptance.decode(done)
    _emit_step(output, one, as_json, f"accepted proposal {one.proposal.hex()}")


@found_app.command()
@guarded
def make(
    files: FilesArgument,
    output: OutputOption,
    directory: DirectoryOption = DEFAULT_DIR,
    node: NodeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the genesis of all acceptances: one organisation alone, whose enclave has the lowest
    key; the others are told which.

    Example: strongroom found make clearing.proposal bank?.acceptance --dir bank1 -o
    clearing.founding
    """
    given, party = _Given.read(files), party_of(directory, node)
    proposal, acceptances = given.one(Proposal), given.of(Acceptance)
    done = run(steps.make_founding(party, proposal, acceptances, now_ms=_now_ms()))
    write_out(output, done)
    one = FoundingFile.decode(done)
    _emit_step(output, one, as_json, f"made the genesis of chain {one.chain.hex()}")


@found_app.command()
@guarded
def confirm(
    files: FilesArgument,
    output: OutputOption,
    directory: DirectoryOption = DEFAULT_DIR,
    node: NodeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the genesis against your own copies of all acceptances, have the enclave take its
    secret, and sign that you begin with this one.

    Example: strongroom found confirm clearing.proposal bank?.acceptance clearing.founding --dir
    bank1 -o bank1.confirmation
    """
    given, party = _Given.read(files), party_of(directory, node)
    proposal, founding = given.one(Proposal), given.one(FoundingFile)
    acceptances = given.of(Acceptance)
    done = run(steps.confirm(party, proposal, acceptances, founding, now_ms=_now_ms()))
    write_out(output, done)
    one = Confirmation.decode(done)
    _emit_step(output, one, as_json, f"confirmed chain {one.chain.hex()}")


@found_app.command()
@guarded
def seal(
    files: FilesArgument,
    directory: DirectoryOption = DEFAULT_DIR,
    node: NodeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Finish, once everybody confirmed the same genesis: write genesis, keys and service.json, and
    print the pin. Compare it with the others' by telephone.

    Example: strongroom found seal clearing.proposal clearing.founding bank?.confirmation --dir
    bank1
    """
    given, party = _Given.read(files), party_of(directory, node)
    proposal, founding = given.one(Proposal), given.one(FoundingFile)
    agreed, one = steps.seal(party, proposal, founding, given.of(Confirmation))
    pin = publish_founding(party.layout, agreed, one.chain)
    config = party.layout.config
    document = {"service": pin, "chain": one.chain.hex(), "config": str(config)}

    def human() -> None:
        say(f"pin {pin}")
        say(f"it is the same at {', '.join(agreed.cards)}: ask them, not this file")
        say(f"then: strongroom node run --config {config} --check")

    emit(document, as_json, human)


# --- shared ---------------------------------------------------------------------------------------


def _emit_step(
    output: Path, one: Acceptance | FoundingFile | Confirmation, as_json: bool, words: str
) -> None:
    document = {"file": str(output), **found_tables.file_document(one)}

    def human() -> None:
        say(f"{one.operator} {words}")
        say(f"{output} goes to all the others")

    emit(document, as_json, human)


def _node(directory: Path, name: str | None) -> NodeLayout:
    """The node that takes part.

    Raises:
        OperatorFault: there is none, or several and none was named.
    """
    cluster = ClusterLayout(directory.absolute())
    if name is not None:
        return cluster.node(name)
    cards = sorted(cluster.directory.glob("*/ceremony/card"))
    if len(cards) != 1:
        raise OperatorFault(
            f"{len(cards)} nodes with a card in {directory}: make one with `strongroom node init "
            f"{directory}/n1 --operator NAME --region R`, or name one with --node and --dir"
        )
    return NodeLayout(cards[0].parent.parent)


def party_of(directory: Path, name: str | None) -> steps.Party:
    """Who takes a step: a node of a folder, with both of its organisation's keys.

    Raises:
        OperatorFault: a key cannot be had.
    """
    layout = _node(directory, name)
    card = judge_card(steps.read(layout.ceremony.card, "make it with `strongroom node init`"))
    keys = KeyFolder(layout.cluster.keys)
    operator = keys.load(operator_file(card.operator), ask_passphrase)
    member = keys.load(card.member, ask_passphrase)
    return steps.Party(layout=layout, operator=operator.key, member=member.key)


def _now_ms() -> int:
    return time_ns() // 1_000_000


def _limit(text: str) -> tuple[str, int]:
    name, separator, value = text.partition("=")
    if not separator or not value.isascii() or not value.isdigit():
        raise ClientFault(f"--limit: {text!r} is not NAME=VALUE")
    return name, int(value)


def _named_key(text: str) -> tuple[str, PublicKey]:
    name, separator, key = text.partition("=")
    if not separator:
        raise ClientFault(f"--member: {text!r} is not NAME=HEX")
    return name, PublicKey(_hex(key, "--member", KEY_SIZE))


def _member_id(name: str, keys: dict[str, PublicKey]) -> Digest:
    from strongroom.enclave.primitives import digest

    if name not in keys:
        raise ClientFault(f"--issuer: no member {name!r} among {', '.join(sorted(keys))}")
    return digest(keys[name])


def _hex(text: str, option: str, size: int) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != size:
        raise ClientFault(f"{option}: {text!r} is not {2 * size} hex digits")
    return data
