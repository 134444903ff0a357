"""Where privileged access lies in the state (its rules: enclave/governance/grants.py).

The maps are governance's, so that governance reads them without a runner; a caller's role for a
limited time is read here too, by the programs' context.
"""

from strongroom.enclave.programs.governance import governance

GRANTS = governance.map("grants", key=str, value=bytes)
"""Id → the encoded record: see governance/grant_records.py."""
AFFILIATIONS = governance.map("affiliations", key=bytes, value=str)
"""Ed25519 key of a member or asker → the operator that it acts for, as members say."""
ACCESS_EVENTS = governance.map("access_events", key=int, value=(str, str, str, int, int))
"""Number, from 1 → (kind, grant id or node, words, height, block time): the newest alone."""
HELD_ROLES = governance.map("held_roles", key=(bytes, str, str), value=(int, str, int, int))
"""(identity, program, role) → (until which block time, grant id, uses, time of the newest use)."""
