"""What people write in the laundering scenario: terms, contracts, queries.

Owns the texts, as files of TOML and SQL that commands would take (docs/clean-rooms.md).
"""

from collections.abc import Sequence

TRANSFERS, ACCOUNTS = "transfers", "accounts"
ROUND_TRIPS, SCATTER_GATHER = "aml.round_trips", "aml.scatter_gather"
K = 5
"""Distinct accounts of every group that a query may show."""


def room_terms(banks: Sequence[str], analyst: str, regulator: str) -> str:
    """Banks that own and are given alerts, an analyst, a regulator who is given the case."""
    parties = [f'{bank} = ["owner", "recipient"]' for bank in banks]
    parties += [f'{analyst} = ["analyst", "recipient"]', f'{regulator} = ["auditor", "recipient"]']
    rows = "\n".join(parties)
    return f"""name = "rings"
purpose = "laundering rings that no bank sees alone"
regions = ["zurich"]
executors = 2
agreement = 2

[parties]
{rows}
"""


def transfer_terms(recipients: Sequence[str]) -> str:
    """What a bank lets be done with its transfers."""
    return f"""{_common(recipients)}
[tables.{TRANSFERS}]
unit = "from_account"
k = {K}

[tables.{TRANSFERS}.columns]
from_bank = {{ type = "text", uses = ["group", "output"] }}
from_account = {{ type = "text", uses = ["identity"] }}
to_bank = {{ type = "text", uses = ["group", "output"] }}
to_account = {{ type = "text", uses = [] }}
time = {{ type = "integer", uses = [] }}
amount = {{ type = "integer", uses = [] }}
channel = {{ type = "text", uses = ["group", "output"] }}
"""


def account_terms(recipients: Sequence[str]) -> str:
    """What a bank lets be done with the list of its accounts: alerts are told apart by it."""
    return f"""{_common(recipients)}
[tables.{ACCOUNTS}]
unit = "account"
k = {K}

[tables.{ACCOUNTS}.columns]
bank = {{ type = "text", uses = [] }}
account = {{ type = "text", uses = ["identity"] }}
"""


def search_contract(
    program: str, banks: Sequence[str], regulator: str, *, seconds: int, releases: int
) -> str:
    """A program of the library over all banks' transfers: alerts for each bank, a case for the
    regulator once so many have released it."""
    inputs = "".join(
        f'[inputs.{_alias(bank, what)}]\nowner = "{bank}"\ndata = "{what}"\n\n'
        for bank in banks
        for what in (ACCOUNTS, TRANSFERS)
    )
    owners = ", ".join(f'"{bank}"' for bank in banks)
    return f"""name = "{program.partition(".")[2].replace("_", " ")}"
purpose = "aml"
runs = 3
duration = "{seconds}s"
memory_mb = 512

{inputs}[[stages]]
language = "library"
name = "{program}"

[outputs.alerts]
recipients = [{owners}]
filter = "{_alias(banks[0], ACCOUNTS)}"

[outputs.case]
recipients = ["{regulator}"]
releases = {releases}
bytes = 4194304
"""


def query_contract(banks: Sequence[str], analyst: str, *, seconds: int) -> str:
    """A query of the analyst's within what all banks' terms let be asked without a vote."""
    inputs = "".join(
        f'[inputs.{_alias(bank, TRANSFERS)}]\nowner = "{bank}"\ndata = "{TRANSFERS}"\n\n'
        for bank in banks
    )
    return f"""name = "payments by channel"
purpose = "aml"
profile = "free"
runs = 3
duration = "{seconds}s"
memory_mb = 512

{inputs}[[stages]]
language = "sql"
name = "channels"
file = "channels.sql"

[outputs.channels]
recipients = ["{analyst}"]
"""


def channel_query(banks: Sequence[str]) -> str:
    """How many payments went over each channel."""
    rows = " UNION ALL ".join(
        f"SELECT channel, from_account FROM {_alias(bank, TRANSFERS)}"  # noqa: S608
        for bank in banks
    )
    counted = "SELECT channel, count(*) AS payments"
    return f"{counted} FROM ({rows}) GROUP BY channel ORDER BY channel"


def rows_query(banks: Sequence[str]) -> str:
    """What a bank would like to ask about another one: its rows."""
    return f"SELECT from_account, amount FROM {_alias(banks[0], TRANSFERS)}"  # noqa: S608


def _common(recipients: Sequence[str]) -> str:
    people = ", ".join(f'"{one}"' for one in recipients)
    return f"""runs = 20
recipients = [{people}]
programs = ["{ROUND_TRIPS}", "{SCATTER_GATHER}", "free"]
purposes = ["aml"]
"""


def _alias(bank: str, what: str) -> str:
    return f"{bank}_{what}"
