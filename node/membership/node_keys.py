"""Under which name an organisation's keys lie in its folder's `keys/`.

Owns that rule alone: the member's key has the member's name, the operator's one of its own, for
they are two keys with two uses, and an operator's may be kept off the node's machine.
"""


def operator_file(operator: str) -> str:
    """The name of the key file of whoever signs deployments."""
    return f"{operator}.operator"
