"""What a rule of regions is worth, as `strongroom trust` prints it and docs/regions.md has it.

Owns these words, as of this version of the code; a test compares the page with them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of rule."""

    name: str
    asked: str
    """When, and of what."""
    enforced: str
    """By whom, so that who must lie for it to be broken."""
    left: str
    """What it does not hold back."""


RULES = (
    Rule(
        "nodes' regions (allow_region)",
        "at admission and at each attestation, of the region that its operator signed",
        "every replica; a quorum of enclaves must have judged the evidence",
        "an operator that misnames his machine's region: no report of silicon says where it stands",
    ),
    Rule(
        "service and programs (set_program_regions)",
        "before every transaction and query, of the caller's standing at block time",
        "every replica before a transaction; the one enclave that answers, before a query",
        "an identity provider that misnames a person, until the token ends; a person who reads on "
        "for another; a node's state lies in all regions of the service",
    ),
    Rule(
        "a key (person.region, person.country, region, grc.jurisdiction-country)",
        "at each ask and each heartbeat, of who vouches for the room, and of the room",
        "every replica; a custodian asks again of the room, not of the person",
        "pieces that a room has already; a room's operator that misnames its region",
    ),
    Rule(
        "a collection of records (records.restrict)",
        "before it is written and read, of the owner and of auditors alike",
        "as for programs",
        "as for programs; what was read before",
    ),
    Rule(
        "a clean room (people_from, regions)",
        "before a party acts or reads; when a job's executors are drawn",
        "every replica; workers outside are given no key",
        "as for programs; results that were opened before",
    ),
)
