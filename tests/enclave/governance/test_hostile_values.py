"""Whatever a validator, a joiner or a member puts into a public transaction: a refusal with a
ground, never more (T31).

They sign with their own keys, and their enclaves attest to whatever they are told. Everything is
executed by one replica and applied by another, which must stand where the first one stands.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.enclave.governance.test_registry import two_batches, two_votes
from tests.enclave.governance.world import NodeActor, World, joiner
from tests.enclave.hostile_values import BAD_HYBRID_KEYS, LEAVES, TUPLES, forged_evidence, like

from strongroom.consensus import codec
from strongroom.consensus.errors import NotCanonical
from strongroom.consensus.types import Digest
from strongroom.enclave.attestation.claims import Claims
from strongroom.enclave.attestation.evidence import Evidence
from strongroom.enclave.governance import dry_runs, proposals, public, succession
from strongroom.enclave.governance.arguments import BOOL, KEY, NAME, VALUE, Kind
from strongroom.enclave.governance.changes import CHANGES
from strongroom.enclave.governance.governance import Unsigned

NODE_ACTIONS = (public.SYNCED, public.LEAVE, public.REFRESH, public.OFFER, public.READY)


class Scene:
    """A service in which every action has something to speak of: a joiner, an open offer, an open
    proposal."""

    def __init__(self) -> None:
        self.world = world = World()
        world.block()
        self.joiner = joiner("new")
        world.decide("allow_chip", operator="operator0", chip=self.joiner.applicant.chip.chip_id)
        world.pass_time(3_600_000)
        world.keep_attested()
        world.ok(world.attest(self.joiner))
        world.decide("rotate", compromised=False)
        world.ok(world.offer(world.nodes[0]))
        self.proposal = world.ok(world.proposal("set_limit", name="grace_ms", value=5))[0]

    @property
    def actors(self) -> list[NodeActor]:
        return [*self.world.nodes, self.joiner]

    def valid_fields(self, action: str, actor: NodeActor) -> tuple[Any, ...]:
        """Fields that are good, or would be at another time or from another node."""
        world, governance = self.world, self.world.governance
        tip, epoch, due, offers = (
            world.tip.height,
            int(governance.epoch),
            governance.due,
            governance.offers(),
        )
        members = due.digest if due else bytes(32)
        wraps = tuple((key, b"wrap") for key, _ in governance.recipients(due)) if due else ()
        offer = offers[0].digest if offers else bytes(32)
        fields: dict[str, tuple[Any, ...]] = {
            public.SYNCED: (int(tip), world.root(tip), epoch + 1, actor.wrap_key(epoch + 1)),
            public.LEAVE: (),
            public.REFRESH: (epoch,),
            public.OFFER: (epoch + 1, members, actor.wrap_key(77), wraps),
            public.READY: (epoch + 1, offer, actor.vote_key(epoch + 1), actor.wrap_key(epoch + 2)),
        }
        return fields[action]

    def run(self, *envelopes: bytes, terminal: bool = False) -> None:
        """A block, each of whose transactions is done or refused on a ground."""
        wished = terminal and self.world.governance.wish is not None
        read = [one for one in envelopes if self._reads(one)]
        for good, answer in self.world.block(*read, gap_ms=1_000, terminal=wished):
            assert good or answer[0] != "internal", answer

    def _reads(self, envelope: bytes) -> bool:
        """Malformed and unsigned ones have a public code of their own (test_public.py)."""
        _, _, protected, payload, signature = codec.decode(envelope)
        try:
            public.read_public(protected, payload, signature, self.world.genesis.chain)
        except (NotCanonical, Unsigned):
            return False
        return True


def signed(scene: Scene, key: Any, action: str, fields: tuple[Any, ...]) -> bytes:
    """As `sign_public`, for fields of any type."""
    protected, payload = codec.encode((public.EDDSA, key.public, action)), codec.encode(fields)
    signature = key.sign(public.signed_bytes(scene.world.genesis.chain, protected, payload))
    return codec.encode((public.VERSION, public.PUBLIC, protected, payload, signature))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_T31_whatever_a_node_says_is_done_or_refused_on_a_ground(data: st.DataObject) -> None:
    scene = Scene()
    for _ in range(data.draw(st.integers(1, 5))):
        said = []
        for _ in range(data.draw(st.integers(1, 4))):
            actor = data.draw(st.sampled_from(scene.actors))
            action = data.draw(st.sampled_from(NODE_ACTIONS))
            fields = tuple(data.draw(like(value)) for value in scene.valid_fields(action, actor))
            said.append(signed(scene, actor.node, action, fields))
        scene.run(*said, terminal=True)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_T20_T31_whatever_a_chip_attests_to_is_admitted_or_refused_on_a_ground(
    data: st.DataObject,
) -> None:
    scene = Scene()
    world = scene.world
    actor = data.draw(st.sampled_from([*scene.actors, joiner("stranger")]))
    claims = Claims.decode(Evidence.decode(world.evidence(actor)).claims)
    names = data.draw(
        st.lists(st.sampled_from(list(Claims.__dataclass_fields__)), min_size=1, max_size=3)
    )
    wrap_keys = st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(BAD_HYBRID_KEYS)), max_size=2
    ).map(tuple)
    changed = {
        name: data.draw(wrap_keys | TUPLES if name == "wrap_keys" else like(getattr(claims, name)))
        for name in names
    }
    shown = forged_evidence(actor.applicant, claims, measurement=actor.measurement, **changed)
    addresses = tuple(data.draw(like(text)) for text in ("https://a:1", "a:2"))
    scene.run(signed(scene, actor.node, public.ATTEST, (shown, *addresses)))
    scene.run()


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_T31_whatever_members_propose_and_decide_stops_no_block(data: st.DataObject) -> None:
    scene = Scene()
    world = scene.world
    for number in range(data.draw(st.integers(1, 4))):
        change = data.draw(st.sampled_from([*CHANGES, "", "x" * 300]))
        takes = CHANGES[change].takes if change in CHANGES else {}
        arguments = tuple((name, data.draw(argument(world, kind))) for name, kind in takes.items())
        if data.draw(st.integers(0, 9)) == 0:
            arguments = data.draw(TUPLES)
        fields = (number.to_bytes(16, "big"), change, arguments)
        proposer = world.members["member0"]
        made = [signed(scene, proposer, public.PROPOSE, fields)]
        id, digest = (
            public.proposal_id(proposer.public, codec.encode(fields)),
            _digest(change, arguments),
        )
        for name in ("member1", "member2", "member3"):
            ballot = (id, digest, data.draw(st.booleans() | st.just(True)))
            made.append(signed(scene, world.members[name], public.BALLOT, ballot))
        scene.run(*made)
    world.pass_time(3_700_000)
    scene.run()


def argument(world: World, kind: Kind) -> Any:
    """Of this kind, or something else."""
    policy = world.governance.policy
    real: dict[int, list[Any]] = {
        id(NAME): ["n1", "eu-west", "operator0", "operator1", "member0", "payments", "issuer"],
        id(KEY): [world.nodes[0].key, world.members["member1"].public, bytes(32)],
        id(VALUE): [0, 1, 1_000, 2**32, 2**64 - 1],
        id(BOOL): [True, False],
    }
    known = real.get(
        id(kind), [*policy.measurements, *(chip for _, chip in policy.chips), *range(3)]
    )
    tcb = st.tuples(*[st.integers(-1, 256)] * 6)
    return st.one_of(st.sampled_from(known), st.sampled_from(known), tcb, LEAVES)


def _digest(change: str, arguments: tuple[Any, ...]) -> Digest:
    return public.proposal_digest(change, arguments)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_T31_whatever_is_shown_as_evidence_of_an_offence_convicts_or_is_refused(
    data: st.DataObject,
) -> None:
    scene = Scene()
    made = data.draw(
        st.sampled_from(
            [two_votes(scene.world), two_batches(scene.world), two_votes(scene.world, 1, 2)]
        )
    )
    value = _mutated(data, codec.decode(made)) if data.draw(st.booleans()) else data.draw(TUPLES)
    scene.run(public.evidence_envelope(codec.encode(value)))
    scene.run(public.evidence_envelope(data.draw(st.binary(max_size=80))))


def _mutated(data: st.DataObject, value: Any) -> Any:
    if type(value) is tuple:
        at = data.draw(st.integers(0, len(value) - 1))
        return (*value[:at], _mutated(data, value[at]), *value[at + 1 :])
    return data.draw(like(value))


@pytest.mark.parametrize("bad", BAD_HYBRID_KEYS, ids=range(len(BAD_HYBRID_KEYS)))
def test_a_key_to_which_nothing_can_be_sealed_is_registered_by_nobody(bad: bytes) -> None:
    """T2A: as wrap key of an admission, of a joiner that is synced, of a ready; as key of an
    epoch."""
    scene = Scene()
    world = scene.world
    member = world.nodes[1]
    (offer,) = world.governance.offers()
    for said in (
        world.synced(scene.joiner, wrap_key=bad),
        world.ready(member, offer, wrap_key=bad),
        world.offer(member, public_key=bad),
        world.say(scene.joiner, public.ATTEST, (_naming(world, scene.joiner, bad), "a", "b")),
    ):
        assert world.refused(said) == "malformed"


def _naming(world: World, actor: NodeActor, wrap_key: bytes) -> bytes:
    claims = Claims.decode(Evidence.decode(world.evidence(actor)).claims)
    wraps = ((int(world.governance.epoch) + 1, wrap_key),)
    return forged_evidence(
        actor.applicant, claims, measurement=actor.measurement, boot=9, wrap_keys=wraps
    )


def test_no_node_comes_in_under_the_vote_key_of_another() -> None:
    """T2B: else one key could sign what both say, and no epoch could name both."""
    scene = Scene()
    world = scene.world
    thief = joiner("thief")
    world.decide("allow_chip", operator="operator0", chip=thief.applicant.chip.chip_id)
    world.pass_time(3_600_000)
    world.keep_attested()
    own = NodeActor(thief.applicant)
    stolen = world.nodes[1].vote_key(0)
    shown = forged_evidence(
        thief.applicant,
        Claims.decode(Evidence.decode(world.evidence(own)).claims),
        measurement=thief.measurement,
        node_key=stolen,
    )
    voting = world.nodes[1].applicant.keys.vote
    envelope = signed(scene, voting(0), public.ATTEST, (shown, "a", "b"))  # type: ignore[arg-type]
    assert world.refused(envelope) == "taken"


# --- containment: bugs that nobody has found yet --------------------------------------------------


def test_a_bug_in_one_proposal_voids_that_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    one, _ = world.ok(world.proposal("set_limit", name="grace_ms", value=5))
    other, _ = world.ok(world.proposal("set_limit", name="epoch_blocks", value=50))
    for name in ("member1", "member2"):
        world.ok(world.ballot(one, name), world.ballot(other, name))
    sound = dry_runs.dry_run

    def failing(rules: Any, change: str, arguments: Any, *rest: Any) -> Any:
        if dict(arguments).get("name") == "grace_ms":
            raise KeyError("a bug")
        return sound(rules, change, arguments, *rest)

    monkeypatch.setattr(dry_runs, "dry_run", failing)
    world.pass_time(3_700_000)
    assert (world.status(one), world.status(other)) == ("void", "active")


def test_an_epoch_that_cannot_be_described_is_voided_and_another_one_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rather than a block that ends every enclave at each replay."""
    world = World()
    world.decide("rotate", compromised=False)
    world.ok(world.offer(world.nodes[0]))
    (offer,) = world.governance.offers()
    sound = succession._description

    def failing(*_: Any) -> Any:
        raise NotCanonical("validators: a vote key stands twice")

    monkeypatch.setattr(succession, "_description", failing)
    world.ok(*[world.ready(node, offer) for node in world.nodes])
    assert (world.governance.wish, world.governance.offers()) == (None, ())
    monkeypatch.setattr(succession, "_description", sound)
    world.decide("rotate", compromised=False)
    world.turn()
    assert world.governance.epoch == 1


@pytest.mark.parametrize("error", [MemoryError, RecursionError, OSError])
def test_what_this_process_lacks_becomes_no_outcome(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    world = World()

    def failing(*_: Any) -> None:
        raise error

    monkeypatch.setattr(proposals, "settle", failing)
    with pytest.raises(error):
        world.block(world.proposal("rotate", compromised=False))
