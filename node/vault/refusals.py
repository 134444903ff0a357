"""What the vault refuses, by its code: what that means for an owner or a plant, and what to do next
(VAULT §3).

Owns these words alone. The first refusal that applies is the one that is answered, in this order;
but members' rules of regions are asked before all others (enclave/programs/regions.py).
"""

NEXT = {
    "no-key": "check the owner and the name with `strongroom vault keys`, or `vault show KEY`",
    "suspended": "the owner lets it go on with `strongroom vault resume KEY`",
    "revoked": "it stays so: the owner rotates to a new version, or makes a new key",
    "not-approved": "the key's approvers consent with `strongroom vault approve CHANGE`",
    "evidence": "start the program by `strongroom room run` on a machine whose chip answers",
    "simulated": "use a chip of genuine silicon; a key that may be tried out says so in its policy",
    "policy": "`strongroom vault policy explain FILE --evidence E` prints each condition",
    "not-this-hardware": "run on a chip that the policy names, or have the owner name this one",
    "machine-busy": "end the other job on this machine, or wait until its lease is over",
    "clone": "two starts of one room were seen: its owner keeps one, `strongroom vault resolve`",
    "outside-window": "ask within the key's window; `strongroom vault show KEY` prints it",
    "quantity": "all licensed units are reserved or made: the owner licenses more, `vault change`",
    "lapsed": "the lease is over and what it reserved is lost: ask for a new one",
    "region": "go where the policy allows it, or `strongroom people present`; `explorer regions`",
    "no-one-in-region": "no issuer speaks of a region of the rule: `explorer region-rules`",
    "custodian-away": "ask the named customer: its custodian or its HSM does not answer",
}
"""Code → the next step."""


def next_step(code: str) -> str:
    """What to do after a refusal; nothing where the program's own words are all there is."""
    return NEXT.get(code, "")
