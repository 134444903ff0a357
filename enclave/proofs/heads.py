"""Freshness: what a quorum of members says is newest, over one's own nonce (PROTOCOL §6; T05, T15).

Owns FreshPoint, which only `check_heads` can make. Used by enclaves before they execute, answer or
hand out anything, and by clients before they seal.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochChain, EpochUnknown
from strongroom.consensus.errors import InvariantBroken, PeerFault
from strongroom.consensus.heads import Head
from strongroom.consensus.recovery import Finality
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import Digest, Epoch, Height, SignerIndex, View
from strongroom.consensus.validators import VALIDATORS_MAX, Verify

_CHECKED: Final = object()


class FreshPoint:
    """The newest block that is final for certain: an honest member of the quorum had seen
    everything final."""

    __slots__ = ("_place", "certificate", "header", "members")

    def __init__(
        self,
        header: Header,
        certificate: Finality | None,
        place: tuple[Epoch, View, Digest],
        members: tuple[SignerIndex, ...],
        checked: object,
    ) -> None:
        if checked is not _CHECKED:
            raise InvariantBroken("a FreshPoint comes from check_heads alone")
        self.header = header
        self.certificate = certificate
        """FINALIZE for the header; None for genesis."""
        self._place = place
        self.members = members
        """Whose heads counted."""

    @property
    def height(self) -> Height:
        """Of the header."""
        return self.header.height

    @property
    def epoch(self) -> Epoch:
        """The newest epoch of any FINALIZE or NOTARIZE certificate that was shown, or of the
        header."""
        return self._place[0]

    @property
    def view(self) -> View:
        """The highest view of any such certificate of that epoch."""
        return self._place[1]

    def is_reached_by(self, executed: Header) -> bool:
        """Is everything executed that was final when the heads were made (PROTOCOL §6)?"""
        if executed.height < self.height:
            return False
        epoch, view, digest = self._place
        return (executed.epoch, executed.view) >= (epoch, view) or executed.digest == digest


def check_heads(
    heads: Sequence[Head], nonce: bytes, epochs: EpochChain, verify: Verify
) -> FreshPoint:
    """Check heads over a nonce of one's own by members of the newest epoch, and take the highest.

    A bad head counts for nothing; one of an older epoch, by a member that is behind, counts for
    what it shows.

    Raises:
        EpochUnknown: too few are good, and some are of an epoch that begins after `epochs`.
        PeerFault: fewer than a quorum of distinct members' heads are good (the text says why the
            others are not), or two good ones show different final blocks at one height.
    """
    good: dict[SignerIndex, Head] = {}
    reasons: list[str] = []
    unknown: list[EpochUnknown] = []
    seen: set[object] = set()
    for head in heads[: 2 * VALIDATORS_MAX]:
        try:
            good.setdefault(_check(head, nonce, epochs, verify, seen), head)
        except EpochUnknown as fault:
            unknown.append(fault)
        except PeerFault as fault:
            reasons.append(str(fault))
    size = epochs.newest.quorum.size
    if len(good) < size:
        if unknown:
            raise max(unknown, key=lambda fault: fault.epoch)
        because = "; ".join(reasons) or "no more were shown"
        raise PeerFault(f"{len(good)} good heads, {size} are needed: {because}")
    newest = max((head.body for head in good.values()), key=lambda body: body.header.height)
    for head in good.values():
        other = head.body.header
        if other.height == newest.header.height and other.digest != newest.header.digest:
            raise PeerFault(f"two final blocks at height {other.height}: more than f members lied")
    return FreshPoint(
        newest.header,
        newest.certificate,
        _newest_place(good.values()),
        tuple(sorted(good)),
        _CHECKED,
    )


def _newest_place(heads: Iterable[Head]) -> tuple[Epoch, View, Digest]:
    """The newest (epoch, view, block) that any of these heads shows as final or notarized."""
    places = []
    for body in (head.body for head in heads):
        places.append((body.header.epoch, body.header.view, body.header.digest))
        if body.notarized is not None:
            places.append(
                (body.notarized.statement.epoch, body.notarized.view, body.notarized.digest)
            )
    return max(places)


def _check(
    head: Head, nonce: bytes, epochs: EpochChain, verify: Verify, seen: set[object]
) -> SignerIndex:
    body, chain = head.body, epochs.anchor.chain
    known = epochs.description(body.epoch)
    if known is None:
        if verify(head.node_key, head.signature, body.signed_bytes(chain)) and body.nonce == nonce:
            raise EpochUnknown(body.epoch)
        raise PeerFault("a head of no known epoch")
    member = epochs.newest.index_of(head.node_key)
    if member is None:
        raise PeerFault("a head by no member")
    if body.nonce != nonce:
        raise PeerFault(f"the head of member {member} is over another nonce")
    if not verify(head.node_key, head.signature, body.signed_bytes(chain)):
        raise PeerFault(f"the signature on the head of member {member} does not verify")
    _check_final_block(head, epochs, verify, seen)
    notarized = body.notarized
    if notarized is not None and notarized not in seen:
        if notarized.kind is not Kind.NOTARIZE:
            raise PeerFault(
                f"the head of member {member} shows a "
                f"{notarized.kind.name} as a NOTARIZE certificate"
            )
        description = epochs.description(notarized.statement.epoch)
        if description is None:
            raise EpochUnknown(notarized.statement.epoch)
        notarized.check(chain, description, verify)
        seen.add(notarized)
    return member


def _check_final_block(head: Head, epochs: EpochChain, verify: Verify, seen: set[object]) -> None:
    header, certificate = head.body.header, head.body.certificate
    if certificate is None:
        genesis = epochs.anchor_of(Epoch(0))
        if genesis is None or header.digest != genesis.digest:
            raise PeerFault(f"a head at height {header.height} without a certificate")
        return
    key = (header.digest, certificate)
    if key not in seen:
        epochs.check_final(header, certificate, verify)
        seen.add(key)
