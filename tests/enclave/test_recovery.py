"""A dead service comes back by k of n members, and by nobody else (VAULT §7, P9; T45, T5B).

Enclaves without keys follow a real ledger, real shares open it. What crosses processes and disks:
tests/integration/test_recovery_drill.py.
"""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from tests.enclave.chain import founded, resolve
from tests.enclave.dead_service import (
    LEDGER_PROGRAMS,
    Dead,
    agreed,
    certified,
    died,
    enclave,
    followed,
    given,
    go_on,
    measurement,
    planned,
    share_of,
)
from tests.enclave.fixtures import MEASUREMENT, key_named, manufacturer

from strongroom.consensus.blocks import Anchor
from strongroom.consensus.epochs import EpochChain, EpochEntry
from strongroom.consensus.errors import AttestationError, OperatorFault, PeerFault
from strongroom.consensus.recovery import (
    Agreement,
    RecoveryCertificate,
    read_finality,
)
from strongroom.consensus.types import Digest, Height, Milliseconds, Signature
from strongroom.consensus.validators import EpochDescription
from strongroom.enclave.execution.executor import Executor
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.enclave.formats.recovery_plan import GivenShare, RecoveryPlan
from strongroom.enclave.formats.recovery_share import ShareRefused
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.keys.sealing import unseal_state
from strongroom.enclave.member.recovery import Recovery
from strongroom.enclave.primitives import HybridKey, Secret, digest
from strongroom.enclave.proofs.genesis import epoch_chain


@cache
def dead() -> Dead:
    """Two ordered blocks were executed by nobody."""
    return died(lost=2)


@cache
def elsewhere() -> Dead:
    """The same service, whose ledger went on otherwise: another history of the same chain."""
    return died(lost=1)


@cache
def certificate() -> RecoveryCertificate:
    return certified(dead())


def balance(one: Recovery, who: str) -> int:
    """On their first account, as the state that was brought back has it."""
    copied = one._ledger().executor._runner.state.copy()
    maps = {name: items for program, name, items in copied if program == "payments"}
    number = maps["accounts"][resolve(who), ""]
    return int(maps["balances"][number][0])


# --- coming back ---


def test_T45_two_of_four_members_bring_it_back_with_every_balance() -> None:
    one = dead()
    (lead,), plan = planned(one)
    for name in ("member2", "member0"):
        lead.take(given(one, plan, name).encode())
    made, handed = lead.open()
    assert (made.members, handed) == (("member0", "member2"), ())
    outcomes, sealed = go_on(one, lead)
    codes = [set(outcome.codes) for outcome in outcomes]
    assert codes == [{Code.LOST}, {Code.LOST}, set()]
    assert balance(lead, "bob") == one.balance
    governance = lead._ledger().executor.governance
    validators = [node.name for node in governance.nodes() if node.status == "validator"]
    assert (governance.current, validators) == (plan.description, ["n0"])
    chip = one.chain.cluster.chips[0]
    node = unseal_state(chip.sealing_secret(MEASUREMENT), sealed)
    assert node.mark == (plan.opening.height, plan.opening.digest)
    assert [(secrets.epoch, secrets.opens) for secrets in node.secrets] == [(0, False), (1, True)]
    assert node.secrets[1].public_key == plan.public_key


def test_several_nodes_come_back_together_and_come_to_the_same() -> None:
    one = dead()
    (lead, *others), plan = planned(one, (2, 0, 3))
    for name in ("member1", "member3"):
        lead.take(given(one, plan, name).encode())
    made, handed = lead.open()
    outcomes = [go_on(one, lead)[0]]
    for other, (node_key, secret) in zip(
        sorted(others, key=lambda each: each._need()[0].keys.node.public), handed, strict=True
    ):
        assert node_key == other._need()[0].keys.node.public
        other.receive(made.brief(), secret)
        outcomes.append(go_on(one, other)[0])
    assert outcomes[0] == outcomes[1] == outcomes[2]
    roots = {each._ledger().executor.root for each in (lead, *others)}
    assert len(roots) == 1


