"""Who must be trusted for what, as `strongroom trust` prints it and docs/vault.md has it.

Owns these words, as of this version of the code; a test compares the page with them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Party:
    """One that takes part."""

    name: str
    sees: str
    can: str
    """If it breaks its word."""
    cannot: str


PARTIES = (
    Party(
        "hosts and operators of nodes and rooms",
        "ciphertext, padded sizes, times, public governance",
        "stop; hold a revocation back for one lease; misname a region",
        "open a key or a piece; make a unit that is not on record; hide a start of a room",
    ),
    Party(
        "one node's enclave, broken into",
        "all `ledger` keys, all ledger halves",
        "give away `ledger` keys",
        "open `split` or `hsm` keys; make a lease that n−f nodes refuse",
    ),
    Party(
        "a customer's custodian",
        "its half, or nothing (`hsm`)",
        "withhold; give its half without a lease",
        "open anything without the ledger's half",
    ),
    Party(
        "a room's enclave, broken into",
        "the pieces that it was given",
        "keep them; make more units than it says",
        "get a further piece; pass for another chip; forge a piece for another room",
    ),
    Party(
        "a key's owner",
        "the data key and the plaintext: both are its own",
        "anything with its own file, without any lease",
        "undo a record; change terms behind approvers whom it has named",
    ),
    Party(
        "a key's approvers, k of them with the owner",
        "terms, leases, records",
        "loosen the terms, after the delay, on record",
        "loosen alone; see a secret",
    ),
    Party(
        "members who govern",
        "what everybody sees",
        "admit a node or a program that gives `ledger` keys away, after the delay, in public",
        "open `split` or `hsm` keys",
    ),
    Party(
        "k members who hold shares, with a copy of the ledger",
        "the state of the epochs that their shares cover, once they put them together",
        "read that, and nobody sees it; end an epoch of a service that lives, in public",
        "open sealed inputs, or what was entrusted to the vault; hide who ended an epoch",
    ),
    Party(
        "an identity provider that members let speak of people",
        "who asks it for a token, for which service",
        "misname a person's region until the token ends; admit whom it likes, up to its quota",
        "act as the person; approve privileged access",
    ),
)
