"""docs/interfaces.md from the code: every command with its options, every JSON-RPC method, every
error code; with it the pages of reference_operations.py: every metric, every event of the log.

Owns the page's form and its few words about what no table holds. Run `./scripts/reference` after a
change of commands or methods; a test compares. What shells complete is written with it
(completions.py).
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from scripts import completions, reference_operations

from strongroom.enclave.formats.outcome import Code
from strongroom.node import faults
from strongroom.node.cli.main import make_app
from strongroom.node.rpc.jsonrpc import InternalError, InvalidParams, MethodNotFound
from strongroom.node.rpc.methods import METHODS
from strongroom.node.rpc.openrpc import openrpc

PAGE = Path(__file__).resolve().parents[1] / "docs" / "interfaces.md"
HEAD = """# Interfaces: commands, JSON-RPC, Python

Written by `./scripts/reference` from the code; do not edit by hand. Stable names: tools outside the
project may rely on them, and a change keeps an alias and a line in [CHANGELOG.md](../CHANGELOG.md).

## Conventions

Every command has `--help` with an example and `--json`: one document, or one a line, with stable
keys and nothing else on standard output. Exit codes: 0 ok, 1 the answer is no, 2 usage or
configuration, 3 unreachable, 4 cannot check. `--dir DIR`, before the command or behind it, or
`STRONGROOM_DIR` names a cluster's folder (default `./strongroom-data`). Commands of `explorer` take
`--field NAME` (that field of the JSON alone, like `anchor.height`), and where everything they show
is public `--from-ledger DIR`: the same JSON from a ledger's files. `DIR/service.json` holds the
pin, the chain, the endpoints and the path of a bundle of the nodes' certificates.

Identities are names in `DIR/keys/` or `id:<hex SHA-256 of the public key>`. Arguments are
`key=value`, read by the program's schema.

## Commands
"""
RPC = """
## JSON-RPC 2.0

`POST /rpc` (JSON, batches, notifications), `GET /ws` (the same methods and subscriptions; text
frames are JSON, binary frames msgpack of the same shape), `GET /openrpc.json`, `GET /health/live`,
`GET /health/ready`, `GET /metrics`. Digests and keys are lowercase hex, envelopes base64; in
msgpack frames both are raw bytes. Unknown parameters are an error.

| method | parameters | what it does |
|---|---|---|
"""
ERRORS = """
| code | name | meaning |
|---|---|---|
"""
REFUSALS = """
## What becomes of an envelope

Every ordered envelope has a public code. All but `executed` are refusals: nothing was changed.

| code | name | what to do |
|---|---|---|
"""
NEXT = {
    Code.EXECUTED: "open the sealed result; what a program refuses stands inside it",
    Code.DUPLICATE: "nothing: it took effect before, `ledger_transaction` says where",
    Code.OUTSIDE_WINDOW: "seal it anew: its session has gone on by 1,024 calls",
    Code.UNKNOWN_SESSION: "send the same envelope again: its opening may come later",
    Code.DOES_NOT_OPEN: "seal or sign it anew, for this chain and epoch",
    Code.WRONG_EPOCH: "seal it anew in the newest epoch",
    Code.MALFORMED: "make it by the client: these bytes mean nothing",
    Code.SESSIONS_FULL: "wait for the next epoch, or use a session that is open",
    Code.REFUSED: "governance refuses it; its plain result says why",
    Code.INTERNAL: "a bug of the enclave's code: report it",
    Code.NOT_ADMITTED: "have a member bring the identity: `strongroom users bring`",
    Code.TOO_MANY_SESSIONS: "use one session for many calls, or wait for the next epoch",
    Code.NO_ROOM: "send the same envelope again: others' public words filled its block",
    Code.LOST: "send it anew: it was not executed before the service was lost (docs/recovery.md)",
}
SEALED = """
A program's own refusal is sealed: code and message in the result. Any program may answer
`arguments`, `budget exceeded` (the call takes more steps than one may: do less at a time), `quota`,
`result too large`, `internal`, `no room`. The last says that others filled the call's block:
nothing was changed. The client believes it once a verified receipt names that very result, and then
seals the call anew, 16 times at most; without such a receipt in its time the call ends as
unreachable, with its id, and nothing is sealed anew: its fate is open. A public transaction is
ordered again, the same envelope, while its time lasts.
"""
PYTHON = """
## Python

```python
from strongroom.node.client import Client

async with Client.connect("strongroom-data", identity="alice") as client:
    done = await client.call("payments.transfer", to="bob", amount=5)
    receipt = await done.receipt()
```

`Client` checks the service's evidence against the pin before it seals, tries again with the same
envelope, moves to another node when one is down, and has a synchronous twin, `SyncClient`. All of
it: [client.md](client.md).
"""


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Each command that does something, with its words on the line."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name in sorted(children):
        if not children[name].hidden:
            yield from commands(children[name], f"{path} {name}".strip())


def first_sentence(text: str | None) -> str:
    """The first sentence of a docstring, on one line."""
    line = " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split())
    return line.split(". ")[0].rstrip(".").replace("|", "\\|")


def usage(command: Any) -> str:
    """Arguments and options as they are typed."""
    words = []
    for parameter in command.params:
        if parameter.name == "help":
            continue
        if parameter.param_type_name == "argument":
            name = (parameter.metavar or parameter.name.upper()).strip("[]")
            words.append(name if parameter.required else f"[{name}]")
        else:
            words.append(f"[{max(parameter.opts, key=len)}]")
    return " ".join(words).replace("|", "\\|")


def page() -> str:
    """The whole page."""
    root = typer.main.get_command(make_app())
    lines = [HEAD, "| command | arguments and options | does |", "|---|---|---|"]
    for name, command in commands(root, ""):
        lines.append(f"| `{name}` | `{usage(command)}` | {first_sentence(command.help)} |")
    text = "\n".join(lines) + "\n" + RPC
    for method in openrpc(METHODS.values())["methods"]:
        names = (f"{one['name']}{'' if one.get('required') else '?'}" for one in method["params"])
        text += (
            f"| `{method['name']}` | {', '.join(names) or '–'} | "
            f"{first_sentence(method['summary'])} |\n"
        )
    text += ERRORS
    kinds = {
        kind for kind in vars(faults).values() if isinstance(kind, type) and hasattr(kind, "code")
    }
    kinds |= {MethodNotFound, InvalidParams, InternalError}
    for kind in sorted(kinds - {faults.RpcFault}, key=lambda kind: kind.code):
        text += f"| `{kind.code}` | {kind.__name__} | {first_sentence(kind.__doc__)} |\n"
    text += REFUSALS
    for code in Code:
        text += f"| {int(code)} | `{code.text}` | {NEXT[code]} |\n"
    return text + SEALED + PYTHON


PAGES = {PAGE: page, **reference_operations.PAGES}


def main() -> int:
    """Write the pages, or with `--check` compare them; exit 1 if one differs."""
    if "--check" in sys.argv[1:]:
        written = all(file.read_text() == made() for file, made in PAGES.items())
        return int(not written or not completions.are_written())
    for file, made in PAGES.items():
        file.write_text(made())
    completions.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
