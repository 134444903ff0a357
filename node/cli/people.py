"""`strongroom people …`: what a person asks his provider for, presents, and where he stands.

Owns options and words of these commands. A token is read from a file or standard input, never from
an argument: arguments stand in lists of processes. Issuers: people_issuers.py.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
    existing_directory,
)
from strongroom.node.cli.people_issuers import issuer_app
from strongroom.node.cli.program_calls import AsOption, Caller, ask, call
from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.terminal.printing import emit, note, say
from strongroom.node.terminal.tables import paragraph

TOKEN_FILE_BYTES_MAX = 64 * 1024
people_app = typer.Typer(
    name="people",
    no_args_is_help=True,
    help="People: in which region they are, by the word of their OpenID provider.",
)
people_app.add_typer(issuer_app)


@people_app.command()
@guarded
def nonce(
    identity: AsOption, directory: DirectoryOption = DEFAULT_DIR, as_json: JsonOption = False
) -> None:
    """Print the nonce that an ID token must carry to be presented by this identity, here and
    nowhere else: give it to your provider when you log in. Nothing is sent.

    Example: strongroom people nonce --as alice
    """
    from strongroom.enclave.programs.people.checking import nonce_of
    from strongroom.node.client.trust.service import load_service

    service = load_service(existing_directory(directory))
    text = nonce_of(service.chain, service.keys.show(identity).id)
    emit({"nonce": text, "identity": identity}, as_json, lambda: say(text))


@people_app.command()
@guarded
def present(
    identity: AsOption,
    issuer: Annotated[
        str, typer.Option("--issuer", metavar="URL", help="Of the token, as in its iss.")
    ],
    token: Annotated[
        Path | None,
        typer.Option(
            "--token-file", metavar="FILE", help="An ID token; standard input without this."
        ),
    ] = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Present an ID token: be in the region that it tells, until it ends.

    Example: strongroom people present --issuer https://id.example --token-file t --as alice
    """
    text = _read_token(token)
    caller = Caller(identity, directory, timeout, as_json)
    call(caller, "people.present", {"issuer": issuer, "token": text}, _show_presented)


@people_app.command()
@guarded
def show(
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Show where an identity stands, by whose word, and until when. Only it can ask.

    Example: strongroom people show --as alice
    """
    found = ask(Caller(identity, directory, timeout, as_json), "people.standing", {})
    emit(found, as_json, lambda: _show_standing(found))


@people_app.command()
@guarded
def withdraw(
    identity: AsOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Be in no region any more, until a newer token is presented.

    Example: strongroom people withdraw --as alice
    """
    caller = Caller(identity, directory, timeout, as_json)
    call(caller, "people.withdraw", {}, lambda _: say("nobody vouches for you any more"))


def _read_token(path: Path | None) -> str:
    """The token, without the space around it.

    Raises:
        ClientFault: there is none.
    """
    try:
        if path is None:
            if sys.stdin.isatty():
                note("paste the ID token, then press Enter and Ctrl-D")
            data = sys.stdin.buffer.read(TOKEN_FILE_BYTES_MAX + 1)
        else:
            with path.open("rb") as file:
                data = file.read(TOKEN_FILE_BYTES_MAX + 1)
    except OSError as fault:
        raise ClientFault(f"{path}: {fault.strerror}") from None
    text = data.strip()
    if not text or len(data) > TOKEN_FILE_BYTES_MAX or not text.isascii():
        raise ClientFault(
            "no ID token: expected three parts with dots between, from --token-file or standard "
            "input; ask your provider for one with the nonce of `strongroom people nonce`"
        )
    return text.decode("ascii")


def _show_presented(document: dict[str, Any]) -> None:
    result = document["result"]
    paragraph(
        f"you are in {result['region']} until {_time(result['until_ms'])}, by {result['issuer']}"
    )


def _show_standing(found: dict[str, Any]) -> None:
    if found["issuer"] is None:
        say("nobody vouches for where you are: present an ID token")
        return
    until = _time(found["until_ms"])
    if found["region"] is None:
        paragraph(f"nobody vouches for where you are now: {found['issuer']} did, until {until}")
        note("if that time has not come, members removed the issuer or its key")
        return
    paragraph(f"you are in {found['region']} until {until}, by {found['issuer']}")


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
