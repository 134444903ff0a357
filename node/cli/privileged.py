"""Who enforces what a privileged person may do, operation by operation, and whether root of the
machine can do it all the same: words of `strongroom trust` (VAULT §6).

Owns these words, as of this version of the code. `bypass` is about root of a node's machine on real
silicon; on a SIMULATED chip root can do whatever an enclave can, and the page says so.
"""

from dataclasses import dataclass

LEDGER, ENCLAVE, CLIENT, NOBODY = "ledger", "enclave", "members' clients", "nobody"
_GRANTS = "tests/enclave/governance/test_grants.py::"
_NODES = "tests/enclave/governance/test_grants_at_nodes.py::"
_ROLES = "tests/enclave/test_roles_by_grant.py::"
_DIAGNOSTICS = "tests/enclave/test_diagnostics.py::"
_RECOVERY = "tests/enclave/test_recovery.py::"
_GIVING = "tests/enclave/outside/test_recovery_giving.py::"


@dataclass(frozen=True, slots=True)
class Privileged:
    """One operation."""

    operation: str
    """As `strongroom admin begin` takes it, or in words when no grant is for it."""
    granted: bool
    """Can it be asked for, so that it is on record?"""
    enforced_by: tuple[str, ...]
    """ledger: a quorum refuses it without a grant; enclave: the node's own does; members' clients:
    each refuses for itself; nobody."""
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
        "can keep the enclave from answering, and, once the act stands, keep a later revocation "
        "from its own enclave; sees when it is asked, and one padded size",
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
        "Every replica gives the role from the begin until block time ends it, or until what was "
        "agreed to counts no more; reads that need it are transactions, counted in public, also "
        "those that fail; a query that needs it is refused.",
        False,
        "can keep transactions of its own node back. A role that members gave by a vote (grant) "
        "is none of these: its reads are silent queries",
        (
            _ROLES + "test_silent_queries_by_a_grant_are_refused",
            _ROLES + "test_the_role_ends_by_block_time_alone",
            _ROLES + "test_the_role_ends_with_what_was_agreed_to",
            _ROLES + "test_reads_that_fail_are_counted",
            _GRANTS + "test_nobody_of_the_askers_operator_approves",
        ),
    ),
    Privileged(
        "upgrade",
        True,
        (LEDGER,),
        "Where members have set upgrade_grants to 1 (0 at first), every replica refuses evidence "
        "of a node with other code but under a begin that names this node and measurement. "
        "Where it is 0, members' list of measurements alone decides. Who approves an upgrade "
        "approves any measurement of that list; the begin names one.",
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
        "is the public event unplanned-start. An enclave that was started from an older copy of "
        "its sealed state finds its number taken on the ledger, and takes the next.",
        True,
        "can restart, and can hide that for as long as it holds the evidence back: until the "
        "members' greatest age suspends the node",
        (
            _NODES + "test_a_start_that_nobody_planned_is_told_and_not_refused",
            _DIAGNOSTICS + "test_a_start_from_a_copy_of_the_disk_is_told_like_any_other",
            _DIAGNOSTICS + "test_of_two_starts_from_one_sealed_state_one_goes_on",
        ),
    ),
    Privileged(
        "recover begin",
        False,
        (NOBODY,),
        "An enclave without keys follows a dead service's ledger, as far as a quorum certified it, "
        "and says what it would go on from. It opens nothing.",
        True,
        "can begin on any ledger that it has, an older one too; nothing comes of it alone",
        (
            _RECOVERY + "test_a_ledger_whose_end_no_quorum_certified_is_no_ground",
            _RECOVERY + "test_a_forged_ledger_is_refused_at_its_height",
        ),
    ),
    Privileged(
        "recover give",
        False,
        (CLIENT,),
        "A member's client judges evidence and ledger against the pin, refuses one that ends below "
        "what its own folder has seen, signs what it agrees to, and seals its share to that "
        "enclave. What no agreeing member saw, nobody misses.",
        False,
        "can show a member an older ledger; only what that member's client has seen refuses it",
        (
            _GIVING + "test_T5B_an_offer_below_what_a_member_knows_is_refused",
            _GIVING + "test_T45_a_forged_offer_is_refused_by_name",
        ),
    ),
    Privileged(
        "recover open",
        False,
        (ENCLAVE, CLIENT),
        "The enclave opens nothing below k shares that count, each given for the very same end of "
        "the ledger; the certificate of the new epoch carries the k agreements, and whoever has "
        "the pin checks them. k members can put their shares together elsewhere: no code stops "
        "that, and then nobody sees it.",
        False,
        "can keep the opened service down; one recovering node is a quorum of one until others "
        "join, so whoever breaks its enclave writes history meanwhile",
        (
            _RECOVERY + "test_T45_fewer_than_k_shares_open_nothing",
            _RECOVERY
            + "test_T45_a_share_that_does_not_count_is_refused_by_name_and_the_others_stand",
            _RECOVERY + "test_T5B_a_forged_certificate_opens_nothing",
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
    "Approvers are members of other operators than the asker's, as the constitution and members' "
    "votes say (set_affiliation); two of one operator count as two. That two keys are two people, "
    "or two operators two companies, no code can tell. An emergency needs one approver; used and "
    "not reviewed within 72 hours it stops all asks. A person's region is asked when something is "
    "begun and acted upon, not at each read."
)
