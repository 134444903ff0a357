"""The one suite with real Ed25519 in the place of the fake signatures."""

from collections import Counter
from hashlib import sha256

from tests.simulation.actors.chatterbox import Chatterbox
from tests.simulation.actors.equivocator import Equivocator
from tests.simulation.actors.forger import Forger
from tests.simulation.scenes import Scene

from strongroom.consensus.types import PublicKey, Signature, SignerIndex
from strongroom.enclave.primitives import Secret, verify
from strongroom.enclave.primitives import SigningKey as Ed25519Key


class RealKey:
    """One Ed25519 key."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519Key(Secret(sha256(seed).digest()))

    @property
    def public(self) -> PublicKey:
        return self._key.public

    def sign(self, message: bytes) -> Signature:
        return self._key.sign(message)


class RealKeyring:
    """Ed25519, as in the enclave."""

    def make(self, seed: bytes) -> RealKey:
        return RealKey(seed)

    def verify(self, public: bytes, signature: bytes, message: bytes) -> bool:
        return verify(public, signature, message)


def run(**options: object) -> Scene:
    scene = Scene(keyring=RealKeyring(), **options)  # type: ignore[arg-type]
    scene.start()
    scene.load(10, every=0.05)
    scene.run(1.0)
    scene.settle(10.0)
    return scene


def test_four_honest_nodes_agree_under_real_signatures() -> None:
    scene = run(size=4)
    assert len({replica.state.final.digest for replica in scene.replicas}) == 1
    assert not scene.faults


def test_a_node_verifies_the_first_of_its_own_votes_then_only_those_that_make_a_block_final() -> (
    None
):
    scene = Scene(4, keyring=RealKeyring())
    own: Counter[SignerIndex] = Counter()
    others: Counter[SignerIndex] = Counter()

    def watch(seat: SignerIndex) -> None:
        run = scene.honest(seat).participant.run
        assert run.own is not None
        mine = run.description.validators[run.own].vote_key

        def noted(key: bytes, signature: bytes, message: bytes) -> bool:
            (own if key == mine else others)[seat] += 1
            return verify(key, signature, message)

        run.context.verify._verify = noted

    scene.start()
    for seat in map(SignerIndex, range(4)):
        watch(seat)
    scene.load(10, every=0.05)
    scene.run(1.0)
    scene.settle(10.0)
    final = scene.honest(0).replica.state.final.height
    assert final > 0
    assert max(own.values()) <= 1 + final
    assert min(others.values()) > 10


def test_epochs_change_under_real_signatures() -> None:
    scene = Scene(4, reserves=1, keyring=RealKeyring())
    scene.start()
    scene.load(10, every=0.05)
    scene.at(0.2, lambda: scene.submit(0, b"govern: replace 1 4"))
    scene.run(1.0)
    assert scene.run(10.0, lambda: scene.everything_final() and scene.everybody_is_there())
    assert len(scene.epochs) == 2
    assert not scene.faults


def test_T30_T36_liars_fare_no_better_under_real_signatures() -> None:
    for liar in (Equivocator, Chatterbox, Forger):
        scene = run(size=4, liars={0: liar})
        assert scene.accused <= {0}
