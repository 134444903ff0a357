"""Who enforces what a privileged person may do, operation by operation, and whether root of the
machine can do it all the same: words of `strongroom trust` (VAULT §6).

Owns these words, as of this version of the code. `bypass` is about root of a node's machine on real
silicon; on a SIMULATED chip root can do whatever an enclave can, and the page says so.
"""

from dataclasses import dataclass

LEDGER, ENCLAVE, NOBODY = "ledger", "enclave", "nobody"
_GRANTS = "tests/enclave/governance/test_grants.py::"
_NODES = "tests/enclave/governance/test_grants_at_nodes.py::"
_ROLES = "tests/enclave/test_roles_by_grant.py::"
_DIAGNOSTICS = "tests/enclave/test_diagnostics.py::"


@dataclass(frozen=True, slots=True)
class Privileged:
    """One operation."""

    operation: str
    """As `strongroom admin begin` takes it, or in words when no grant is for it."""
    granted: bool
    """Can it be asked for, so that it is on record?"""
    enforced_by: tuple[str, ...]
    """ledger: a quorum refuses it without a grant; enclave: the node's own does; nobody."""
    how: str
    bypass: bool
    """Can root of a node's machine do it without a grant, on real silicon?"""
    root: str
    """What root can do about it, in words."""
    evidence: tuple[str, ...] = ()
    """Tests as FILE::NAME."""


PRIVILEGED = (
    Privileged(
        "diagnostics",
        True,
        (LEDGER, ENCLAVE),
        "The node's enclave looks for the executed begin, names what it will give on the ledger, "
        "which takes one act per begin, and gives it when that stands, sealed to the grantee.",
        False,
        "can keep the enclave from answering; sees when it is asked, and one padded size",
        (
            _DIAGNOSTICS + "test_given_once_the_act_stands_and_to_the_grantee_alone",
            _DIAGNOSTICS + "test_a_disk_that_was_put_back_gives_nothing_twice",
            _DIAGNOSTICS + "test_revoked_between_begin_and_act",
            _DIAGNOSTICS + "test_nothing_that_a_user_or_a_key_is",
        ),
    ),
    Privileged(
        "role:PROGRAM:ROLE",
        True,
        (LEDGER,),
        "Every replica gives the role from the begin until block time ends it; reads that need it "
        "are transactions, counted in public; a query that needs it is refused.",
        False,
        "can keep transactions of its own node back. A role that members gave by a vote (grant) "
        "is none of these: its reads are silent queries",
        (
            _ROLES + "test_silent_queries_by_a_grant_are_refused",
            _ROLES + "test_the_role_ends_by_block_time_alone",
            _GRANTS + "test_nobody_of_the_askers_operator_approves",
        ),
    ),
    Privileged(
        "upgrade",
        True,
        (LEDGER,),
        "Where members have set upgrade_grants to 1 (0 at first), every replica refuses evidence "
        "of a node with other code but under a begin that names this node and measurement. "
        "Where it is 0, members' list of measurements alone decides.",
        False,
        "can run other code, which gets no key and no vote of this service by it",
        (
            _NODES + "test_other_code_joins_under_a_grant_alone",
            _NODES + "test_a_node_attests_again_with_other_code_under_a_grant_alone",
            _NODES + "test_other_code_joins_as_before_where_nobody_demands_a_grant",
        ),
    ),
    Privileged(
        "restart",
        True,
        (NOBODY,),
        "Never refused. The enclave's next evidence bears a new boot number; without a begin that "
        "is the public event unplanned-start.",
        True,
        "can restart. It hides that for as long as it holds the evidence back (until the members' "
        "greatest age suspends the node), and whenever it starts from a copy of an older sealed "
        "state, which bears an old number",
        (
            _NODES + "test_a_start_that_nobody_planned_is_told_and_not_refused",
            _DIAGNOSTICS + "test_a_start_from_a_copy_of_the_disk_is_not_told",
        ),
    ),
    Privileged(
        "deleting or copying a node's disks",
        False,
        (NOBODY,),
        "The other nodes hold the ledger; what lies there is sealed or public.",
        True,
        "can delete and copy; a copy opens nothing elsewhere",
    ),
    Privileged(
        "reading the host's memory, files and logs",
        False,
        (NOBODY,),
        "The host never holds plaintext, results or keys of the service.",
        True,
        "sees ciphertext, padded sizes, times, public governance, the connection's key",
    ),
    Privileged(
        "reading the enclave's memory",
        False,
        (ENCLAVE,),
        "The silicon of a real TEE keeps it from the host. Here the platform is SIMULATED, and "
        "only the operating system's walls stand, which are none against root.",
        False,
        "cannot on real silicon, side channels apart; CAN on a SIMULATED chip",
    ),
    Privileged(
        "cutting, delaying or redirecting the network",
        False,
        (NOBODY,),
        "Messages are signed, peers attested; f nodes may be cut off.",
        True,
        "can cut its own node off, or slow it down",
    ),
    Privileged(
        "changing the host's code and configuration",
        False,
        (NOBODY,),
        "Only what an enclave loads is measured.",
        True,
        "can: the host is trusted with nothing but running",
    ),
)
PRIVILEGED_SIMULATED = (
    "All of this is about root on real silicon. The platform here is SIMULATED: root can forge the "
    "evidence of its own machine's chip and read its enclave, so there it can do each of these."
)
PRIVILEGED_PEOPLE = (
    "Approvers are members of other operators than the asker's, as members' votes say "
    "(set_affiliation); that two keys are two people, no code can tell. A person's region is asked "
    "when something is begun and acted upon, not at each read."
)
