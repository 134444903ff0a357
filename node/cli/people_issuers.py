"""`strongroom people issuer …`: whose word on people counts; what members propose about it.

Owns options and words of these commands. What they propose is voted on like any other change
(gov.py); looking needs no key.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.node.cli import gov
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
    existing_directory,
)
from strongroom.node.cli.gov import MemberOption
from strongroom.node.terminal.commands import JsonOption, guarded, run
from strongroom.node.terminal.printing import emit, note
from strongroom.node.terminal.tables import facts, paragraph, table

if TYPE_CHECKING:
    from strongroom.enclave.governance.document import Document

issuer_app = typer.Typer(
    name="issuer", no_args_is_help=True, help="Issuers that members chose, and their keys."
)
UrlArgument = Annotated[
    str, typer.Argument(metavar="URL", help="As it stands in the iss of its tokens.")
]


@issuer_app.command("list")
@guarded
def list_(directory: DirectoryOption = DEFAULT_DIR, as_json: JsonOption = False) -> None:
    """List the issuers whose tokens count here.

    Example: strongroom people issuer list
    """
    from strongroom.node.client.people import issuer_documents

    found = issuer_documents(run(_state(existing_directory(directory))))

    def human() -> None:
        rows = [
            [one["issuer"], one["audience"], one["claim"], str(len(one["keys"])), _keys_by(one)]
            for one in found
        ]
        table(("issuer", "audience", "claim", "keys", "new keys"), rows)
        if not found:
            note("members chose no issuer yet: see `strongroom people issuer add --help`")

    emit(found, as_json, human)


@issuer_app.command()
@guarded
def show(
    url: UrlArgument, directory: DirectoryOption = DEFAULT_DIR, as_json: JsonOption = False
) -> None:
    """Show one issuer: what its claims mean, its pinned keys, what operators see beside them.

    Example: strongroom people issuer show https://id.example
    """
    from strongroom.node.client.people import find_issuer

    found = find_issuer(run(_state(existing_directory(directory))), url)
    emit(found, as_json, lambda: _show(found))


@issuer_app.command()
@guarded
def add(
    url: UrlArgument,
    member: MemberOption,
    audience: Annotated[
        str, typer.Option("--audience", metavar="TEXT", help="The one aud of its tokens.")
    ],
    claim: Annotated[
        str, typer.Option("--claim", metavar="NAME", help="Which claim tells the region.")
    ],
    regions: Annotated[
        list[str],
        typer.Option("--region", metavar="VALUE=REGION", help="What a value means; repeat it."),
    ],
    guests: Annotated[
        str,
        typer.Option(
            "--guests",
            metavar="JSON",
            help='How guests are told: {"claim":"acct","guest":1,"member":0}; "region" maps them.',
        ),
    ] = "none",
    life: Annotated[
        int, typer.Option("--life", min=60, max=86_400, help="Longest life of a token, seconds.")
    ] = 86_400,
    votes_only: Annotated[
        bool, typer.Option("--votes-only", help="Its keys come by vote alone, not by observation.")
    ] = False,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Propose an issuer; its keys are proposed after it was taken.

    Example: strongroom people issuer add https://id.example --audience ledger --claim ctry
    --region DE=europe --as member0
    """
    values = {
        "issuer": url,
        "audience": audience,
        "claim": claim,
        "regions": json.dumps(_regions(regions)),
        "guests": guests,
        "life_ms": str(life * 1000),
        "observed": "false" if votes_only else "true",
    }
    _propose("add_issuer", values, member, timeout, directory, as_json)


