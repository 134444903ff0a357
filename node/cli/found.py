"""`strongroom found …`: organisations that do not trust each other found a service, by files that
they exchange.

Owns options and words of `propose`, `show` and `check`, which sign nothing; the steps that do are
in found_steps.py. What is checked stands in node/membership/ceremony_proposal.py and
ceremony_judging.py.
"""

from typing import Annotated

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import KEY_SIZE, Digest, Milliseconds, PublicKey
from strongroom.enclave.primitives import digest, random_bytes
from strongroom.enclave.programs import PROGRAM_NAMES
from strongroom.enclave.programs.roster import roster
from strongroom.node.cli import found_tables
from strongroom.node.cli.common import DEFAULT_DIR, DirectoryOption
from strongroom.node.cli.found_given import (
    FilesArgument,
    Given,
    NodeOption,
    OutputOption,
    node_of,
    now_ms,
    write_file,
)
from strongroom.node.membership.ceremony_answers import Acceptance, Confirmation, FoundingFile
from strongroom.node.membership.ceremony_card_judging import judge_card, judge_cards
from strongroom.node.membership.ceremony_cards import Card
from strongroom.node.membership.ceremony_judging import (
    judge_acceptances,
    judge_confirmations,
    judge_founding,
)
from strongroom.node.membership.ceremony_party import measured, read
from strongroom.node.membership.ceremony_proposal import judge_before_accepting, judge_proposal
from strongroom.node.membership.ceremony_terms import Proposal
from strongroom.node.terminal.commands import JsonOption, guarded, run
from strongroom.node.terminal.printing import emit, note

found_app = typer.Typer(
    name="found",
    no_args_is_help=True,
    help="Found a service between organisations, by files that they exchange.",
)
HOUR_MS = 3_600_000
MAX_AGE_HOURS = 24


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
    cards = judge_cards(Given.read(files).of(Card))
    keys = {card.member: card.member_key for card in cards.values()}
    others = tuple(sorted(_named_key(text) for text in member or []))
    keys |= dict(others)
    roles = [("payments", "issuer", _member_id(one, keys)) for one in issuer or []]
    roles += [(roster.name, "user", Digest(_hex(one, "--user", 32))) for one in user or []]
    proposal = Proposal(
        name=name,
        salt=random_bytes(32),
        created_ms=Milliseconds(now_ms()),
        cards=tuple(card.encode() for _, card in sorted(cards.items())),
        members=others,
        roles=tuple(sorted(roles)),
        programs=PROGRAM_NAMES,
        limits=tuple(sorted(_limit(text) for text in limit or [])),
        max_age_ms=Milliseconds(max_age * HOUR_MS),
    ).encode()
    agreed = judge_proposal(proposal)
    write_file(output, proposal)
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
    documents = [found_tables.file_document(one) for one, _ in Given.read(files).files]
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
    given = Given.read(files)
    agreed = judge_proposal(given.one(Proposal))
    layout = node_of(directory, node)
    own = judge_card(read(layout.ceremony.card, "make it with `strongroom node init`"))
    measurement = run(measured(layout))
    judge_before_accepting(
        agreed, own=own, received=given.of(Card), measurement=measurement, now_ms=now_ms()
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


# --- shared ---------------------------------------------------------------------------------------


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
