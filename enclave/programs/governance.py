"""Where governance lies in the state (its rules: enclave/governance/).

Always active. No transactions and no queries: all of it is public, and changed by public
transactions only.
"""

from strongroom.enclave.programs.framework import Program

governance = Program("governance")

STANDING = governance.map("standing", key=str, value=bytes)
"""Single things by name, encoded: policy, tenure, tenure before, due, winner, wish, rotation,
grace."""
MEMBERS = governance.map("members", key=str, value=bytes)
"""Name → Ed25519 key."""
ROLES = governance.map("roles", key=(str, str, bytes), value=bool)
"""(program, role, identity) → True."""
LIMITS = governance.map("limits", key=str, value=int)
THRESHOLDS = governance.map("thresholds", key=str, value=str)
"""Class of changes → what it asks for, where that is no majority."""
WATCHERS = governance.map("watchers", key=str, value=bool)
"""Name of a member with weight 0 → True."""
PROGRAM_REGIONS = governance.map("program_regions", key=str, value=str)
"""Program, or `service` → places from which it may be called, a line each (programs/regions.py)."""
NODES = governance.map(
    "nodes",
    key=bytes,
    value=(
        str,
        str,
        str,
        bytes,
        bytes,
        bytes,
        bytes,
        int,
        str,
        str,
        str,
        int,
        int,
        int,
        bytes,
        str,
        int,
        bool,
    ),
)
"""Node key → the other fields of Node, in their order."""
WRAPS = governance.map("wraps", key=(bytes, int), value=bytes)
"""(node key, epoch) → the public key to which that epoch's secret may be wrapped."""
PROPOSALS = governance.map(
    "proposals", key=str, value=(bytes, bytes, str, bytes, str, int, int, int, str)
)
"""Id → (digest, proposer, change, encoded arguments, status, proposed, decided, activates, note);
of several changes the change is "", and the arguments are all of them."""
LIFETIMES = governance.map("lifetimes", key=str, value=int)
"""Proposal id → milliseconds in which it must be decided, where its proposer named them."""
BALLOTS = governance.map("ballots", key=(str, bytes), value=bool)
"""(proposal id, member's key) → yes."""
ARCHIVE = governance.map("archive", key=str, value=int)
"""Ids of proposals that are no longer shown → when they were decided: no replay opens one again
(T43)."""
PROPOSED = governance.map("proposed", key=bytes, value=int)
"""Member's key → proposals ever made."""
OFFERS = governance.map("offers", key=int, value=(bytes, bytes, bytes, bytes))
"""Order of execution, from 1 → (digest, offerer, public key, encoded wraps)."""
READIES = governance.map("readies", key=(bytes, bytes), value=(bytes, bytes))
"""(offer digest, node key) → (vote key, wrap key)."""
OFFENCES = governance.map("offences", key=(bytes, int), value=(str, int))
"""(node key, epoch) → (what, height of the block that recorded it)."""
REFRESHES = governance.map("refreshes", key=bytes, value=int)
"""Node key → block time of its last refresh."""
EPOCHS = governance.map("epochs", key=int, value=(bytes, bytes, int, int, int, str))
"""Epoch → (description digest, public key digest, members, anchor height, anchor's block time, why
it began)."""
CLOCK = governance.map("clock", key=int, value=(int, int))
"""Slot → (active clock, block time): the newest block's at -1, those of the recent ones by height.
Every replica moves it on by itself at every block, so it is in no write set."""
ISSUERS = governance.map("issuers", key=str, value=bytes)
"""Issuer's URL → Issuer, encoded (enclave/governance/issuers.py)."""
ISSUER_KEYS = governance.map("issuer_keys", key=(str, str), value=(int, str, str, bytes, bool))
"""(issuer's URL, kid) → (serial, algorithm, public key as a JWK, its thumbprint, came by
observation). A serial is given once: who holds an older one was signed by another pin."""
UNPINNED = governance.map("unpinned", key=(str, bytes), value=bool)
"""(issuer's URL, thumbprint) of each key that members removed: no observation brings it back."""
OBSERVATIONS = governance.map("observations", key=(str, str), value=(int, bytes, bytes))
"""(issuer's URL, operator) → (block time, node key, encoded digests of the keys that its node
saw)."""
RECOVERY_KEYS = governance.map("recovery-keys", key=bytes, value=(bytes, bytes, int, int))
"""Member's key → (X-Wing key, point of P-256 or b"", height that it named, block time)."""
GENERATIONS = governance.map(
    "generations", key=int, value=(bytes, bytes, int, bytes, int, int, int, bool)
)
"""Number → (digest, basis, stain, maker's node key, parts, height, block time, active): at most
the active one and a newer one."""
GENERATION_PARTS = governance.map("generation-parts", key=(int, int), value=(bytes, int))
"""(number, part) → (bytes, height)."""
SHARES_HELD = governance.map("shares-held", key=(int, bytes), value=(bool, int))
"""(number, member's key) → (does it open?, block time)."""
GENERATION_CHECKS = governance.map("generation-checks", key=(int, bytes), value=bool)
"""(number, node key) → True."""
EPOCH_BOXES = governance.map("epoch-boxes", key=(int, int, bytes), value=bytes)
"""(number, epoch, node key) → that epoch's sealed secret, by that node's word; under b"" when
enough say the same."""