@issuer_app.command("add-key")
@guarded
def add_key(
    url: UrlArgument,
    member: MemberOption,
    jwks: Annotated[
        Path, typer.Option("--jwks", metavar="FILE", help="A key set as the issuer publishes it.")
    ],
    kid: Annotated[
        str | None, typer.Option("--kid", metavar="KID", help="Which one, when it has several.")
    ] = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Propose to pin a key of an issuer.

    Example: strongroom people issuer add-key https://id.example --jwks jwks.json --as member0
    """
    from strongroom.enclave.outside.jwks import read_key_set

    try:
        keys = read_key_set(jwks.read_bytes(), url)
    except OSError as fault:
        raise ClientFault(f"{jwks}: {fault.strerror}") from None
    found = [key for key in keys if kid in (None, key.kid)]
    if len(found) != 1:
        names = ", ".join(key.kid for key in keys) or "none that can be pinned"
        raise ClientFault(f"{jwks} has the keys {names}: name one of them with --kid")
    key = found[0]
    values = {"issuer": url, "kid": key.kid, "algorithm": key.algorithm, "key": key.jwk}
    _propose("add_issuer_key", values, member, timeout, directory, as_json)


@issuer_app.command()
@guarded
def remove(
    url: UrlArgument,
    member: MemberOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Propose to remove an issuer: when members agree, all that it vouched for ends at once.

    Example: strongroom people issuer remove https://id.example --as member0
    """
    _propose("remove_issuer", {"issuer": url}, member, timeout, directory, as_json)


@issuer_app.command("remove-key")
@guarded
def remove_key(
    url: UrlArgument,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its kid or thumbprint.")],
    member: MemberOption,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Propose to remove a key: when members agree, what it signed ends, and no operator's
    observation brings it back.

    Example: strongroom people issuer remove-key https://id.example 2026-01 --as member0
    """
    from strongroom.enclave.tokens.jose import encode_base64url
    from strongroom.node.client.people import find_key

    found = find_key(run(_state(existing_directory(directory))), url, key)
    values = {"issuer": url, "key": encode_base64url(found.thumbprint)}
    _propose("remove_issuer_key", values, member, timeout, directory, as_json)


def _propose(
    change: str,
    values: dict[str, str],
    member: str,
    timeout: float,
    directory: Path,
    as_json: bool,
) -> None:
    texts = [f"{name}={value}" for name, value in values.items()]
    gov.propose(member, [change, *texts], None, None, timeout, directory, as_json)


def _regions(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        value, sign, region = text.rpartition("=")
        if not sign or not value or not region or value in found:
            raise ClientFault(f"--region {text!r}: write VALUE=REGION, each value once")
        found[value] = region
    return found


async def _state(directory: Path) -> "Document":
    from strongroom.node.client.audit.reader import Reader
    from strongroom.node.client.governing import read_public_state
    from strongroom.node.client.trust.service import load_service

    async with Reader(load_service(directory)) as reader:
        return await read_public_state(reader)


def _keys_by(one: dict[str, Any]) -> str:
    return "f+1 operators or a vote" if one["observed"] else "a vote alone"


def _show(one: dict[str, Any]) -> None:
    guests = one["guests"]
    facts(
        [
            ("issuer", one["issuer"]),
            ("audience", one["audience"]),
            ("region by claim", one["claim"]),
            *((f"  {entry['value']}", entry["region"]) for entry in one["regions"]),
            ("guests", "not asked" if guests is None else _guests(guests)),
            ("tokens live at most", f"{one['life_ms'] // 1000} s"),
            ("new keys by", _keys_by(one)),
        ]
    )
    rows = [[key["kid"], key["algorithm"], key["thumbprint"], key["by"]] for key in one["keys"]]
    table(("key", "algorithm", "thumbprint", "pinned by"), rows)
    for seen in one["seen"]:
        paragraph(f"not pinned, seen by {', '.join(seen['operators'])}: {seen['digest'][:16]}…")
    if one["removed"]:
        paragraph(f"removed by vote, which no observation brings back: {', '.join(one['removed'])}")


def _guests(rule: dict[str, Any]) -> str:
    fate = f"count as being in {rule['region']}" if rule["region"] else "are refused"
    return f"{rule['claim']}={json.dumps(rule['guest'])}: they {fate}"
