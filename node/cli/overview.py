"""`strongroom --help`: all groups and commands with their first words, without loading one of them.

Owns these words a second time; tests/node/cli/test_overview.py compares them with the first.
"""

from collections.abc import Callable

import typer

COMMANDS = {
    "call": "One transaction: sealed, ordered, executed, its result opened.",
    "query": "One sealed query on executed state.",
    "receipt": "Fetch a transaction's receipt, verify it against the pin, write it to a file.",
    "trust": "Say what is promised, what it rests on, and exactly which code must be trusted for "
    "it.",
    "bench": "Measure sealed transactions on a cluster of its own on this machine.",
}
GROUPS = {
    "cluster": "A cluster of real node processes on this machine, in one folder (attestation is "
    "SIMULATED).",
    "node": "One node, on its own machine.",
    "found": "Found a service between organisations, by files that they exchange.",
    "keys": "Identities: who calls, queries and votes.",
    "custodian": "The customer's process beside an HSM: halves of split keys for rooms with live "
    "leases.",
    "verify": "Offline checks, against nothing but a pin.",
    "explorer": "The block explorer: ledger and nodes as seen.",
    "gov": "Governance: signed, public, counted votes of the members.",
    "admin": "Privileged access: one begin, one operation, approved by members of other operators.",
    "attest": "Evidence of running nodes (says SIMULATED where no silicon stands behind).",
    "vault": "Keys that only attested rooms may use, while their owner agrees.",
    "room": "Rooms: measured programs that open keys as long as their owner agrees.",
    "rooms": "Clean rooms: many owners' data, one agreed program, the result to whom it names.",
    "data": "Data sets of clean rooms: rows that leave you sealed, and that jobs alone open.",
    "residency": "Where keys could be opened, and by whose word.",
    "people": "People: in which region they are, by the word of their OpenID provider.",
    "recover": "Shares of the key to the ledger, among members: kept, checked, given after a "
    "disaster.",
    "users": "Users of the service: a member's own, and oneself.",
}


def mount_words(app: typer.Typer) -> None:
    """Mount every name with its words, and nothing behind it."""
    for name, words in COMMANDS.items():
        app.command(name, help=words)(_nothing(name))
    for name, words in GROUPS.items():
        group = typer.Typer(name=name, help=words)
        group.command("nothing")(_nothing(name))
        group.callback()(_nothing(name))
        app.add_typer(group, name=name, help=words)


def _nothing(name: str) -> Callable[[], None]:
    def nothing() -> None:
        raise AssertionError(f"{name} is shown here, and run by its own module")

    return nothing
