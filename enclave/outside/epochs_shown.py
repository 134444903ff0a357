"""The succession of epochs as a node shows it (`service_epochs`), checked link by link before
anything rests on it.

Owns the reading of its documents, in both forms: raw bytes in msgpack frames, base64 in JSON.
"""

from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import ENTRIES_MAX, PUBLIC_KEY_SIZE, EpochChain, EpochEntry
from strongroom.consensus.errors import NotCanonical, PeerFault
from strongroom.consensus.recovery import read_finality
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.outside.distrust import NotTrusted

FOLLOWED_EPOCHS_MAX = 100_000
"""Epochs that one client follows."""

Ask = Callable[..., Awaitable[Any]]
"""(method, **params) → what a node answers."""


async def follow_epochs(ask: Ask, epochs: EpochChain) -> bool:
    """Ask a node for every epoch after the newest known one, and check each.

    Returns:
        Whether there was a new one.

    Raises:
        NotTrusted: ``epochs``; the epochs before the wrong one are kept, for they were proven.
    """
    began = epochs.newest.epoch
    while True:
        following = epochs.newest.epoch + 1
        shown = await ask("service_epochs", **{"from": following})
        if type(shown) is not list or len(shown) > ENTRIES_MAX:
            raise NotTrusted("epochs", f"expected a list of at most {ENTRIES_MAX} epochs")
        for document in shown:
            extend(epochs, document)
        if epochs.newest.epoch > FOLLOWED_EPOCHS_MAX:
            raise NotTrusted("epochs", f"more than {FOLLOWED_EPOCHS_MAX} epochs")
        if epochs.newest.epoch < following:
            return epochs.newest.epoch > began


def extend(epochs: EpochChain, document: Any) -> None:
    """Take one more epoch from a node's document; one that another node has shown meanwhile changes
    nothing.

    Raises:
        NotTrusted: ``epochs``: it does not follow from what is known, or its key is not the one
            that it names.
    """
    try:
        epochs.extend(entry_of(document))
    except PeerFault as error:
        raise NotTrusted("epochs", str(error)) from None


def entry_of(document: Any) -> EpochEntry:
    """Decode one epoch's document; nothing of it is checked.

    Raises:
        NotCanonical: it is none.
    """
    key = _bytes(document, "epoch_key")
    return EpochEntry(
        Header.decode(_bytes(document, "header")),
        read_finality(codec.decode(_bytes(document, "certificate"))),
        EpochDescription.decode(_bytes(document, "description")),
        codec.sized(key, PUBLIC_KEY_SIZE, name="epoch key"),
    )


def _bytes(document: Any, name: str) -> bytes:
    value = document.get(name) if type(document) is dict else None
    if type(value) is str:
        try:
            return b64decode(value, validate=True)
        except ValueError:
            value = None
    if type(value) is not bytes:
        raise NotCanonical(f"no {name} in the answer")
    return value
