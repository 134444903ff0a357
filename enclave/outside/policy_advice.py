"""What an owner may not have meant: advice on a release policy that the grammar takes.

Owns the sentences. A policy is as good without heeding them; the ledger does not ask here.
"""

from strongroom.enclave.attestation.release_condition import Condition
from strongroom.enclave.attestation.release_policy import ReleasePolicy

HEX_BYTES = {"measurement": 48, "hostdata": 32, "ueid": 64}
"""Claims that are bytes in small hex digits, and how many bytes."""
UNASKED = {
    "measurement": "no condition on measurement: any program may be given the key",
    "simulated": "no condition on simulated: where the service takes simulated chips, one will do",
    "ueid": "no condition on ueid: any machine with such a chip may be given the key",
}


def advise(policy: ReleasePolicy) -> list[str]:
    """Sentences, none if there is nothing to say."""
    named = {condition.claim for condition in policy.conditions}
    advice = [sentence for claim, sentence in UNASKED.items() if claim not in named]
    for condition in policy.conditions:
        size = HEX_BYTES.get(condition.claim)
        if size is not None and not all(_is_hex(one, size) for one in _texts(condition)):
            advice.append(
                f"{condition.path}: {condition.claim} is always {2 * size} small hex digits; "
                "it never equals this text"
            )
    return advice


def _texts(condition: Condition) -> list[str]:
    literal = condition.literal
    return [
        one for one in (literal if isinstance(literal, tuple) else (literal,)) if type(one) is str
    ]


def _is_hex(text: str, size: int) -> bool:
    return len(text) == 2 * size and all(digit in "0123456789abcdef" for digit in text)
