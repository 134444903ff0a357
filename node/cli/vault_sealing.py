"""`strongroom vault put | rotate`: a file is sealed, its data key kept, and the ledger told.

Owns options and words of these commands; the order of the steps stands in node/vault/sealing.py.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strongroom.consensus.errors import ClientFault
from strongroom.node.cli.common import (
    DEFAULT_DIR,
    TIMEOUT_SECONDS,
    DirectoryOption,
    TimeoutOption,
    ask_passphrase,
)
from strongroom.node.cli.keys import new_passphrase
from strongroom.node.cli.program_calls import AsOption, Caller, KeyArgument, show_result, transact
from strongroom.node.terminal.commands import JsonOption, guarded
from strongroom.node.terminal.printing import say
from strongroom.node.vault.names import NamedKey, from_now, read_duration

if TYPE_CHECKING:
    from strongroom.node.client.calls.calls import Done
    from strongroom.node.client.client import Client
    from strongroom.node.vault.sealing import Sealed

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="What is sealed.")]
PiecesOption = Annotated[
    str, typer.Option("--pieces", metavar="layers|N", help="Where the file is cut.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="FILE", help="The container; FILE.sealed.")
]
PassphraseOption = Annotated[
    bool, typer.Option("--passphrase", help="Seal the data key's file with a passphrase.")
]

_STANDS = frozenset(("draft", "active", "suspended", "exposed"))
"""States in which what was put is there still."""


def register(app: typer.Typer) -> None:
    """Mount these commands."""
    for command in (put, rotate):
        app.command()(command)


@guarded
def put(
    key: KeyArgument,
    file: FileArgument,
    identity: AsOption,
    pieces: PiecesOption = "layers",
    out: OutOption = None,
    passphrase: PassphraseOption = False,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Seal a file under a new data key and give that to the ledger; the key becomes active.

    The data key stays with you too, in keys/. The same command may be given again after a failure.

    Example: strongroom vault put bear bear.gcode --pieces layers --as maker
    """
    caller = Caller(identity, directory, timeout, as_json)
    named = caller.key(key)

    job = _Job(caller, named, file, out, pieces, passphrase)

    async def act(client: "Client") -> tuple["Done | None", dict[str, Any]]:
        known = await job.known(client)
        sealed = job.seal(client, known, 1)
        given = job.given(known, sealed)
        if given is not None:
            return None, {"result": given, **job.facts(sealed)}
        done = await client.call(
            "vault.put",
            key=named.base,
            secret=sealed.secret.reveal(),
            digest=bytes(sealed.header.digest),
        )
        return done, job.facts(sealed)

    transact(caller, act, lambda document: _show(key, document))


@guarded
def rotate(
    key: KeyArgument,
    file: FileArgument,
    identity: AsOption,
    old_for: Annotated[
        str,
        typer.Option("--old-for", metavar="DURATION", help="How long the old one opens; 0: not."),
    ] = "0",
    pieces: PiecesOption = "layers",
    out: OutOption = None,
    passphrase: PassphraseOption = False,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    directory: DirectoryOption = DEFAULT_DIR,
    as_json: JsonOption = False,
) -> None:
    """Give a key its next version, with a new data key and a new container.

    Example: strongroom vault rotate bear bear.gcode --old-for 2h --out bear-2.sealed --as maker
    """
    caller = Caller(identity, directory, timeout, as_json)
    named, overlap = caller.key(key), read_duration(old_for)

    job = _Job(caller, named, file, out, pieces, passphrase)

    async def act(client: "Client") -> tuple["Done", dict[str, Any]]:
        sealed = job.seal(client, await job.known(client))
        done = await client.call(
            "vault.rotate",
            key=named.base,
            secret=sealed.secret.reveal(),
            digest=bytes(sealed.header.digest),
            old_until_ms=from_now(overlap),
        )
        return done, job.facts(sealed)

    transact(caller, act, lambda document: _show(key, document))


def container_path(file: Path, out: Path | None) -> Path:
    """Where a file's container goes: as `--out` says, or beside it."""
    return file.with_name(file.name + ".sealed") if out is None else out


# --- inside ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Job:
    """One file under one version of one key."""

    caller: Caller
    key: NamedKey
    file: Path
    out: Path | None
    pieces: str
    passphrase: bool

    @property
    def target(self) -> Path:
        """Where the container goes."""
        return container_path(self.file, self.out)

    async def known(self, client: "Client") -> dict[str, Any]:
        """What the ledger has of the key."""
        known: dict[str, Any] = (await client.query("vault.key", key=self.key.base)).value
        return known

    def seal(self, client: "Client", known: dict[str, Any], version: int | None = None) -> "Sealed":
        """Seal the file under the first version, or under the next one.

        Raises:
            ClientFault: the key's terms do not fit.
        """
        from strongroom.node.layout import ClusterLayout
        from strongroom.node.vault.key_files import DataKeyFolder
        from strongroom.node.vault.sealing import Plan, seal

        terms = known["terms"]
        if terms["custody"] != "ledger":
            rotate = " --rotate" if version is None else ""
            raise ClientFault(
                f"the key's custody is {terms['custody']}: its secret is made beside its HSM; run "
                f"`strongroom custodian put {self.key.name} {self.file} --owner "
                f"{self.caller.identity}{rotate}` there"
            )
        own = self.key.at(client.identity.id, version or known["version"] + 1)
        kept = ClusterLayout(self.caller.directory).vault(self.caller.identity)
        plan = Plan(
            source=self.file,
            target=self.target,
            pieces=self.pieces,
            passphrase=new_passphrase() if self.passphrase else "",
            ask=ask_passphrase,
        )
        return seal(plan, DataKeyFolder(kept, client.service.chain), own, terms["pieces"])

    def given(self, known: dict[str, Any], sealed: "Sealed") -> dict[str, Any] | None:
        """What `put` answered to an attempt before: the ledger has this very container; or None."""
        digest = bytes(sealed.header.digest)
        has = any(one["version"] == 1 and one["digest"] == digest for one in known["versions"])
        return (
            {"version": 1, "state": known["state"]} if has and known["state"] in _STANDS else None
        )

    def facts(self, sealed: "Sealed") -> dict[str, Any]:
        """What the answer says beside the ledger's."""
        return {
            "container": str(self.target),
            "digest": sealed.header.digest.hex(),
            "pieces": len(sealed.header.pieces),
            "key_file": str(sealed.key_file),
        }


def _show(key: str, document: dict[str, Any]) -> None:
    result = document["result"]
    show_result(document, f"{key} has version {result['version']} and is {result['state']}")
    say(f"container  {document['container']} ({document['pieces']} pieces): may go anywhere")
    say(f"data key   {document['key_file']}: keep it, and a copy; whoever has it needs no lease")
