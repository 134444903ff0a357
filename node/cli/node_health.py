"""`strongroom node health`: is the node of this folder up, by its own word; for supervisors.

Owns the exit status: 0 yes, 1 no, 2 the configuration cannot be read, 3 nobody answers. It asks the
socket of health where there is one, which clients cannot fill; else the door of clients, over TLS,
and takes no other certificate than the one in the node's folder. It reads no key and no secret.
"""

from http import HTTPStatus
from ipaddress import ip_address
from typing import Annotated, Any

import typer

from strongroom.node.cli.node import ConfigOption
from strongroom.node.config import Address, NodeConfig, load
from strongroom.node.terminal.commands import JsonOption, fail, guarded
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit, say

_SECONDS = 5.0


def register(app: typer.Typer) -> None:
    """Mount the command."""
    app.command()(health)


@guarded
def health(
    config: ConfigOption,
    live: Annotated[
        bool, typer.Option("--live", help="Only whether its process answers, not whether it votes.")
    ] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds.")] = _SECONDS,
    as_json: JsonOption = False,
) -> None:
    """Ask the node of this folder whether it takes part; exit 0 when it does, 1 when not yet, 3
    when it does not answer.

    Example: strongroom node health --config /var/lib/strongroom/n1/node.toml
    """
    word = "live" if live else "ready"
    try:
        good, told = _ask(load(config), word, timeout)
    except _Silent as fault:
        fail(f"no answer: {fault}", ExitCode.UNREACHABLE)
    emit(told, as_json, lambda: say(word if good else f"not {word}: {_reason(told)}"))
    if not good:
        raise typer.Exit(ExitCode.NO)


class _Silent(Exception):
    """Nobody answers, or with something else than asked for."""


def _ask(config: NodeConfig, word: str, seconds: float) -> tuple[bool, dict[str, Any]]:
    from strongroom.node import tls
    from strongroom.node.rpc import probe

    plain = config.health
    context = None if plain else tls.client_context(config.layout.tls_certificate)
    address = here(plain or config.rpc)
    try:
        status, told = probe.health(address, context, word, seconds=seconds)
    except probe.NoAnswer as fault:
        raise _Silent(fault) from None
    return status == HTTPStatus.OK and told.get(word) is True, told


def here(address: Address) -> Address:
    """Where this machine reaches what it listens on: 0.0.0.0 and :: are every address of it."""
    try:
        ip = ip_address(address.host)
    except ValueError:
        return address
    if not ip.is_unspecified:
        return address
    return Address("127.0.0.1" if ip.version == 4 else "::1", address.port)


def _reason(told: dict[str, Any]) -> str:
    words = (f"{name} {value}" for name, value in told.items() if not isinstance(value, bool))
    return ", ".join(words) or "it says no more"
