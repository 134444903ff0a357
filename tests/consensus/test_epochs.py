"""The succession of epochs (PROTOCOL §1, R16): each is proven by the quorum of the one before, and
told in one way."""

from dataclasses import dataclass, replace
from hashlib import sha256

import pytest
from tests.simulation.keys import FakeKey, FakeKeyring

from strongroom.consensus.blocks import Anchor, Header, genesis_header
from strongroom.consensus.epochs import (
    ENTRIES_MAX,
    PUBLIC_KEY_SIZE,
    EpochChain,
    EpochEntry,
    check_final,
)
from strongroom.consensus.errors import InvariantBroken, NotCanonical, PeerFault
from strongroom.consensus.statements import Certificate, Kind, Statement
from strongroom.consensus.types import (
    ChainId,
    Digest,
    Epoch,
    Height,
    Milliseconds,
    Signature,
    SignerIndex,
    View,
)
from strongroom.consensus.validators import EpochDescription, Validator

CHAIN = ChainId(sha256(b"chain").digest())


def public_key(epoch: int) -> bytes:
    return bytes([epoch]) * PUBLIC_KEY_SIZE


@dataclass(frozen=True)
class Members:
    """One epoch's description with its vote keys in signer order."""

    description: EpochDescription
    keys: tuple[FakeKey, ...]


class Dynasty:
    """Epochs of four, one member replaced in each: what the whole world knows to be true."""

    def __init__(self) -> None:
        self.keyring = FakeKeyring()
        self.epochs = [self.members(epoch) for epoch in range(6)]
        first = self.epochs[0].description.digest
        self.genesis = genesis_header(chain=CHAIN, description=first, time_ms=Milliseconds(1))
        self.terminals: list[Header] = []
        for epoch in range(5):
            self.terminals.append(self.terminal(epoch))
        self.entries = [self.entry(epoch) for epoch in range(5)]

    def members(self, epoch: int) -> Members:
        pairs = [
            (self.keyring.make(b"node %d" % i), self.keyring.make(b"vote %d %d" % (epoch, i)))
            for i in range(epoch, epoch + 4)
        ]
        pairs.sort(key=lambda pair: pair[0].public)
        validators = tuple(
            Validator(node_key=node.public, vote_key=vote.public) for node, vote in pairs
        )
        digest = Digest(sha256(public_key(epoch)).digest())
        description = EpochDescription(
            epoch=Epoch(epoch), validators=validators, public_key_digest=digest
        )
        return Members(description, tuple(vote for _, vote in pairs))

    def terminal(self, epoch: int, **changes: object) -> Header:
        values: dict[str, object] = {
            "chain": CHAIN,
            "epoch": Epoch(epoch),
            "view": View(7),
            "height": Height(10 * (epoch + 1)),
            "parent": Digest(sha256(b"parent %d" % epoch).digest()),
            "proposer": SignerIndex(0),
            "time_ms": Milliseconds(100 + epoch),
            "cut": (),
            "batch_count": 0,
            "batch_bytes": 0,
            "anchor": Anchor(Height(1), Digest(bytes(32))),
            "next_epoch": self.epochs[epoch + 1].description.digest,
        }
        return Header(**{**values, **changes})  # type: ignore[arg-type]

    def certificate(
        self,
        header: Header,
        *,
        kind: Kind = Kind.FINALIZE,
        view: int = 7,
        by: int | None = None,
        count: int = 3,
    ) -> Certificate:
        keys = self.epochs[header.epoch if by is None else by].keys
        statement = Statement(kind, header.epoch, View(view), header.digest)
        signers = tuple(SignerIndex(index) for index in range(count))
        return Certificate(
            statement,
            signers,
            tuple(keys[index].sign(statement.signed_bytes(CHAIN)) for index in signers),
        )

    def entry(self, epoch: int, **changes: object) -> EpochEntry:
        """What ends `epoch` and opens the one after."""
        header = self.terminals[epoch]
        opened = self.epochs[epoch + 1].description
        entry = EpochEntry(header, self.certificate(header), opened, public_key(epoch + 1))
        return replace(entry, **changes)  # type: ignore[arg-type]

    def chain(self, epochs: int = 0) -> EpochChain:
        chain = EpochChain(CHAIN, self.epochs[0].description, self.genesis, self.keyring.verify)
        for entry in self.entries[:epochs]:
            assert chain.extend(entry)
        return chain


