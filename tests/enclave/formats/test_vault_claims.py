"""What the vault claims, byte for byte: receipts of before are checked by whoever wrote these."""

from strongroom.consensus import codec, labels
from strongroom.enclave.formats.vault_claims import LeaseStatement, release_claim, unit_claim

KEY = (b"o" * 32, "toy", 3, b"l" * 16)


def test_a_lease_is_claimed_with_key_holder_and_terms() -> None:
    owner, name, version, lease = KEY
    statement = LeaseStatement(
        owner=owner,
        name=name,
        version=version,
        lease=lease,
        session=b"s" * 32,
        chip=b"c" * 32,
        room="hall-7",
        boot=4,
        until_ms=99,
        pieces=12,
        custody="split",
    )
    written = (*KEY, b"s" * 32, b"c" * 32, "hall-7", 4, 99, 12, "split")
    assert statement.encode() == codec.encode((labels.VAULT_LEASE, *written))
    assert LeaseStatement.decode(statement.encode()) == statement


def test_a_unit_and_a_release_are_claimed_under_their_lease() -> None:
    unit = unit_claim(*KEY, unit=7, digest=b"d" * 32, time_ms=99)
    assert unit == codec.encode((labels.VAULT_UNIT, *KEY, 7, b"d" * 32, 99))
    released = release_claim(*KEY, digest=b"d" * 32, time_ms=99, region="eu-1", country="DE")
    assert released == codec.encode((labels.VAULT_RELEASE, *KEY, b"d" * 32, 99, "eu-1", "DE"))
