"""`strongroom`: the command line, put together from one module per group of commands.

Owns which words there are, and loads only what is asked for: a command's group alone, no command
at all for `--version` and `--help`, and not even Typer for what a shell asks at a TAB. What each
word does is said twice, here and where it is made; tests/node/cli/test_front.py compares.
"""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from strongroom.node.terminal.authorities import leave_out_authorities

if TYPE_CHECKING:
    import typer

_EPILOG = (
    "Exit codes: 0 ok · 1 the answer is no · 2 usage or "
    "configuration · 3 unreachable · 4 cannot check."
)
ASKED_BY_SHELL = "_complete"
"""The word that completion scripts call; it stands in no help."""
Mount = Callable[["typer.Typer"], None]


class Word(NamedTuple):
    """The first word of a command line."""

    name: str
    help: str
    group: str
    """What is loaded for it."""


WORDS = (
    Word("call", "One transaction: sealed, ordered, executed, its result opened.", "ledger"),
    Word("query", "One sealed query on executed state.", "ledger"),
    Word(
        "receipt",
        "Fetch a transaction's receipt, verify it against the pin, write it to a file.",
        "ledger",
    ),
    Word(
        "trust",
        "Say what is promised, what it rests on, and exactly which code must be trusted for it.",
        "trust",
    ),
    Word("bench", "Measure sealed transactions on a cluster of its own on this machine.", "bench"),
    Word(
        "cluster",
        "A cluster of real node processes on this machine, in one folder (attestation is "
        "SIMULATED).",
        "cluster",
    ),
    Word("node", "One node, on its own machine.", "node"),
    Word("found", "Found a service between organisations, by files that they exchange.", "found"),
    Word("keys", "Identities: who calls, queries and votes.", "keys"),
    Word(
        "custodian",
        "The customer's process beside an HSM: halves of split keys for rooms with live leases.",
        "custodian",
    ),
    Word("verify", "Offline checks, against nothing but a pin.", "ledger"),
    Word("explorer", "The block explorer: ledger and nodes as seen.", "explorer"),
    Word("gov", "Governance: signed, public, counted votes of the members.", "gov"),
    Word(
        "admin",
        "Privileged access: one begin, one operation, approved by members of other operators.",
        "admin",
    ),
    Word(
        "attest",
        "Evidence of running nodes (says SIMULATED where no silicon stands behind).",
        "attest",
    ),
    Word("vault", "Keys that only attested rooms may use, while their owner agrees.", "vault"),
    Word("room", "Rooms: measured programs that open keys as long as their owner agrees.", "room"),
    Word(
        "rooms",
        "Clean rooms: many owners' data, one agreed program, the result to whom it names.",
        "rooms",
    ),
    Word(
        "data",
        "Data sets of clean rooms: rows that leave you sealed, and that jobs alone open.",
        "data",
    ),
    Word("residency", "Where keys could be opened, and by whose word.", "residency"),
    Word(
        "people",
        "People: in which region they are, by the word of their OpenID provider.",
        "people",
    ),
    Word(
        "recover",
        "Shares of the key to the ledger, among members: kept, checked, given after a disaster.",
        "recover",
    ),
    Word("users", "Users of the service: a member's own, and oneself.", "users"),
    Word("completion", "Print what lets a shell complete words: bash, zsh or fish.", "completion"),
)
"""In the order of `--help`."""


def _mount_group(module: str, attribute: str) -> Mount:
    def mount(app: "typer.Typer") -> None:
        app.add_typer(getattr(import_module(f"strongroom.node.cli.{module}"), attribute))

    return mount


def _mount_ledger(app: "typer.Typer") -> None:
    import_module("strongroom.node.cli.ledger").register(app)


def _mount_trust(app: "typer.Typer") -> None:
    import_module("strongroom.node.cli.trust").register(app)


def _mount_node(app: "typer.Typer") -> None:
    import_module("strongroom.node.cli.node_join")
    group = import_module("strongroom.node.cli.node").node_app
    import_module("strongroom.node.cli.node_health").register(group)
    app.add_typer(group)


def _mount_recover(app: "typer.Typer") -> None:
    recover = import_module("strongroom.node.cli.recover").recover_app
    import_module("strongroom.node.cli.recover_dead").register(recover)
    app.add_typer(recover)


def _mount_completion(app: "typer.Typer") -> None:
    import_module("strongroom.node.cli.completion").register(app)


