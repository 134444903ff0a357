"""`strongroom`: the command line, put together from one module per group of commands.

Owns the names of the groups and loads only the one that is asked for, so that `--version` and
`--help` are quick.
"""

import sys
from collections.abc import Callable
from importlib import import_module, metadata
from typing import Annotated

import typer

_EPILOG = (
    "Exit codes: 0 ok · 1 the answer is no · 2 usage or "
    "configuration · 3 unreachable · 4 cannot check."
)


def _mount_group(module: str, attribute: str) -> Callable[[typer.Typer], None]:
    def mount(app: typer.Typer) -> None:
        app.add_typer(getattr(import_module(f"strongroom.node.cli.{module}"), attribute))

    return mount


def _mount_ledger(app: typer.Typer) -> None:
    import_module("strongroom.node.cli.ledger").register(app)


def _mount_trust(app: typer.Typer) -> None:
    import_module("strongroom.node.cli.trust").register(app)


def _mount_node(app: typer.Typer) -> None:
    import_module("strongroom.node.cli.node_join")
    group = import_module("strongroom.node.cli.node").node_app
    import_module("strongroom.node.cli.node_health").register(group)
    app.add_typer(group)


def _mount_custodian(app: typer.Typer) -> None:
    for module in ("custodian_service", "custodian_wrap", "custodian_import", "custodian_journal"):
        import_module(f"strongroom.node.cli.{module}")
    _mount_group("custodian", "custodian_app")(app)


def _mount_recover(app: typer.Typer) -> None:
    recover = import_module("strongroom.node.cli.recover").recover_app
    import_module("strongroom.node.cli.recover_dead").register(recover)
    app.add_typer(recover)


def _mount_bench(app: typer.Typer) -> None:
    import_module("strongroom.node.bench.command").register(app)


_GROUPS: dict[str, Callable[[typer.Typer], None]] = {
    "cluster": _mount_group("cluster", "cluster_app"),
    "node": _mount_node,
    "found": _mount_group("found", "found_app"),
    "keys": _mount_group("keys", "keys_app"),
    "custodian": _mount_custodian,
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
}
_COMMANDS = {"call": "ledger", "query": "ledger", "receipt": "ledger", "verify": "ledger"}
"""Commands whose group has another name."""


def make_app(command: str | None = None) -> typer.Typer:
    """The application: with the one group that has this command, or with all."""
    app = _root()
    group = _COMMANDS.get(command or "", command or "")
    for mount in [_GROUPS[group]] if group in _GROUPS and command != "ledger" else _GROUPS.values():
        mount(app)
    return app


def make_overview() -> typer.Typer:
    """The application as `--help` shows it: every name, and none of their modules."""
    from strongroom.node.cli.overview import mount_words

    app = _root()
    mount_words(app)
    return app


def _root() -> typer.Typer:
    app = typer.Typer(name="strongroom", no_args_is_help=True, add_completion=False, epilog=_EPILOG)

    @app.callback()
    def strongroom(
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
        from strongroom.node.terminal.printing import take_any_text

        take_any_text()

    return app


def main() -> None:
    """The console script."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        _print_version()
        return
    try:
        if set(arguments) <= {"--help"}:
            make_overview()()
        make_app(next((argument for argument in arguments if not argument.startswith("-")), None))()
    except KeyboardInterrupt:
        from strongroom.node.terminal.exits import INTERRUPTED

        sys.exit(INTERRUPTED)


def _on_version(wanted: bool) -> None:
    if wanted:
        _print_version()
        raise typer.Exit


def _print_version() -> None:
    print(f"strongroom {metadata.version('strongroom')}")
