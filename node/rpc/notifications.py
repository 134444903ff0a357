"""What a listener is told, as bytes: one notification, and its frame for many listeners.

Owns the shape of a `ledger_event`. Who is told, and when: crowd.py, latest.py, subscriptions.py.
"""

from collections.abc import Callable

from strongroom.node.rpc import frames
from strongroom.node.rpc.feed import Items
from strongroom.node.rpc.forms import Form

TURN = 32
"""Listeners that are told between two turns of the event loop: about half a millisecond."""
FRAMES_MAX = 64
"""Frames of one event that are kept, by the number of the subscription: most have the same few, and
a client may have any."""
Put = Callable[[bytes], bool]
"""Writes a frame now; False: the reader is slow, nothing was written."""


def notification(form: Form, id: int, topic: str, items: Items) -> bytes:
    """One `ledger_event`."""
    encode, put = form.encode, form.map
    params = put((("subscription", encode(id)), ("topic", encode(topic)), *items))
    return put((("jsonrpc", encode("2.0")), ("method", encode("ledger_event")), ("params", params)))


def kept_frame(made: dict[int, bytes], form: Form, id: int, topic: str, items: Items) -> bytes:
    """The same as a frame, from those that are made already."""
    frame = made.get(id)
    if frame is None:
        if len(made) >= FRAMES_MAX:
            made.clear()
        frame = made[id] = frames.whole(form.text, notification(form, id, topic, items))
    return frame