@pytest.fixture(scope="module")
def world() -> Dynasty:
    return Dynasty()


def test_a_chain_begins_with_an_epoch_that_its_anchor_opens(world: Dynasty) -> None:
    chain = world.chain()
    assert (chain.newest, chain.anchor) == (world.epochs[0].description, world.genesis)
    assert chain.anchor_of(Epoch(0)) == world.genesis
    assert chain.public_key(Epoch(0)) is None, "genesis holds it"
    with pytest.raises(InvariantBroken):
        EpochChain(CHAIN, world.epochs[1].description, world.genesis, world.keyring.verify)


def test_each_epoch_is_proven_by_the_one_before_and_heights_up_to_its_end_are_its_own(
    world: Dynasty,
) -> None:
    chain = world.chain(3)
    assert chain.newest == world.epochs[3].description
    assert chain.anchor == world.terminals[2]
    assert [chain.description(Epoch(epoch)) for epoch in range(5)] == [
        *(members.description for members in world.epochs[:4]),
        None,
    ]
    assert chain.anchor_of(Epoch(2)) == world.terminals[1]
    assert chain.public_key(Epoch(3)) == public_key(3)
    assert chain.public_key(Epoch(4)) is None
    heights = {0: 0, 1: 0, 10: 0, 11: 1, 20: 1, 21: 2, 30: 2, 31: 3, 1000: 3}
    assert {height: chain.epoch_at(Height(height)) for height in heights} == heights


def test_entries_are_those_that_open_epochs_from_the_one_asked_for(world: Dynasty) -> None:
    chain = world.chain(4)
    assert chain.entries(Epoch(0)) == chain.entries(Epoch(1)) == tuple(world.entries[:4])
    assert chain.entries(Epoch(3)) == tuple(world.entries[2:4])
    assert chain.entries(Epoch(5)) == chain.entries(Epoch(900)) == ()
    laggard = world.chain(1)
    assert [laggard.extend(entry) for entry in chain.entries(Epoch(0))] == [False, True, True, True]
    assert ENTRIES_MAX == 1024


def test_a_chain_may_begin_at_a_pinned_epoch(world: Dynasty) -> None:
    chain = EpochChain(CHAIN, world.epochs[2].description, world.terminals[1], world.keyring.verify)
    assert chain.extend(world.entries[2])
    assert (chain.epoch_at(Height(25)), chain.epoch_at(Height(31))) == (2, 3)
    assert chain.entries(Epoch(0)) == (world.entries[2],)
    assert chain.description(Epoch(1)) is None
    with pytest.raises(PeerFault, match="does not follow"):
        chain.extend(world.entries[0])


