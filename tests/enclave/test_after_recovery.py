"""What a recovery changes of the state, and what of it protects and stays (VAULT §7; T45, T5B)."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.enclave.chain import Chain, person
from tests.enclave.mortal_world import MortalWorld
from tests.enclave.programs.people.world import PeopleChain
from tests.enclave.programs.rooms.world import BANKS, RoomsChain
from tests.enclave.programs.vault.world import OWNER, POLICY, Room
from tests.enclave.test_roles_by_grant import RoleChain

from strongroom.consensus.blocks import Anchor
from strongroom.consensus.recovery import opening_header
from strongroom.consensus.types import Epoch, Height, Milliseconds
from strongroom.consensus.validators import EpochDescription, Validator
from strongroom.enclave.execution.executor import Executor
from strongroom.enclave.execution.snapshot_loading import Loader
from strongroom.enclave.formats.history import HistoryTree
from strongroom.enclave.formats.outcome import Code, Outcome
from strongroom.enclave.governance.recovering import reopening_of
from strongroom.enclave.keys.keyring import Keyring
from strongroom.enclave.keys.keys import ServiceSecret
from strongroom.enclave.outside.client_sessions import Result
from strongroom.enclave.primitives import Secret
from strongroom.enclave.programs import PROGRAMS
from strongroom.enclave.proofs.block_data import envelopes_of
from strongroom.enclave.proofs.genesis import epoch_chain

STARTS_OVER = {"clock", "epochs", "nodes", "standing", "wraps"}
"""Of governance: time went on, an epoch began, its validators are the only nodes."""
SINGLES = {"before", "due", "grace", "recovery-stain", "rotation", "tenure", "winner", "wish"}
"""Of `standing`: who served until when, what was decided of the epoch that never came, and that W
may be known."""
BOXES = {"boxes", "groups", "shares", "totals", "versions"}
"""Of the vault: secrets under the lost input secret, what they counted, and their versions."""


def reopened(chain: Chain) -> Executor:
    """A replica that came over this chain by its outcomes, and ended its epoch as a recovery by one
    of its nodes does."""
    genesis, secrets = chain.genesis, ServiceSecret(Secret.fresh()).split(Epoch(1))
    keyring = Keyring([chain.cluster.secrets[0].without_input()])
    executor = Executor(genesis, keyring, chain.epochs, PROGRAMS)
    for made, outcome in zip(chain.blocks, chain.outcomes, strict=True):
        executor.apply(made.header, outcome)
    enclave = genesis.validators[0]
    one = Validator(node_key=enclave.claims.node_key, vote_key=enclave.claims.vote_key)
    description = EpochDescription(
        epoch=Epoch(1), validators=(one,), public_key_digest=secrets.public_key_digest
    )
    opening = opening_header(
        chain.tip,
        genesis.description,
        genesis.header,
        executed=Anchor(executor.height, executor.root),
        description=description,
        time_ms=Milliseconds(chain.tip.time_ms + 1),
    )
    executor.reopen(reopening_of(opening, description, secrets.public_key, (enclave,)))
    return executor


def maps_of(executor: Executor) -> dict[tuple[str, str], dict[Any, Any]]:
    return {(program, name): dict(items) for program, name, items in executor._runner.state.copy()}


def spent() -> Chain:
    """A clean room: a contract ran, and what it may cost is charged."""
    chain = RoomsChain()
    id = chain.story()
    chain.staff("operator0", "operator1")
    chain.finish(chain.start(id))
    chain.must(BANKS[0], "suspend", key="/transfers")
    return chain


def standing() -> Chain:
    """A person stands in a region by a token, and an older one is refused from now on."""
    chain = PeopleChain()
    chain.choose()
    older = chain.token()
    chain.pass_s(5)
    assert chain.present("alice", chain.token()).ok
    assert not chain.present("alice", older).ok
    return chain


def granted() -> Chain:
    """A grant is in use, another was denied."""
    chain = RoleChain()
    chain.begun()
    return chain


@pytest.mark.parametrize("lived", [spent, standing, granted])
def test_T45_a_recovery_resets_nothing_that_protects(lived: Callable[[], Chain]) -> None:
    """Budgets, ages of tokens, grants, revocations, members, rules, balances: map by map."""
    chain = lived()
    before, after = maps_of(chain.executor), maps_of(reopened(chain))
    assert before.keys() == after.keys()
    changed = {place for place in before if before[place] != after[place]}
    allowed = {("governance", name) for name in STARTS_OVER} | {("vault", name) for name in BOXES}
    assert changed <= allowed
    assert {("governance", name) for name in STARTS_OVER - {"standing"}} <= changed
    old, new = before["governance", "standing"], after["governance", "standing"]
    assert {name for name in {*old, *new} if old.get(name) != new.get(name)} <= SINGLES
    was, now = (each.get(("vault", "versions"), {}) for each in (before, after))
    assert was.keys() == now.keys()
    ended = {"active": "destroyed", "old": "destroyed"}
    for place, version in was.items():
        state, *rest = version
        assert now[place] == (ended.get(state, state), *rest), "and nothing else of it"
    assert not after.get(("vault", "boxes"))


# --- with real enclaves ---


@pytest.fixture(scope="module")
def recovered() -> MortalWorld:
    """Three keys of the vault, one revoked, one suspended; then the service died and came back."""
    world = MortalWorld()
    world.publish_keys()
    world.share()
    for name in ("toy", "gone", "held"):
        vault(world, OWNER, "new", name=name, policy=POLICY)
        vault(world, OWNER, "put", key=f"/{name}", secret=bytes(32))
    vault(world, OWNER, "revoke", key="/gone")
    vault(world, OWNER, "suspend", key="/held")
    assert ask(world, "toy").ok
    world.commit()
    world.recover((0, 1))
    return world


def vault(world: MortalWorld, who: str, operation: str, /, **arguments: Any) -> Any:
    done = world.once(who, f"vault.{operation}", **arguments)
    assert done.ok, (done.code, done.message)
    return done.value


def ask(world: MortalWorld, name: str) -> Result:
    room = Room()
    evidence = room.evidence(world.chain, world.tip.height, world.tip.digest)
    key = f"id:{person(OWNER).id.hex()}/{name}"
    return world.once(room.who, "vault.ask", key=key, purpose="print", evidence=evidence)


def test_T52_what_lay_in_boxes_is_destroyed_and_is_entrusted_again(recovered: MortalWorld) -> None:
    codes = {name: ask(recovered, name).code for name in ("toy", "gone", "held")}
    assert codes == {"toy": "revoked", "gone": "revoked", "held": "suspended"}
    vault(recovered, OWNER, "rotate", key="/toy", secret=bytes(31) + b"1", old_until_ms=2**50)
    assert ask(recovered, "toy").ok
    assert ask(recovered, "toy@1").code == "revoked", "it is no old version that opens still"
    vault(recovered, OWNER, "resume", key="/held")
    assert ask(recovered, "held").code == "revoked", "nothing of before opens"


def test_calls_sealed_before_are_refused_in_public(recovered: MortalWorld) -> None:
    """Also to be replayed they are of an epoch whose input secret nobody has."""
    before = [
        envelope
        for block in recovered.blocks[: min(recovered.finalities) - 1]
        for batch in block.batches
        for envelope in envelopes_of(batch)
    ]
    outcome = recovered.commit(*before[-4:])
    assert Code.EXECUTED not in outcome.codes


# --- snapshots ---


@pytest.mark.parametrize("newest", [18, 34])
def test_T34_a_joiner_goes_on_from_a_snapshot_of_before_the_recovery_or_after_it(
    newest: int,
) -> None:
    """Of height 8, which the lost enclaves took, named at 16 by the one that came back; or of
    24."""
    world = MortalWorld(snapshot_blocks=8)
    world.publish_keys()
    world.share()
    world.once("member0", "payments.issue", to="alice", amount=1000)
    while world.tip.height < 10:
        world.commit()
    opening = world.recover().opening
    assert 8 < opening.height < 16
    session = world.session("alice")
    while world.tip.height < newest:
        world.pay(session, 1)
    node = world.nodes["n0"]
    truth = node.core.learner._executor
    height, due, count, _, chunks = truth.snapshots.hand_out(Height(0), 0)
    assert (height, due, count) == (newest - 10, newest - 2, len(chunks))

    held = node.core.learner.keystore.keyring.all()
    ring, epochs = (
        Keyring([one.without_input() for one in held]),
        epoch_chain(world.cluster.verified),
    )
    for entry in world.entries:
        epochs.extend(entry)
    history = HistoryTree(world.cluster.verified.header)
    for data in world.outcomes:
        history.append(Outcome.decode(data).history_leaf)
    executor = Executor(world.cluster.verified, ring, epochs, PROGRAMS)
    loader = Loader(world.chain, executor, ring, epochs)
    certified = world.blocks[due]
    loader.begin(
        world.blocks[height - 1].header,
        Outcome.decode(world.outcomes[due - 1]).history_leaf,
        history.path(Height(due), due + 1),
        certified.header,
        certified.certificate,
        count,
    )
    for at, chunk in enumerate(chunks):
        loader.add(at, chunk)
    loader.end()
    for block, data in list(zip(world.blocks, world.outcomes, strict=True))[height:]:
        executor.apply(block.header, Outcome.decode(data))
    assert executor.root == truth.root
    assert executor.state_digest() == truth.state_digest()
