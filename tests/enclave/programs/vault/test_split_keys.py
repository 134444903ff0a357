"""Split keys on the ledger: what an ask tells of them, and an owner's word that puts a wrapped key
in another's place."""

from hashlib import sha256

import pytest
from tests.enclave.chain import person
from tests.enclave.programs.vault.world import (
    IN_WEST,
    OWNER,
    POLICY,
    PRINTERS,
    Room,
    VaultChain,
    policy_of,
)

from strongroom.enclave.formats.vault_claims import LeaseStatement
from strongroom.enclave.outside.split_key import WRAPPED_SIZE
from strongroom.enclave.programs.vault.asking import lease_claim
from strongroom.enclave.programs.vault.tables import Holder, Key
from strongroom.enclave.programs.vault.terms import Terms

CUSTODIAN = "acme"
FIRST, OTHER = b"1" * WRAPPED_SIZE, b"2" * WRAPPED_SIZE
DIGEST = sha256(b"container").digest()


@pytest.fixture
def chain() -> VaultChain:
    return VaultChain()


def split_key(chain: VaultChain, name: str = "toy") -> str:
    chain.must(OWNER, "new", name=name, policy=POLICY, custody="split", custodian=who())
    chain.must(OWNER, "put", key=f"/{name}", secret=b"L" * 32, wrapped=FIRST, digest=DIGEST)
    return f"{chain.owner}/{name}"


def who() -> str:
    return f"id:{person(CUSTODIAN).id.hex()}"


def test_an_ask_tells_all_that_a_room_needs_to_ask_further(chain: VaultChain) -> None:
    chain.must(CUSTODIAN, "announce", endpoint="http://127.0.0.1:7443", customer="Acme Toys")
    answer = chain.lease(Room(), split_key(chain))
    assert (answer["half"], answer["wrapped"], answer["digest"]) == (b"L" * 32, FIRST, DIGEST)
    assert answer["custodian"] == person(CUSTODIAN).id
    assert answer["customer"] == "Acme Toys"
    plain = chain.lease(Room(name="hall-8"), chain.key("plain"))
    assert (plain["digest"], plain["custodian"], plain["customer"]) == (b"", b"", "")


@pytest.mark.parametrize("customer", ["x" * 65, "Acme\x1b[2J", "Acme\nToys"])
def test_a_customers_name_is_a_short_line(chain: VaultChain, customer: str) -> None:
    told = {"endpoint": "http://127.0.0.1:1", "customer": customer}
    assert chain.refused(CUSTODIAN, "announce", **told) == "customer"


def test_a_room_knows_the_very_bytes_of_its_leases_claim() -> None:
    """What LeaseStatement writes outside is what the vault claims."""
    key = Key(b"o" * 32, "toy", "active", 3, 0, 0, 0, True)
    holder = Holder(1, 3, b"s" * 32, b"c" * 32, "hall-7", 4, 5, 6, 7, b"", b"")
    terms = Terms("", "split", b"m" * 32, (), 0, 0, 0, 0, 10, 30, 1, 12, 0)
    claim = lease_claim(key, 3, b"l" * 16, holder, 99, terms)
    assert LeaseStatement.decode(claim).encode() == claim


def test_an_owner_puts_what_a_room_imported_in_place(chain: VaultChain) -> None:
    key, room = split_key(chain), Room()
    assert chain.lease(room, key)["wrapped"] == FIRST
    done = chain.must(OWNER, "rewrap", key=f"{key}@1", wrapped=OTHER)
    assert done == {"version": 1, "state": "active"}
    answer = chain.lease(room.again(chip=Room().chip, who="second", name="hall-8"), key)
    assert (answer["half"], answer["wrapped"], answer["digest"]) == (b"L" * 32, OTHER, b"")
    kept = chain.look(OWNER, "records", key="/toy")["records"]
    assert "rewrap" in [one["what"] for one in kept]


def test_nobody_else_and_no_other_key_takes_one(chain: VaultChain) -> None:
    key = split_key(chain)
    assert chain.refused("mallory", "rewrap", key=key, wrapped=OTHER) == "no-key"
    assert chain.refused(CUSTODIAN, "rewrap", key=key, wrapped=OTHER) == "no-key"
    assert chain.refused(OWNER, "rewrap", key=key, wrapped=b"") == "wrapped"
    assert chain.refused(OWNER, "rewrap", key=key, wrapped=b"x" * 65) == "wrapped"
    assert chain.refused(OWNER, "rewrap", key=key, wrapped=OTHER, digest=b"x") == "wrapped"
    assert chain.refused(OWNER, "rewrap", key=chain.key("plain"), wrapped=OTHER) == "rewrap"
    assert chain.refused(OWNER, "rewrap", key=f"{key}@2", wrapped=OTHER) == "rewrap"
    chain.must(OWNER, "rotate", key=key, secret=b"M" * 32, wrapped=FIRST, old_until_ms=2**50)
    assert chain.refused(OWNER, "rewrap", key=f"{key}@1", wrapped=OTHER) == "rewrap", "an old one"
    chain.must(OWNER, "revoke", key=key)
    assert chain.refused(OWNER, "rewrap", key=key, wrapped=OTHER) == "rewrap"


def test_T51_a_region_that_was_ruled_out_gets_no_half_any_more(chain: VaultChain) -> None:
    """As its beat would be refused, so is the release for a lease that is open still."""
    room, key = Room(), split_key(chain)
    lease = chain.lease(room, key)["lease"]
    chain.must(CUSTODIAN, "release", lease=lease, digest=DIGEST)
    chain.must(OWNER, "change", key="/toy", policy=policy_of(PRINTERS, IN_WEST))
    chain.must(CUSTODIAN, "release", lease=lease, digest=DIGEST)
    elsewhere = {"claim": "region", "equals": "eu-east"}
    chain.must(OWNER, "change", key="/toy", policy=policy_of(PRINTERS, IN_WEST, elsewhere))
    assert chain.refused(CUSTODIAN, "release", lease=lease, digest=DIGEST) == "region"
    assert chain.refused(room.who, "beat", lease=lease, number=1, used=0) == "region"
