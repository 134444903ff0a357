"""Where the roster lies in the state, and how its words are read.

Owns the maps of the program `roster`; what is done with them is in roster.py, who pays for whom in
sponsors.py, who may open a session in enclave/sessions/session_admission.py.
"""

from collections.abc import Set

from strongroom.enclave.programs.framework import Program
from strongroom.enclave.programs.state import OrderedMap

roster = Program("roster")

USERS = roster.map("users", key=bytes, value=bytes, scanned=True)
"""Identity → identity of the member that brought it, or nothing when the members voted for it."""
BROUGHT = roster.map("brought", key=bytes, value=int)
"""Member's identity → how many users it brought that stand in USERS."""
ROOMS = roster.map("rooms", key=(bytes, int), value=bytes)
"""(user's identity, place below ROOMS_MAX) → identity of the room that it vouched for there."""
VOUCHED = roster.map("vouched", key=bytes, value=(bytes, int))
"""Room's identity → (identity of the user that vouched for it, place). Admits while the room stands
at that place of ROOMS; stays when it does not, for its sessions go on and are charged."""
WORDS = roster.map("words", key=bytes, value=(int, int, int))
"""User's identity → (how often it vouched, epoch of its last word, words in that epoch)."""
USAGE = roster.map("usage", key=bytes, value=(int, int))
"""Who pays → (entries, bytes) that transactions on its account added to the state of programs: an
identity, or of tokens the person whom they name, whatever its keys."""
SPONSORED = roster.map("sponsored", key=bytes, value=(int, int))
"""Sponsor → the same of all for whom it answers together."""
OPENED = roster.map("opened", key=bytes, value=(int, int))
"""Sponsor, or person of tokens → (epoch, sessions that were opened in it on that account)."""
ADMITTING = roster.map("admitting", key=str, value=bool)
"""Issuer → True: members say that who holds a good token of it may open sessions."""
BEARERS = roster.map("bearers", key=bytes, value=(bytes, bytes))
"""Identity that opened a session by a token → (person, sponsor) who pay for it. Stays, for its
sessions go on."""

BY_VOTE = b""
USERS_MAX = 1 << 20
"""On the roster, by vote and brought."""
MANY_MAX = 1_000
ROOMS_MAX = 16
"""Rooms that one user may have admitted at a time; the next takes the place of the oldest."""
WORDS_MAX = 240
"""Rooms that one user may vouch for in an epoch: with those before it, 256 identities."""
ROOMS_SHARE = ROOMS_MAX + WORDS_MAX
"""A room may open one in so many of the sessions that an identity may."""
WORD_BYTES = 256
"""Charged for a word, besides an entry: what it takes up in VOUCHED, ROOMS and WORDS."""
TOTAL = b""
"""Key in BROUGHT: how many stand in USERS."""
VOTED = b"vote"
"""Key in BROUGHT: how many of these the members voted for."""


def on_roster(users: OrderedMap[bytes, bytes], members: Set[bytes], identity: bytes) -> bool:
    """Is this a member, or a user by vote or by the word of one who is still a member?"""
    if identity in members:
        return True
    word = users.get(identity)
    return word is not None and (word == BY_VOTE or word in members)


def voucher_of(
    vouched: OrderedMap[bytes, tuple[bytes, int]],
    rooms: OrderedMap[tuple[bytes, int], bytes],
    room: bytes,
) -> bytes | None:
    """Who vouches for this room now, on the roster or not."""
    link = vouched.get(room)
    return link[0] if link is not None and rooms.get(link) == room else None
