"""Freshness: what a quorum of members says is newest, over one's own nonce (PROTOCOL §6; T05, T15).

Owns FreshPoint, which only `check_heads` can make. Used by enclaves before they execute, answer or hand out anything,
and by clients before they seal.
"""

from collections.abc import Sequence
from typing import Final

from strongroom.consensus.blocks import Header
from strongroom.consensus.errors import InvariantBroken, PeerFault
from strongroom.consensus.messages import Head
from strongroom.consensus.statements import Certificate, Kind
from strongroom.consensus.types import Epoch, Height, SignerIndex, View
from strongroom.consensus.validators import VALIDATORS_MAX, EpochDescription, Verify
from strongroom.enclave.finality import check_final

_CHECKED: Final = object()


class FreshPoint:
    """The newest block that is final for certain: an honest member of the quorum had seen everything final."""

    __slots__ = ("certificate", "header", "members", "view")

    def __init__(
        self,
        header: Header,
        certificate: Certificate | None,
        view: View,
        members: tuple[SignerIndex, ...],
        checked: object,
    ) -> None:
        if checked is not _CHECKED:
            raise InvariantBroken("a FreshPoint comes from check_heads alone")
        self.header = header
        self.certificate = certificate
        """FINALIZE for the header; None for genesis."""
        self.view = view
        """The highest view of any FINALIZE or NOTARIZE certificate that was shown."""
        self.members = members
        """Whose heads counted."""

    @property
    def height(self) -> Height:
        """Of the header."""
        return self.header.height

    @property
    def epoch(self) -> Epoch:
        """Of the header."""
        return self.header.epoch


def check_heads(
    heads: Sequence[Head], nonce: bytes, description: EpochDescription, genesis_header: Header, verify: Verify
) -> FreshPoint:
    """Check heads over a nonce of one's own, and take the highest. A bad one counts for nothing.

    Raises:
        PeerFault: fewer than a quorum of distinct members' heads are good (the text says why the others are not), or
            two good ones show different final blocks at one height.
    """
    good: dict[SignerIndex, Head] = {}
    reasons: list[str] = []
    seen: set[object] = set()
    for head in heads[: 2 * VALIDATORS_MAX]:
        try:
            good.setdefault(_check(head, nonce, description, genesis_header, verify, seen), head)
        except PeerFault as fault:
            reasons.append(str(fault))
    if len(good) < description.quorum.size:
        because = "; ".join(reasons) or "no more were shown"
        raise PeerFault(f"{len(good)} good heads, {description.quorum.size} are needed: {because}")
    newest = max((head.body for head in good.values()), key=lambda body: body.header.height)
    for head in good.values():
        other = head.body.header
        if other.height == newest.header.height and other.digest != newest.header.digest:
            raise PeerFault(f"two final blocks at height {other.height}: more than f members lied")
    views = [body.header.view for body in (head.body for head in good.values())]
    views += [c.view for head in good.values() for c in (head.body.certificate, head.body.notarized) if c is not None]
    return FreshPoint(newest.header, newest.certificate, max(views), tuple(sorted(good)), _CHECKED)


def _check(
    head: Head,
    nonce: bytes,
    description: EpochDescription,
    genesis_header: Header,
    verify: Verify,
    seen: set[object],
) -> SignerIndex:
    body, chain = head.body, genesis_header.chain
    member = description.index_of(head.node_key)
    if member is None:
        raise PeerFault("a head by no member")
    if body.nonce != nonce or body.epoch != description.epoch:
        raise PeerFault(f"the head of member {member} is over another nonce or of epoch {body.epoch}")
    if not verify(head.node_key, head.signature, body.signed_bytes(chain)):
        raise PeerFault(f"the signature on the head of member {member} does not verify")
    _check_final_block(head, description, genesis_header, verify, seen)
    notarized = body.notarized
    if notarized is not None and notarized not in seen:
        if notarized.kind is not Kind.NOTARIZE:
            raise PeerFault(f"the head of member {member} shows a {notarized.kind.name} as a NOTARIZE certificate")
        notarized.check(chain, description, verify)
        seen.add(notarized)
    return member


def _check_final_block(
    head: Head, description: EpochDescription, genesis_header: Header, verify: Verify, seen: set[object]
) -> None:
    header, certificate = head.body.header, head.body.certificate
    if certificate is None:
        if header.digest != genesis_header.digest:
            raise PeerFault(f"a head at height {header.height} without a certificate")
        return
    key = (header.digest, certificate)
    if key not in seen:
        check_final(header, certificate, genesis_header.chain, description, verify)
        seen.add(key)