def test_T33_whatever_is_not_the_next_epoch_by_its_own_quorum_is_refused(world: Dynasty) -> None:
    header = world.terminals[1]
    plain = world.terminal(1, next_epoch=world.epochs[1].description.digest)
    foreign = world.terminal(1, chain=ChainId(bytes(32)))
    low = world.terminal(1, height=Height(10))
    third = world.epochs[3].description
    forged = replace(world.certificate(header), signatures=(Signature(bytes(64)),) * 3)
    by_next = replace(world.certificate(header, by=2))
    entry = world.entry(1)
    other_key = replace(entry.description, public_key_digest=Digest(bytes(32)))
    naming_other_key = world.terminal(1, next_epoch=other_key.digest)
    skipping = world.terminal(1, next_epoch=third.digest)
    refused = {
        "skips an epoch": world.entries[2],
        "not terminal": replace(entry, header=plain, certificate=world.certificate(plain)),
        "another chain": replace(entry, header=foreign, certificate=world.certificate(foreign)),
        "not above the anchor": replace(entry, header=low, certificate=world.certificate(low)),
        "a header of another epoch": replace(
            entry, header=world.terminals[0], certificate=world.entries[0].certificate
        ),
        "another description": replace(
            entry, description=world.members(2).description, public_key=public_key(9)
        ),
        "a description that the header does not name": replace(entry, description=other_key),
        "a key that the description does not name": replace(entry, public_key=public_key(9)),
        "a key digest of nothing": replace(
            entry,
            header=naming_other_key,
            certificate=world.certificate(naming_other_key),
            description=other_key,
        ),
        "an epoch too far": replace(
            entry,
            header=skipping,
            certificate=world.certificate(skipping),
            description=third,
            public_key=public_key(3),
        ),
        "notarized only": replace(entry, certificate=world.certificate(header, kind=Kind.NOTARIZE)),
        "short of a quorum": replace(entry, certificate=world.certificate(header, count=2)),
        "forged": replace(entry, certificate=forged),
        "by the next epoch's members": replace(entry, certificate=by_next),
        "of another block": replace(entry, certificate=world.certificate(plain)),
        "of an earlier view": replace(entry, certificate=world.certificate(header, view=6)),
    }
    for name, claim in refused.items():
        chain = world.chain(1)
        with pytest.raises(PeerFault):
            chain.extend(claim)
        assert chain.newest.epoch == 1, name
        assert chain.extend(entry), name


def test_a_terminal_block_may_be_certified_in_a_later_view(world: Dynasty) -> None:
    chain = world.chain(1)
    assert chain.extend(world.entry(1, certificate=world.certificate(world.terminals[1], view=9)))


def test_a_known_epoch_is_taken_again_and_no_other_in_its_place(world: Dynasty) -> None:
    chain = world.chain(3)
    assert not chain.extend(world.entries[1])
    assert not chain.extend(
        world.entry(1, certificate=world.certificate(world.terminals[1], view=8))
    ), "same end"
    other = world.terminal(1, time_ms=Milliseconds(7))
    for lie in (
        world.entry(1, header=other, certificate=world.certificate(other)),
        world.entry(1, public_key=public_key(9)),
        world.entry(
            1, description=replace(world.epochs[2].description, public_key_digest=Digest(bytes(32)))
        ),
    ):
        with pytest.raises(PeerFault, match="another"):
            chain.extend(lie)
    assert chain.entries(Epoch(0)) == tuple(world.entries[:3])


def test_only_a_terminal_block_may_be_final_in_a_later_view(world: Dynasty) -> None:
    members = world.epochs[1].description
    plain = world.terminal(1, next_epoch=members.digest)
    check_final(plain, world.certificate(plain), CHAIN, members, world.keyring.verify)
    with pytest.raises(PeerFault, match="certified in view 8"):
        check_final(plain, world.certificate(plain, view=8), CHAIN, members, world.keyring.verify)


def test_a_certificate_of_another_epoch_counts_for_nothing_though_its_signers_kept_their_keys(
    world: Dynasty,
) -> None:
    members = world.epochs[1].description
    certificate = world.certificate(world.terminals[1])
    certificate.check(CHAIN, members, world.keyring.verify)
    with pytest.raises(PeerFault, match="epoch 1, expected 2"):
        certificate.check(CHAIN, replace(members, epoch=Epoch(2)), world.keyring.verify)


def test_an_entry_survives_the_wire_and_a_key_of_another_size_does_not(world: Dynasty) -> None:
    entry = world.entries[0]
    assert EpochEntry.from_wire(entry.to_wire()) == entry
    with pytest.raises(NotCanonical):
        EpochEntry.from_wire((*entry.to_wire()[:3], b"short"))
