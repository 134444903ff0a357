"""Each signature is verified once; what does not verify is never taken for what did."""

from strongroom.consensus.remembered import RememberedSignatures
from strongroom.enclave.primitives import Secret, SigningKey, verify

KEY, OTHER = SigningKey(Secret(b"\x01" * 32)), SigningKey(Secret(b"\x02" * 32))
MESSAGE = b"strongroom/1/test\x00message"


class Counting:
    """Verifies, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, key: bytes, signature: bytes, message: bytes) -> bool:
        self.calls += 1
        return verify(key, signature, message)


def test_a_signature_that_holds_is_verified_once() -> None:
    counting = Counting()
    signatures = RememberedSignatures(counting)
    signature = KEY.sign(MESSAGE)
    assert all(signatures(KEY.public, signature, MESSAGE) for _ in range(3))
    assert counting.calls == 1


def test_a_signature_that_does_not_hold_is_never_remembered() -> None:
    counting = Counting()
    signatures = RememberedSignatures(counting)
    forged = OTHER.sign(MESSAGE)
    assert not any(signatures(KEY.public, forged, MESSAGE) for _ in range(3))
    assert counting.calls == 3
    assert len(signatures) == 0


def test_another_key_signature_or_message_is_another_triple() -> None:
    signatures = RememberedSignatures(verify)
    signature = KEY.sign(MESSAGE)
    assert signatures(KEY.public, signature, MESSAGE)
    changed = bytes((signature[0] ^ 1,)) + signature[1:]
    assert not signatures(OTHER.public, signature, MESSAGE)
    assert not signatures(KEY.public, changed, MESSAGE)
    assert not signatures(KEY.public, signature, MESSAGE + b"\x00")
    # Where one part ends and the next begins counts too.
    assert not signatures(KEY.public + signature[:1], signature[1:], MESSAGE)


def test_what_was_made_here_is_not_verified_again() -> None:
    counting = Counting()
    signatures = RememberedSignatures(counting)
    signature = KEY.sign(MESSAGE)
    signatures.made(KEY.public, signature, MESSAGE)
    assert signatures(KEY.public, signature, MESSAGE)
    assert counting.calls == 0


def test_the_memory_is_bounded_and_the_oldest_goes_first() -> None:
    counting = Counting()
    signatures = RememberedSignatures(counting, remembered_max=2)
    messages = [MESSAGE + bytes((number,)) for number in range(3)]
    for message in messages:
        signatures.made(KEY.public, KEY.sign(message), message)
    assert len(signatures) == 2
    assert signatures(KEY.public, KEY.sign(messages[2]), messages[2])
    assert counting.calls == 0
    assert signatures(KEY.public, KEY.sign(messages[0]), messages[0])
    assert counting.calls == 1