def _mount_bench(app: "typer.Typer") -> None:
    import_module("strongroom.node.bench.command").register(app)


_GROUPS: dict[str, Mount] = {
    "cluster": _mount_group("cluster", "cluster_app"),
    "node": _mount_node,
    "found": _mount_group("found", "found_app"),
    "keys": _mount_group("keys", "keys_app"),
    "custodian": _mount_group("custodian", "custodian_app"),
    "ledger": _mount_ledger,
    "explorer": _mount_group("explorer", "explorer_app"),
    "gov": _mount_group("gov", "gov_app"),
    "admin": _mount_group("admin", "admin_app"),
    "attest": _mount_group("attest", "attest_app"),
    "vault": _mount_group("vault", "vault_app"),
    "trust": _mount_trust,
    "bench": _mount_bench,
    "room": _mount_group("room", "room_app"),
    "rooms": _mount_group("rooms", "rooms_app"),
    "data": _mount_group("data", "data_app"),
    "residency": _mount_group("residency", "residency_app"),
    "people": _mount_group("people", "people_app"),
    "recover": _mount_recover,
    "users": _mount_group("users", "users_app"),
    "completion": _mount_completion,
}


def make_app(command: str | None = None) -> "typer.Typer":
    """The application: with the one group that has this command, or with all."""
    app = _bare_app()
    group = next((word.group for word in WORDS if word.name == command), None)
    for mount in _GROUPS.values() if group is None else [_GROUPS[group]]:
        mount(app)
    return app


def make_front() -> "typer.Typer":
    """The application as `--help` shows it: each word, and nothing behind it."""
    import typer

    app = _bare_app()
    for name, help, _ in WORDS:
        app.add_typer(typer.Typer(name=name, help=help))
    return app


def make_for(arguments: Sequence[str]) -> "typer.Typer":
    """The application for a command line: with what its first word needs; as `--help` shows it
    where that stands before the word, or the word is none."""
    options, word = _before_word(arguments)
    known = any(word == one.name for one in WORDS) and "--help" not in options
    return make_app(word) if known else make_front()


def first_word(arguments: Sequence[str]) -> str | None:
    """The first word of a command line that is neither an option nor the folder of `--dir`."""
    return _before_word(arguments)[1]


def _before_word(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """The options before the first word, without the folder of `--dir`; that word."""
    options: list[str] = []
    words = iter(arguments)
    for word in words:
        if not word.startswith("-"):
            return options, word
        options.append(word)
        if word == "--dir":
            next(words, None)
    return options, None


def main() -> None:
    """The console script."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        _print_version()
        return
    if arguments[:1] == [ASKED_BY_SHELL]:
        from strongroom.node.cli.completion_answers import answer

        answer(arguments[1:])
        return
    leave_out_authorities()
    try:
        make_for(arguments)()
    except KeyboardInterrupt:
        from strongroom.node.terminal.exits import INTERRUPTED

        sys.exit(INTERRUPTED)


def _bare_app() -> "typer.Typer":
    import typer

    from strongroom.node.terminal.plain_values import read_plain_values
    from strongroom.node.terminal.usage import CommandLine

    read_plain_values()
    app = typer.Typer(
        name="strongroom",
        cls=CommandLine,
        no_args_is_help=True,
        add_completion=False,
        epilog=_EPILOG,
    )

    @app.callback()
    def strongroom(
        context: typer.Context,
        directory: Annotated[
            Path | None,
            typer.Option(
                "--dir", metavar="DIR", help="The cluster's folder, for commands that read one."
            ),
        ] = None,
        _version: Annotated[
            bool,
            typer.Option(
                "--version", help="Print the version.", is_eager=True, callback=_on_version
            ),
        ] = False,
    ) -> None:
        """A permissioned ledger that keeps secrets: sealed transactions, attested enclaves,
        receipts anyone can verify.

        Example: strongroom cluster up --detach
        """
        from strongroom.node.terminal.commands import folder_before
        from strongroom.node.terminal.printing import take_any_text

        take_any_text()
        context.obj = directory
        folder_before.set(directory)

    return app


def _on_version(wanted: bool) -> None:
    if wanted:
        import typer

        _print_version()
        raise typer.Exit


def _print_version() -> None:
    from importlib import metadata

    print(f"strongroom {metadata.version('strongroom')}")
