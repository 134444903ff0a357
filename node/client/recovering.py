"""A member's part in recovery, before there is a disaster: publish a recovery key, open the own
share, say that one holds it (VAULT §7; T45, T5A).

Owns what is asked of nodes and what is believed of their answers: the bytes of a generation, for
they have the digest that governance's state names, and an acknowledgement names it too. Files:
recovery_keys.py. Giving shares after a disaster is elsewhere.
"""

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from strongroom.consensus import codec
from strongroom.consensus.errors import ClientFault, NotCanonical
from strongroom.consensus.types import PublicKey
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.formats.recovery import Generation
from strongroom.enclave.formats.recovery_share import ShareRefused
from strongroom.enclave.governance import recovery_public as says
from strongroom.enclave.governance.document import Document as PublicState
from strongroom.enclave.governance.recovery_document import ALARMS, GenerationEntry
from strongroom.enclave.keys.recovery import open_share
from strongroom.enclave.primitives import DoesNotOpen
from strongroom.node.client.audit.reader import Reader
from strongroom.node.client.errors import NotTrusted
from strongroom.node.client.governing import Decided, Member, read_public_state
from strongroom.node.client.passphrases import Ask
from strongroom.node.client.recovery_keys import (
    NoRecoveryKey,
    OpenersOf,
    RecoveryKeyFolder,
    TokenHalf,
)

NewPassphrase = Callable[[], str]
NewHalf = Callable[[], Awaitable[TokenHalf]]
ROWS_AT_ONCE = 500
"""Transactions of a block that are listed at one time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What came of one generation."""

    number: int
    active: bool
    outcome: str
    """``held``: opened, and said so; ``held before``; ``bad``: it is not what was committed to, and
    this was said; ``no key``: the key to which it is sealed is not in this folder."""
    detail: str
    decided: Decided | None = None

    @property
    def good(self) -> bool:
        """Does this member hold its share?"""
        return self.outcome.startswith("held")


class RecoveryMember:
    """One member that keeps a share: `RecoveryMember(reader, member, key, folder)`."""

    def __init__(
        self, reader: Reader, member: Member, key: PublicKey, folder: RecoveryKeyFolder
    ) -> None:
        self._reader, self._member = reader, member
        self._key, self._folder = key, folder

    async def publish_key(
        self,
        *,
        passphrase: NewPassphrase | None = None,
        new: bool = False,
        ask: Ask | None = None,
        half: NewHalf | None = None,
    ) -> tuple[bytes, Decided | None]:
        """Publish a recovery key, made here if there is none; (its digest, None when it stood on
        the ledger already).

        Args:
            passphrase: gets the one under which a new key is kept; None: it is kept in the clear.
            new: another one than is published.
            ask: gets the passphrase of a key that is here.
            half: makes half of a new key in a token; None: all of it lies in its file.

        Raises:
            ClientFault: the published key is not in the folder, and no new one is wanted.
            ProgramFailed: governance refuses it.
        """
        state, kept = await read_public_state(self._reader), self._folder.digests()
        published = next((one for one in state.recovery.keys if one.member == self._key), None)
        if published is not None and not new:
            if published.digest not in kept:
                raise ClientFault(
                    "the recovery key that this member published is not in "
                    f"{self._folder.directory}: restore it from a copy, or publish another one "
                    "with --new"
                )
            self._folder.load(published.digest, ask)
            return published.digest, None
        begun = kept[0] if published is None and kept and not new else None
        there = None if begun is None else self._folder.half_of(begun)
        if begun is not None and (there is None) == (half is None):
            # An attempt before ended between file and word.
            public, digest = self._folder.load(begun, ask).public, begun
        else:
            there = None if half is None else await half()
            made = self._folder.fresh(
                passphrase="" if passphrase is None else passphrase(), half=there
            )
            public, digest = made.hybrid, made.digest
        height = int((await self._reader.ask("service_info", genesis=False))["executed"])
        fields = (public, b"" if there is None else there.point, height)
        return digest, await self._member.act(says.RECOVERY_KEY, fields)

    async def check(
        self, ask: Ask | None = None, openers: OpenersOf | None = None
    ) -> list[Checked]:
        """Open the own share of every generation on the ledger, and say what came of it; newest
        first.

        Args:
            ask: gets passphrases.
            openers: gives what opens with the half of a key that lies in a token.

        Raises:
            OperatorFault: a token is away, or its key another; nothing is said then.
            ClientFault: this member has a share in none.
            NotTrusted: a node shows other bytes than the state names.
            ProgramFailed: governance refuses the acknowledgement.
        """
        state = await read_public_state(self._reader)
        mine = [one for one in state.recovery.generations if self._key in one.holders]
        if not mine:
            raise ClientFault(_why_none(state, self._key))
        return [await self._check(one, ask, openers) for one in reversed(mine)]

    async def _check(
        self, entry: GenerationEntry, ask: Ask | None, openers: OpenersOf | None
    ) -> Checked:
        generation = await read_generation(self._reader, entry)
        at = generation.coordinate(self._key)
        if at is None:
            raise NotTrusted("answer", "the node names other holders than the generation")
        holder = generation.holders[at - 1]
        said = (entry.number, entry.digest)
        common: dict[str, Any] = {"number": entry.number, "active": entry.active}
        try:
            own = self._folder.load(holder.recovery_key, ask)
            in_token = self._folder.opener(holder.recovery_key, openers)
        except NoRecoveryKey as missing:
            return Checked(**common, outcome="no key", detail=str(missing))
        try:
            await asyncio.to_thread(open_share, generation, self._key, own, in_token)
        except (ShareRefused, DoesNotOpen) as wrong:
            decided = None
            if self._key not in entry.bad:
                decided = await self._member.act(says.SHARE_BAD, said)
            return Checked(**common, outcome="bad", detail=str(wrong), decided=decided)
        self._folder.keep(generation)
        if self._key in entry.held:
            return Checked(**common, outcome="held before", detail="it opens as it did")
        if self._key in entry.bad:
            detail = "it opens, but this member said that it does not: publish another key"
            return Checked(**common, outcome="bad", detail=detail)
        if not (entry.active or entry.current):
            detail = "it opens, and is out of date: the next one follows soon; check again"
            return Checked(**common, outcome="held before", detail=detail)
        decided = await self._member.act(says.SHARE_HELD, said)
        return Checked(**common, outcome="held", detail="it opens", decided=decided)


