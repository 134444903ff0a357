"""Who may agree to a recovery is what the lost quorum anchored: not who once was a member, not who
only watches, and not by an older height's word (VAULT §7; T45, T5A, T5B)."""

from dataclasses import replace
from typing import Any

import pytest
from tests.enclave.dead_service import recovery_key
from tests.enclave.mortal_world import MortalWorld

from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.errors import PeerFault
from strongroom.consensus.recovery import Agreement, RecoveryCertificate, RecoveryRules
from strongroom.enclave.execution.public_replay import PublicReplay
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.formats.recovery import Generation
from strongroom.enclave.formats.recovery_plan import RecoveryPlan
from strongroom.enclave.formats.recovery_share import ShareRefused
from strongroom.enclave.member.recovery import Recovery
from strongroom.enclave.outside.recovery_giving import Offer, RefusedToGive, give, judge_offer
from strongroom.enclave.proofs.genesis import epoch_chain

GONE: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "member2": ("set_weight", {"weight": 0}, ("member1", "member3")),
    "member3": ("remove_member", {}, ("member1",)),
}
"""Who holds a share of the generation in force, and governs no more; by whose agreement."""


class Scene:
    """A service that died while two of four holders governed no more, and a plan to recover it."""

    def __init__(self) -> None:
        self.world = MortalWorld()
        self.world.publish_keys()
        self.world.share()
        self.world.commit()
        self.early = len(self.world.blocks)
        """A height at which all four might agree."""
        for name, (change, more, agree) in GONE.items():
            self.world.govern(change, agree=agree, name=name, **more)
        self.world.commit()
        self.world.commit()
        found: tuple[list[Recovery], RecoveryPlan, Generation] = self.world.planned()
        (self.lead,), self.plan, self.generation = found

    def agreement(self, plan: RecoveryPlan | RecoveryCertificate, name: str) -> Agreement:
        statement = plan.statement if isinstance(plan, RecoveryPlan) else plan.agreed
        key = self.world.cluster.members[name]
        return Agreement(key.public, key.sign(statement.signed_bytes(self.world.chain)))

    def agreed(self, made: RecoveryCertificate, *names: str) -> RecoveryCertificate:
        """By these members, whatever it says."""
        agreements = (self.agreement(made, name) for name in names)
        return replace(made, agreements=tuple(sorted(agreements, key=lambda one: one.member)))

    def early_rules(self) -> tuple[Any, RecoveryRules]:
        """The rules of a height at which all governed, with what a quorum anchored of it."""
        replay = PublicReplay(self.world.cluster.verified)
        for header, batches, proof, data in self.world.records()[: self.early]:
            replay.follow(header, batches, proof, Outcome.decode(data))
        found = replay.head()
        return found.head, found.rules


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene()


def opens(scene: Scene, made: RecoveryCertificate) -> bool:
    epochs = epoch_chain(scene.world.cluster.verified)
    return epochs.extend(EpochEntry(made.opening, made, made.description, made.public_key))


def test_T45_who_governs_alone_opens(scene: Scene) -> None:
    assert [name for name, _ in scene.plan.rules.members] == ["member0", "member1"]
    assert opens(scene, scene.agreed(scene.plan.certificate(), "member0", "member1"))


@pytest.mark.parametrize("name", sorted(GONE))
def test_T5A_who_was_removed_or_only_watches_agrees_to_nothing(scene: Scene, name: str) -> None:
    """By the certificate, by the enclave that takes shares, and by its own client."""
    with pytest.raises(PeerFault, match="holds no share"):
        opens(scene, scene.agreed(scene.plan.certificate(), "member0", name))
    with pytest.raises(PeerFault, match="holds no share"):
        opens(scene, scene.agreed(scene.plan.certificate(), "member0", "member1", name))
    given = scene.world.given(scene.plan, scene.generation, name)
    with pytest.raises(ShareRefused) as refused:
        scene.lead.take(given.encode())
    assert (refused.value.reason, scene.lead.status().given) == ("share-of-no-member", ())
    genesis, key = scene.world.cluster.verified, scene.world.cluster.members[name]
    offer = Offer(
        genesis=genesis.data, entries=(), plan=scene.plan, generation=scene.generation
    ).encode()
    with pytest.raises(RefusedToGive, match="not-a-member"):
        give(judge_offer(offer, genesis.pin), key.public, key.sign, recovery_key(name))


def test_T5B_rules_of_an_older_height_are_not_those_of_the_head(scene: Scene) -> None:
    """Those who governed once would agree: by the rules of then under the head of now, by the leaf
    of then, or by a head of then."""
    head, rules = scene.early_rules()
    assert sorted(dict(rules.members)) == ["member0", "member1", "member2", "member3"]
    good = scene.plan.certificate()
    now = good.head
    lies = {
        "other rules": replace(good, rules=rules),
        "their leaf": replace(good, rules=rules, head=replace(now, leaf=head.leaf)),
        "their leaf and path": replace(
            good, rules=rules, head=replace(now, leaf=head.leaf, path=head.path)
        ),
        "their head below this opening": replace(good, rules=rules, head=head),
        "their header under this certificate": replace(
            good, rules=rules, head=replace(head, certificate=now.certificate)
        ),
        "this header, anchored there": replace(
            good,
            rules=rules,
            head=replace(head, header=replace(now.header, anchor=head.header.anchor)),
        ),
    }
    for name, lie in lies.items():
        with pytest.raises(PeerFault):
            opens(scene, scene.agreed(lie, "member2", "member3"))
        assert name
    for changed in (
        {"threshold": 1},
        {"generation": rules.generation + 1},
        {"shares": rules.policy},
        {"policy": rules.shares},
        {"members": (*good.rules.members, ("member9", dict(rules.members)["member3"]))},
        {"members": (("member0", dict(rules.members)["member3"]), good.rules.members[1])},
    ):
        lie = replace(good, rules=replace(good.rules, **changed))
        with pytest.raises(PeerFault, match="not the rules"):
            opens(scene, scene.agreed(lie, "member0", "member1"))


def test_T5B_members_agree_to_two_offers_at_once_and_one_epoch_alone_is_opened(
    scene: Scene,
) -> None:
    """Both are offered, both are given for: whoever believed one refuses the other; a share that
    was given for one does not count for the other."""
    (other,), second, _ = scene.world.planned((1,))
    for_first = scene.world.given(scene.plan, scene.generation, "member0").encode()
    with pytest.raises(ShareRefused) as refused:
        other.take(for_first)
    assert refused.value.reason == "agreed-to-another-plan"
    mixed = scene.agreed(scene.plan.certificate(), "member0")
    mixed = replace(
        mixed,
        agreements=tuple(
            sorted(
                (*mixed.agreements, scene.agreement(second, "member1")),
                key=lambda one: one.member,
            )
        ),
    )
    with pytest.raises(PeerFault, match="did not sign this agreement"):
        opens(scene, mixed)
    epochs = epoch_chain(scene.world.cluster.verified)
    one, two = (
        scene.agreed(plan.certificate(), "member0", "member1") for plan in (scene.plan, second)
    )
    assert epochs.extend(EpochEntry(one.opening, one, one.description, one.public_key))
    with pytest.raises(PeerFault, match="opened by another block"):
        epochs.extend(EpochEntry(two.opening, two, two.description, two.public_key))
    with pytest.raises(PeerFault, match="ended by another block"):
        epochs.check_final(two.opening, two)
