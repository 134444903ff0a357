"""`strongroom trust`: what is promised, what each promise rests on, what shows it, what is left,
what must be trusted.

Owns the options, the page and the document. Words stand in promises.py, parties.py and
privileged.py, numbers in trusted_base.py.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.node.cli.common import DEFAULT_DIR, DirectoryOption
from strongroom.node.layout import ClusterLayout
from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.terminal.printing import emit, say

if TYPE_CHECKING:
    from strongroom.enclave.sandbox.walls import Wall
    from strongroom.node.cli.trusted_base import TrustedBase
    from strongroom.node.rooms.counting import RoomBase

SIMULATED = (
    "The platform is SIMULATED: evidence has the real form and is really verified, but the silicon "
    "behind it is software. A root user of the machine can defeat everything on this page that "
    "speaks of an enclave."
)
NOT_PROMISED = (
    "to hold anything back from root of the machine, as long as the platform is simulated",
    "side channels of real TEEs",
    "when and how often somebody transacts, and through which node",
    "sizes beyond their class",
    "with a copied sealed/ folder and a later break of that same "
    "chip: the epochs that were live in it",
)
ROOM_PROGRAM = "printer"
"""Whose room is counted; `room measure` counts any other."""
CHECKER_FILE = "check.html"
_WIDTH = 100
_DIGITS_SHOWN = 16


def register(app: typer.Typer) -> None:
    """Mount this command."""
    app.command("trust")(trust)


@guarded
def trust(
    files: Annotated[
        bool, typer.Option("--files", help="List the files of libraries too.")
    ] = False,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Say what is promised, what it rests on, and exactly which code must be trusted for it.

    With a cluster's folder it also says whether that service admits the code of this installation.

    Example: strongroom trust --json
    """
    from strongroom.enclave.sandbox.walls import survey
    from strongroom.node.cli.trusted_base import trusted_base
    from strongroom.node.rooms.counting import room_base
    from strongroom.node.web.one_file import page_hash

    base, walls, room = trusted_base(), survey(), room_base(ROOM_PROGRAM)
    service = _service(ClusterLayout(directory), base)
    document = _document(base, walls, service) | {"room": _room_document(base, room)}
    document["receipt_checker"] = {"file": CHECKER_FILE, "sha256": page_hash()}

    def human() -> None:
        _page(base, walls, service, files=files)
        _show_room(base, room)
        _show_checker(page_hash())

    emit(document, as_json, human)


def _service(layout: ClusterLayout, base: "TrustedBase") -> dict[str, Any] | None:
    """Whether the service of this folder admits this code; None without one."""
    if not layout.genesis.is_file():
        return None
    from strongroom.enclave.proofs.genesis import verify_genesis
    from strongroom.node.cli.constitution_words import deciding

    genesis = verify_genesis(layout.genesis.read_bytes())
    allowed = base.measurement.digest in genesis.constitution.policy.measurements
    return {
        "pin": genesis.pin,
        "admits_this_code": allowed,
        "simulated": genesis.simulated,
        "deciding": deciding(genesis.constitution),
    }


def _room_document(base: "TrustedBase", room: "RoomBase") -> dict[str, Any]:
    """A room's base, beside the core's."""
    core = {file.path for file in base.own}
    return room.document() | {"code_lines_beside_the_core": room.code_lines_beside(core)}