def test_what_nobody_had_executed_is_refused_and_time_goes_on() -> None:
    one = died(lost=0)
    (lead,), plan = planned(one)
    for name in ("member0", "member1"):
        lead.take(given(one, plan, name).encode())
    lead.open()
    outcomes, _ = go_on(one, lead)
    assert [outcome.height for outcome in outcomes] == [plan.opening.height]
    assert plan.opening.anchor.height == plan.head.header.height


def test_a_joiner_takes_the_last_block_over_from_its_outcome() -> None:
    """What a recovery changed is in a write set like any other: nobody needs to have been there."""
    one = dead()
    (lead,), plan = planned(one)
    for name in ("member0", "member1"):
        lead.take(given(one, plan, name).encode())
    made, _ = lead.open()
    outcomes, _ = go_on(one, lead)
    epochs = verifier()
    epochs.extend(entry(made))
    keyring = Keyring([one.chain.cluster.secrets[1].without_input()])
    executor = Executor(one.chain.genesis, keyring, epochs, LEDGER_PROGRAMS)
    kept = [(header, Outcome.decode(data)) for header, _, _, data in one.records if data]
    rest = [header for header, _, _, data in one.records if not data] + [plan.opening]
    for header, outcome in (*kept, *zip(rest, outcomes, strict=True)):
        executor.apply(header, outcome)
    assert executor.root == lead._ledger().executor.root
    assert executor.state_digest() == lead._ledger().executor.state_digest()


# --- shares ---


def spoilt(one: Dead, plan: RecoveryPlan) -> dict[str, GivenShare]:
    """One share of each kind that does not count, by the name under which it is refused."""
    good = given(one, plan, "member1")
    other = planned(elsewhere())[1]
    stranger = key_named("stranger")
    wrong = replace(share_of(one, "member1"), value=Secret(bytes(32)))
    unsigned = Agreement(good.agreement.member, Signature(bytes(64)))
    older = replace(share_of(one, "member1"), number=0)
    foreign = replace(share_of(one, "member1"), chain=other.opening.parent)  # type: ignore[arg-type]
    return {
        "share-forged": given(one, plan, "member1", share=wrong),
        "share-of-an-older-generation": given(one, plan, "member1", share=older),
        "share-of-another-chain": given(one, plan, "member1", share=foreign),
        "share-of-another-member": given(one, plan, "member1", share=share_of(one, "member2")),
        "share-of-no-member": given(
            one, plan, "member1", agreement=agreed(one, plan, "member1", stranger)
        ),
        "agreed-to-another-plan": given(elsewhere(), other, "member1"),
        "agreement-forged": given(one, plan, "member1", agreement=unsigned),
        "share-does-not-open": replace(good, sealed=good.sealed[:-1] + b"\0"),
        "share-twice": given(one, plan, "member0"),
    }


def test_T45_a_share_that_does_not_count_is_refused_by_name_and_the_others_stand() -> None:
    one = dead()
    (lead,), plan = planned(one)
    lead.take(given(one, plan, "member0").encode())
    for reason, share in spoilt(one, plan).items():
        with pytest.raises(ShareRefused) as refused:
            lead.take(share.encode())
        assert refused.value.reason == reason
        assert lead.status().given == ("member0",)
    with pytest.raises(ShareRefused) as refused:
        lead.take(b"\x93")
    assert refused.value.reason == "share-malformed"
    _, name, missing = lead.take(given(one, plan, "member1").encode())
    assert (name, missing) == ("member1", 0)
    lead.open()
    with pytest.raises(OperatorFault, match="open already"):
        lead.open()