async def read_generation(reader: Reader, entry: GenerationEntry) -> Generation:
    """A generation's bytes from the ledger, as any node shows them.

    Raises:
        NotTrusted: they have not the digest that the state names.
    """
    parts: dict[int, bytes] = {}
    for height in sorted(set(entry.heights)):
        for row in await _rows(reader, height):
            if row["action"] == says.GENERATION and row["code"] == int(Code.EXECUTED):
                shown = await reader.ask("ledger_transaction", id=row["id"])
                number, part, _, data = _part(shown)
                if number == entry.number:
                    parts[part] = data
    try:
        generation = Generation.decode(b"".join(parts[at] for at in sorted(parts)))
    except NotCanonical:
        raise NotTrusted("answer", "the node shows no generation of shares") from None
    if generation.digest != entry.digest or generation.chain != reader.service.chain:
        raise NotTrusted("answer", "the node shows another generation than the state names")
    return generation


async def _rows(reader: Reader, height: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        shown = await reader.ask(
            "ledger_transactions", height=height, offset=len(rows), limit=ROWS_AT_ONCE
        )
        try:
            rows += shown["transactions"]
            if not shown["transactions"] or len(rows) >= shown["count"]:
                return rows
        except (KeyError, TypeError):
            raise NotTrusted("answer", "the node does not list a block's transactions") from None


def _part(shown: Any) -> tuple[int, int, int, bytes]:
    try:
        envelope = codec.decode(b64decode(shown["envelope"]["public"], validate=True))
        fields: tuple[int, int, int, bytes] = codec.fields(
            codec.decode(envelope[3]), *says.RECOVERY_SHAPES[says.GENERATION], name="part"
        )
    except (KeyError, TypeError, ValueError, IndexError, NotCanonical):
        raise NotTrusted("answer", "the node shows no part of a generation") from None
    return fields


def _why_none(state: PublicState, member: PublicKey) -> str:
    recovery = state.recovery
    if not recovery.threshold:
        return f"{ALARMS['off']}. Members set it: `strongroom gov propose set_recovery_threshold`"
    if member not in [one.member for one in recovery.keys]:
        return "this member has published no recovery key: `strongroom recover key` first"
    if len(recovery.keys) < recovery.threshold:
        return f"{ALARMS['too-few-keys']}: {len(recovery.keys)} of {recovery.threshold}"
    return "no generation with a share of this member is on the ledger yet: check again soon"


# --- for everybody ---


def recovery_document(state: PublicState) -> dict[str, Any]:
    """Who could bring the service back, as a document for programs and tables."""
    names: Mapping[bytes, str] = {key: name for name, key in state.member_rules().members}
    nodes = {node.node_key: node.name for node in state.nodes}
    recovery = state.recovery
    keyed = {one.member: one for one in recovery.keys}
    return {
        "threshold": recovery.threshold,
        "epoch": state.epoch,
        "alarms": [{"word": word, "means": ALARMS.get(word, word)} for word in recovery.alarms],
        "now": would_happen(state),
        "members": [
            {
                "member": name,
                "recovery_key": keyed[key].digest.hex() if key in keyed else None,
                "in_token": keyed[key].in_token if key in keyed else None,
            }
            for key, name in sorted(names.items(), key=lambda one: one[1])
        ],
        "generations": [
            {
                "number": one.number,
                "digest": one.digest.hex(),
                "active": one.active,
                "current": one.current,
                "maker": nodes.get(one.maker, one.maker.hex()),
                "time_ms": one.time_ms,
                "threshold": one.threshold,
                "needed": one.needed,
                "checks": one.checks,
                "checks_needed": one.checks_needed,
                "epochs": [one.first, one.covered],
                "held": _names(names, one.held),
                "bad": _names(names, one.bad),
                "missing": _names(
                    names, [key for key in one.holders if key not in (*one.held, *one.bad)]
                ),
            }
            for one in recovery.generations
        ],
    }


def would_happen(state: PublicState) -> str:
    """What would come of it if every enclave lost its keys now, in one sentence."""
    recovery, active = state.recovery, state.recovery.active
    if active is None:
        return "if every enclave lost its keys now, nobody could open the ledger's state again"
    governing = {key for _, key in state.member_rules().members}
    able = [key for key in active.held if key in governing]
    if len(able) < active.threshold:
        return (
            f"if every enclave lost its keys now, {active.threshold} members would have to give "
            f"shares of generation {active.number}, and {len(able)} have shown that they hold one"
        )
    least = (
        "up to now"
        if active.covered >= state.epoch
        else f"up to the end of epoch {active.covered}, and the service is in epoch {state.epoch}"
    )
    off = "" if recovery.threshold else " (recovery is off, but these shares are on the ledger)"
    return (
        f"if every enclave lost its keys now, any {active.threshold} of the {len(able)} members "
        f"who hold a share of generation {active.number} could open the ledger's state "
        f"{least}{off}"
    )


def _names(names: Mapping[bytes, str], keys: Any) -> list[str]:
    return sorted(names.get(key, f"{key.hex()[:16]} (no member now)") for key in keys)
