"""`strongroom vault …`: keys that only attested rooms may use, while their owner agrees.

Owns the group's name. What fills, stops and changes keys is in vault_terms.py, vault_sealing.py and
vault_turns.py; what reads, in vault_reading.py; how a call is made and a refusal shown, in
program_calls.py; policies, looked at offline, in vault_policy.py.
"""

import typer

from strongroom.node.cli import vault_reading, vault_sealing, vault_terms, vault_turns
from strongroom.node.cli.vault_policy import policy_app

vault_app = typer.Typer(
    name="vault",
    no_args_is_help=True,
    help="Keys that only attested rooms may use, while their owner agrees.",
)
vault_app.add_typer(policy_app)
for part in (vault_terms, vault_sealing, vault_turns, vault_reading):
    part.register(vault_app)