def test_T45_fewer_than_k_shares_open_nothing() -> None:
    one = dead()
    (lead,), plan = planned(one)
    for count in (0, 1):
        with pytest.raises(ShareRefused, match="too-few-shares"):
            lead.open()
        with pytest.raises(OperatorFault, match="RECOVER_OPEN"):
            lead.apply([], [])
        if count == 0:
            lead.take(given(one, plan, "member3").encode())


# --- kills ---


def test_what_was_sealed_goes_on_after_each_step() -> None:
    """kill -9 after every step: another process unseals, and nothing but the ledger is read
    again."""
    one, chip = dead(), dead().chain.cluster.chips[0]
    genesis, secret = one.chain.genesis, chip.sealing_secret(MEASUREMENT)

    def again(sealed: bytes) -> Recovery:
        return Recovery.again(chip, measurement(), secret, genesis, sealed, LEDGER_PROGRAMS)

    first = followed(one)
    sealed, evidence = first.show()
    assert again(sealed).show()[1] == evidence
    time_ms = Milliseconds(one.records[-1][0].time_ms + 1)
    sealed, encoded, _ = again(sealed).plan([evidence], time_ms)
    later = Milliseconds(time_ms + 9)
    assert again(sealed).plan([evidence], later)[1] == encoded
    plan = RecoveryPlan.decode(encoded)
    sealed, _, _ = again(sealed).take(given(one, plan, "member0").encode())
    assert again(sealed).status().given == ("member0",)
    sealed, _, _ = again(sealed).take(given(one, plan, "member3").encode())
    made = [again(sealed), again(sealed)]
    results = []
    for each in made:
        each.open()
        results.append(go_on(one, each)[0])
    assert results[0] == results[1]


def test_a_state_of_another_chip_does_not_open() -> None:
    one = dead()
    sealed, _ = followed(one).show()
    other = one.chain.cluster.chips[1]
    with pytest.raises(OperatorFault, match="another platform"):
        Recovery.again(
            other,
            measurement(),
            other.sealing_secret(MEASUREMENT),
            one.chain.genesis,
            sealed,
            LEDGER_PROGRAMS,
        )


# --- the ledger ---


def test_a_forged_ledger_is_refused_at_its_height() -> None:
    one = dead()
    records = one.records
    header, batches, proof, data = records[4]
    outcome = Outcome.decode(data)
    lies = {
        "an outcome of another block": (header, batches, proof, records[3][3]),
        "a public result": (
            header,
            batches,
            proof,
            replace(outcome, results=(outcome.results[0] + b"\0", *outcome.results[1:])).encode(),
        ),
        "rules that are none": (
            header,
            batches,
            proof,
            replace(outcome, rules=Digest(b"\1" * 32)).encode(),
        ),
        "a batch less": (header, batches[:-1], proof, data),
        "another anchor": (
            replace(header, anchor=Anchor(Height(1), Digest(b"\1" * 32))),
            batches,
            proof,
            data,
        ),
    }
    for lie in lies.values():
        reader = enclave(one, 0)
        reader.follow(records[:4])
        with pytest.raises(OperatorFault, match=f"height {header.height}"):
            reader.follow([lie])


def test_blocks_that_nobody_executed_stand_on_each_other_too() -> None:
    """No outcome says their order."""
    one = dead()
    for lie in (one.records[-1:], [one.records[-2], one.records[-2]]):
        reader = enclave(one, 0)
        reader.follow(one.records[:-2])
        with pytest.raises(OperatorFault, match="does not stand on block"):
            reader.follow(lie)


def test_a_ledger_whose_end_no_quorum_certified_is_no_ground() -> None:
    one = dead()
    header, batches, _, data = one.records[-1]
    reader = enclave(one, 0)
    reader.follow([*one.records[:-1], (header, batches, None, data)])
    with pytest.raises(OperatorFault, match="no certificate of its own"):
        reader.show()
    forged = one.chain.certificate(header, signers=(0, 1))
    reader = enclave(one, 0)
    reader.follow([*one.records[:-1], (header, batches, forged, data)])
    with pytest.raises(PeerFault, match="a quorum is 3"):
        reader.show()