def _document(
    base: "TrustedBase", walls: "Sequence[Wall]", service: dict[str, Any] | None
) -> dict[str, Any]:
    from strongroom.node.cli.parties import PARTIES
    from strongroom.node.cli.privileged import (
        PRIVILEGED,
        PRIVILEGED_PEOPLE,
        PRIVILEGED_SIMULATED,
    )
    from strongroom.node.cli.promises import HEAP, PROMISES
    from strongroom.node.cli.region_worth import RULES
    from strongroom.node.web.pages import page_digest, page_files

    own = {file.path: file for file in base.own}
    return {
        "simulated": True,
        "measurement": base.measurement.digest.hex(),
        "service": service,
        "promises": [asdict(promise) for promise in PROMISES],
        "not_promised": list(NOT_PROMISED),
        "parties": [asdict(party) for party in PARTIES],
        "region_rules": [asdict(rule) for rule in RULES],
        "privileged": [asdict(one) for one in PRIVILEGED],
        "privileged_limits": [PRIVILEGED_SIMULATED, PRIVILEGED_PEOPLE],
        "walls": [asdict(wall) for wall in walls],
        "heap": HEAP,
        "trusted_base": {
            "files": len(base.own),
            "bytes": sum(file.size for file in base.own),
            "lines": base.lines,
            "code_lines": base.code_lines,
            "code_lines_in_enclave": base.enclave_code_lines,
        },
        "page": {
            "sha256": page_digest(),
            "files": {name: one.digest for name, one in page_files().items()},
        },
        "python": base.measurement.python,
        "python_agrees": base.measurement.agrees,
        "programs": list(base.measurement.programs),
        "libraries": [asdict(library) for library in base.libraries],
        "files": [
            {"path": file.path, "sha256": file.sha256.hex(), "size": file.size}
            | (
                {"lines": own[file.path].lines, "in_enclave": own[file.path].in_enclave}
                if file.path in own
                else {}
            )
            for file in base.measurement.files
        ],
    }


# --- the page -------------------------------------------------------------------------------------


def _page(
    base: "TrustedBase", walls: "Sequence[Wall]", service: dict[str, Any] | None, *, files: bool
) -> None:
    from strongroom.node.cli.promises import HEAP, PROMISES

    _paragraph(SIMULATED)
    _paragraph(
        "Each promise with what it rests on, the tests and "
        "scripts that show it, and the risk that is left."
    )
    for promise in PROMISES:
        _heading(f"{promise.id}  {promise.summary}")
        _field("rests on", promise.mechanism)
        for position, evidence in enumerate(promise.evidence):
            _field("shown by" if position == 0 else "", evidence, wrapped=False)
        _field("left", promise.residual)
    _heading("Not promised")
    for words in NOT_PROMISED:
        _paragraph(f"- {words}", indent=2)
    _show_parties()
    _show_region_rules()
    _show_privileged()
    _heading("Walls that an enclave started here has")
    for wall in walls:
        _field(f"{'' if wall.stands else 'NO '}{wall.name}", wall.summary)
    _heading("What lies where in an enclave's memory")
    _paragraph(HEAP, indent=2)
    _heading("The code that must be trusted")
    _show_files(base, files=files)
    _show_sum(base, service)


def _show_parties() -> None:
    from strongroom.node.cli.parties import PARTIES

    _heading("Who must be trusted for what, where keys lie in the vault")
    for party in PARTIES:
        _paragraph(party.name, indent=2)
        _field("  sees", party.sees)
        _field("  can", party.can)
        _field("  cannot", party.cannot)


def _show_region_rules() -> None:
    from strongroom.node.cli.region_worth import RULES

    _heading("What a rule of regions is worth: a region is its operator's or issuer's word")
    for rule in RULES:
        _paragraph(rule.name, indent=2)
        _field("  asked", rule.asked)
        _field("  enforced", rule.enforced)
        _field("  left", rule.left)


def _show_privileged() -> None:
    from strongroom.node.cli.privileged import (
        PRIVILEGED,
        PRIVILEGED_PEOPLE,
        PRIVILEGED_SIMULATED,
    )

    _heading("Privileged access: who enforces each operation, and whether root of a node can do it")
    for one in PRIVILEGED:
        record = "asked for, on record" if one.granted else "no grant is for it"
        _paragraph(f"{one.operation} ({record})", indent=2)
        _field("  enforced by", f"{' and '.join(one.enforced_by)}. {one.how}")
        _field("  root", f"{'CAN BYPASS' if one.bypass else 'cannot bypass'}: {one.root}")
        for position, evidence in enumerate(one.evidence):
            _field("  shown by" if position == 0 else "", evidence, wrapped=False)
    _paragraph(PRIVILEGED_SIMULATED, indent=2)
    _paragraph(PRIVILEGED_PEOPLE, indent=2)


