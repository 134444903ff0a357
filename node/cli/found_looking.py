"""What `strongroom found propose | show | check` do: they sign nothing.

Owns how a command line becomes a proposal. What is checked stands in
node/membership/ceremony_proposal.py and ceremony_judging.py; options: found.py.
"""

from pathlib import Path

from strongroom.consensus.errors import ClientFault
from strongroom.consensus.types import KEY_SIZE, Digest, Milliseconds, PublicKey
from strongroom.enclave.primitives import digest, random_bytes
from strongroom.enclave.programs import PROGRAM_NAMES
from strongroom.enclave.programs.roster import roster
from strongroom.node.cli import found_tables
from strongroom.node.cli.found_given import (
    Given,
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
from strongroom.node.terminal.commands import run
from strongroom.node.terminal.printing import emit, note

HOUR_MS = 3_600_000


def propose(
    files: list[Path],
    name: str,
    output: Path,
    issuer: list[str] | None,
    limit: list[str] | None,
    member: list[str] | None,
    user: list[str] | None,
    max_age: int,
    as_json: bool,
) -> None:
    """The command of this name in found.py."""
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


def show(files: list[Path], as_json: bool) -> None:
    """The command of this name in found.py."""
    documents = [found_tables.file_document(one) for one, _ in Given.read(files).files]
    emit(documents, as_json, lambda: found_tables.show_files(documents))


def check(files: list[Path], directory: Path, node: str | None, as_json: bool) -> None:
    """The command of this name in found.py."""
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