def test_before_any_shares_are_in_force_there_is_nothing_to_agree_to() -> None:
    one = dead()
    reader = enclave(one, 0)
    reader.follow(one.records[:4])
    with pytest.raises(OperatorFault, match="no shares are in force"):
        reader.show()


# --- who takes part ---


def test_an_enclave_that_the_policy_does_not_name_is_no_part_of_a_plan() -> None:
    one = dead()
    stranger = enclave(one, 1, chip=manufacturer().make_chip())
    stranger.follow(one.records)
    own = followed(one)
    time_ms = Milliseconds(one.records[-1][0].time_ms + 1)
    with pytest.raises(AttestationError, match="chip"):
        own.plan([own.show()[1], stranger.show()[1]], time_ms)


def test_evidence_over_another_ground_is_refused() -> None:
    one = dead()
    own, other = followed(one), enclave(one, 1)
    other.follow(one.records[:-1])
    own.show()
    with pytest.raises(AttestationError, match="nonce"):
        own.plan([own.show()[1], other.show()[1]], Milliseconds(one.records[-1][0].time_ms + 1))


def test_one_machine_is_no_two_validators() -> None:
    one = dead()
    first, second = followed(one), followed(one)
    shown = [first.show()[1], second.show()[1]]
    lead = min((first, second), key=lambda each: each._need()[0].keys.node.public)
    with pytest.raises(PeerFault, match="chip stands twice"):
        lead.plan(shown, Milliseconds(one.records[-1][0].time_ms + 1))


def test_a_host_that_makes_up_the_secret_of_the_epoch_finds_no_enclave_for_it() -> None:
    """Else it could seal, to a key that it knows, what clients think is sealed to enclaves."""
    one = dead()
    ones = [followed(one, index) for index in (0, 1)]
    shown = [each.show()[1] for each in ones]
    lead = min(ones, key=lambda each: each._need()[0].keys.node.public)
    (other,) = (each for each in ones if each is not lead)
    time_ms = Milliseconds(one.records[-1][0].time_ms + 1)
    plan = RecoveryPlan.decode(lead.plan(shown, time_ms)[1])
    known = HybridKey(Secret(bytes(32))).public
    described = replace_description(plan.description, public_key_digest=digest(known))
    opening = replace(plan.opening, next_epoch=described.digest)
    forged = replace(plan, public_key=known, description=described, opening=opening)
    for lie, words in (
        (forged, "did not make this plan"),
        (replace(plan, public_key=known), "not the one described"),
        (replace(plan, signature=Signature(bytes(64))), "did not make this plan"),
        (replace(plan, wraps=plan.wraps[:1]), "not wrapped to exactly"),
        (replace(plan, policy=plan.policy[:-1] + b"\1"), "policy"),
    ):
        with pytest.raises(PeerFault, match=words):
            other.join(lie.encode())
    other.join(plan.encode())


# --- the certificate ---