def _show_files(base: "TrustedBase", *, files: bool) -> None:
    say(
        f"  {'lines':>6} {'bytes':>8}  {'SHA-256':<{_DIGITS_SHOWN + 1}}  * "
        "loaded by an enclave's process"
    )
    for file in base.own:
        digest, mark = f"{file.sha256[:_DIGITS_SHOWN]}…", "*" if file.in_enclave else " "
        say(f"  {file.lines:>6} {file.size:>8}  {digest}  {mark} {file.path}")
    own = {file.path for file in base.own}
    for measured in base.measurement.files if files else ():
        if measured.path not in own:
            say(
                f"  {'':>6} {measured.size:>8}  "
                f"{measured.sha256.hex()[:_DIGITS_SHOWN]}…    {measured.path}"
            )
    for library in base.libraries:
        say(
            f"  {'':>6} {library.size:>8}  {library.files} files "
            f"of {library.name} {library.version}"
        )


def _show_sum(base: "TrustedBase", service: dict[str, Any] | None) -> None:
    say(f"  and {base.measurement.python} with its standard library, by version")
    _paragraph(_interpreters_in_words(base), indent=6)
    size = (
        f"{base.code_lines:,} lines of code in {len(base.own)} files "
        f"({base.lines:,} with words and blanks)"
    )
    _heading(f"Trusted base: {size}, {base.enclave_code_lines:,} of them loaded by an enclave")
    say(f"  measurement {base.measurement.digest.hex()}")
    _show_page()
    if service is not None:
        verdict = "admits this code" if service["admits_this_code"] else "does NOT admit this code"
        say(f"  {service['pin']} {verdict}")
        _show_deciding(service["deciding"])


def _show_deciding(document: dict[str, Any]) -> None:
    from strongroom.node.cli.constitution_words import SINCE, deciding_words

    _heading("Who decides in this service, by its constitution")
    for what, words in deciding_words(document):
        _field(what, words)
    _paragraph(SINCE, indent=2)


def _show_page() -> None:
    """What a browser should show at the foot of the web page, if it is this installation's."""
    from strongroom.node.web.pages import page_digest, page_files

    say(
        f"  web page    {page_digest()}, SHA-256 over its {len(page_files())} files (nothing sealed"
    )
    say("              depends on it: it holds no key, and a node that lies shows what it likes)")


def _show_room(base: "TrustedBase", room: "RoomBase") -> None:
    """A room's base: what its measurement covers, whoever runs it."""
    _heading(
        f"Trusted base of a room that runs {ROOM_PROGRAM}: {room.code_lines:,} lines of code in "
        f"{len(room.own)} files, {room.code_lines_beside({file.path for file in base.own}):,} of "
        "them in files that no validator loads"
    )
    for name, files, lines in room.parts:
        say(f"  {lines:>6} lines in {files:>2} files: {name}")
    say(f"  measurement {room.measurement.digest.hex()}")


def _show_checker(digest: str) -> None:
    """The page that checks receipts, which travels by itself."""
    _heading("The checker of receipts for a browser, as `strongroom verify page` writes it")
    say(f"  SHA-256 of {CHECKER_FILE} {digest}")


def _interpreters_in_words(base: "TrustedBase") -> str:
    from strongroom.enclave.platform.measuring import AGREEING

    compared = ", ".join(AGREEING)
    if base.measurement.agrees:
        return (
            f"{compared} were compared: the same blocks come to "
            "the same bytes, so validators may mix them"
        )
    return (
        "NOT compared: outcomes are known to agree under "
        f"{compared} only; take one of these, all of you"
    )


def _heading(text: str) -> None:
    say()
    _paragraph(text)


def _field(name: str, text: str, *, wrapped: bool = True) -> None:
    head = f"  {name:<14}"
    if wrapped:
        _paragraph(text, first=head, indent=len(head))
    else:
        say(head + text)


def _paragraph(text: str, *, first: str | None = None, indent: int = 0) -> None:
    from textwrap import fill

    rest = " " * indent
    say(fill(text, _WIDTH, initial_indent=rest if first is None else first, subsequent_indent=rest))
