"""Messages of other epochs: what waits, who is asked, who is told; all of it bounded (R0, R16;
T31)."""

from dataclasses import dataclass, replace
from typing import Any

from tests.consensus import samples

from strongroom.consensus.host_messages import EpochMessage, EpochRequest
from strongroom.consensus.messages import BatchMessage, VoteMessage
from strongroom.consensus.statements import Vote
from strongroom.consensus.types import Epoch, SignerIndex
from strongroom.node.ordering.effects import Tell
from strongroom.node.ordering.other_epochs import ASK_SECONDS, EARLY_MESSAGES_MAX, OtherEpochs

EPOCH = samples.EPOCH.epoch
PEER, OTHER = (validator.node_key for validator in samples.EPOCH.validators[1:3])
NEXT, BEYOND = Epoch(EPOCH + 1), Epoch(EPOCH + 2)


@dataclass
class StandInEpochs:
    """The samples' epoch is the newest."""

    known: tuple[object, ...] = ()
    newest: Any = samples.EPOCH

    def entries(self, _: Epoch) -> tuple[object, ...]:
        return self.known


def others(*known: object) -> OtherEpochs:
    epochs: Any = StandInEpochs(known)
    return OtherEpochs(epochs)


def vote_of(epoch: int) -> VoteMessage:
    statement = replace(samples.STATEMENTS["nullify"], epoch=Epoch(epoch))
    return VoteMessage(Vote(statement, SignerIndex(1), samples.signature(1)))


def test_a_message_of_the_next_epoch_waits_for_it_and_how_it_was_opened_is_asked_once() -> None:
    """R0: above mine, EPOCH_REQ. Whoever is a moment behind misses no proposal of the new epoch."""
    made, said = others(), []
    for _ in range(3):
        said += made.ahead(PEER, vote_of(NEXT), NEXT, EPOCH, 1.0)
    assert said == [Tell(PEER, EpochRequest(NEXT))]
    said = made.ahead(OTHER, vote_of(NEXT), NEXT, EPOCH, 1.0)
    said += made.ahead(PEER, vote_of(NEXT), NEXT, EPOCH, 1.0 + ASK_SECONDS)
    assert [effect.to for effect in said if isinstance(effect, Tell)] == [OTHER, PEER]
    assert made.take_early() == [(PEER, vote_of(NEXT))] * 3 + [
        (OTHER, vote_of(NEXT)),
        (PEER, vote_of(NEXT)),
    ]
    assert made.take_early() == []


def test_T31_messages_that_come_too_early_are_bounded_and_batches_are_fetched_instead() -> None:
    made = others()
    for _ in range(2 * EARLY_MESSAGES_MAX):
        made.ahead(PEER, vote_of(NEXT), NEXT, EPOCH, 1.0)
    made.ahead(PEER, vote_of(BEYOND), BEYOND, EPOCH, 1.0)
    made.ahead(PEER, BatchMessage(samples.BATCH), NEXT, EPOCH, 1.0)
    early = made.take_early()
    assert len(early) == EARLY_MESSAGES_MAX
    assert all(message == vote_of(NEXT) for _, message in early)


def test_T31_one_node_that_floods_does_not_drive_out_what_others_said_too_early() -> None:
    """R0: else one liar makes whoever is a moment behind miss every proposal of the new epoch."""
    made = others()
    made.ahead(OTHER, vote_of(NEXT), NEXT, EPOCH, 1.0)
    for _ in range(2 * EARLY_MESSAGES_MAX):
        made.ahead(PEER, vote_of(NEXT), NEXT, EPOCH, 1.0)
    assert made.early == EARLY_MESSAGES_MAX
    assert made.take_early()[0] == (OTHER, vote_of(NEXT))
    assert made.early == 0


def test_whoever_is_behind_is_told_how_later_epochs_were_opened_at_a_pace() -> None:
    """R0: below mine, answer EPOCH."""
    made: Any = others("entry")
    told = [effect for at in (1.0, 1.1, 1.0 + ASK_SECONDS) for effect in made.tell(PEER, EPOCH, at)]
    assert told == [Tell(PEER, EpochMessage(("entry",)))] * 2  # type: ignore[arg-type]
    assert others().tell(PEER, EPOCH, 1.0) == [], "nothing is known"