def forgeries() -> dict[str, RecoveryCertificate]:
    """Certificates that prove nothing, each with one thing wrong."""
    one, good = dead(), certificate()
    head, statement = good.head, good.agreed
    chain_id = one.chain.genesis.chain
    by = {name: key for name, key in one.chain.members_keys.items()}

    def signed(*names: str, over: RecoveryCertificate = good) -> RecoveryCertificate:
        message = over.agreed.signed_bytes(chain_id)
        made = [Agreement(by[name].public, by[name].sign(message)) for name in names]
        return replace(over, agreements=tuple(sorted(made, key=lambda each: each.member)))

    stranger = key_named("stranger")
    intruder = Agreement(stranger.public, stranger.sign(statement.signed_bytes(chain_id)))
    other = certified(elsewhere())
    alone = tuple((name, key) for name, key in good.rules.members if name in ("member0", "member1"))
    lower = replace(good.rules, threshold=1)
    early = one.chain.blocks[-2].header
    others_key = replace(good.opening, next_epoch=other.description.digest)
    return {
        "k-1 members": signed("member0"),
        "nobody": replace(good, agreements=()),
        "a stranger among them": replace(
            good,
            agreements=tuple(sorted((good.agreements[0], intruder), key=lambda each: each.member)),
        ),
        "agreements over another head": replace(good, agreements=other.agreements),
        "a lower threshold": signed("member0", over=replace(good, rules=lower)),
        "other members": signed("member0", over=replace(good, rules=replace(lower, members=alone))),
        "another head below the same opening": replace(good, head=other.head),
        "a head that no quorum certified": signed(
            "member0",
            "member1",
            over=replace(
                good,
                head=replace(head, certificate=one.chain.certificate(head.header, signers=(0, 1))),
            ),
        ),
        "an uncertified head": signed(
            "member0", "member1", over=replace(good, head=replace(head, certificate=None))
        ),
        "a header that does not follow its head": signed(
            "member0",
            "member1",
            over=replace(
                good,
                head=replace(head, header=early, certificate=one.chain.certificate(early)),
            ),
        ),
        "a header that members did not see": replace(good, opening=others_key),
        "another execution": signed(
            "member0",
            "member1",
            over=replace(
                good,
                opening=replace(
                    good.opening,
                    anchor=Anchor(head.header.anchor.height, Digest(b"\1" * 32)),
                ),
            ),
        ),
        "evidence of other enclaves": replace(good, evidence=other.evidence),
        "another validator set": replace(good, description=other.description),
    }


def replace_description(one: EpochDescription, **changes: Any) -> EpochDescription:
    fields: dict[str, Any] = {
        "epoch": one.epoch,
        "validators": one.validators,
        "public_key_digest": one.public_key_digest,
    }
    return EpochDescription(**(fields | changes))


def verifier() -> EpochChain:
    return epoch_chain(dead().chain.genesis)


def entry(made: RecoveryCertificate) -> EpochEntry:
    return EpochEntry(made.opening, made, made.description, made.public_key)


def test_the_certificate_opens_the_epoch_for_whoever_has_the_pin() -> None:
    made = certificate()
    for one in (made, made.brief(), read_finality(made.to_wire())):
        assert isinstance(one, RecoveryCertificate)
        epochs = verifier()
        assert epochs.extend(entry(one))
        assert epochs.newest == made.description
        assert epochs.recoveries()[0].members == ("member0", "member1")
        epochs.check_final(one.opening, one)


@pytest.mark.parametrize("name", sorted(forgeries()))
def test_T5B_a_forged_certificate_opens_nothing(name: str) -> None:
    forged = forgeries()[name]
    epochs = verifier()
    with pytest.raises(PeerFault):
        epochs.extend(entry(forged))
    assert epochs.newest.epoch == 0
    with pytest.raises(PeerFault):
        epochs.check_final(forged.opening, forged)


def test_T5B_a_doubled_member_counts_once() -> None:
    made = certificate()
    with pytest.raises(PeerFault, match="distinct"):
        replace(made, agreements=(made.agreements[0], made.agreements[0]))


def test_a_service_of_another_pin_takes_none_of_it() -> None:
    with pytest.raises(PeerFault, match="another chain"):
        epoch_chain(founded().verified).extend(entry(certificate()))


def test_an_epoch_that_members_opened_is_not_opened_again_otherwise() -> None:
    epochs, second = verifier(), certified(dead(), ("member2", "member3"))
    epochs.extend(entry(certificate()))
    assert second.opening != certificate().opening
    with pytest.raises(PeerFault, match="opened by another block"):
        epochs.extend(entry(second))
    with pytest.raises(PeerFault, match="ended by another block"):
        epochs.check_final(second.opening, second)
