"""What the dearest envelopes of each kind cost to execute: µs of processor for each and per byte.
Run it by hand:

.venv/bin/python -m tests.enclave.bench_work

docs/performance.md has the table. Prices and bounds that follow from it: programs/runner.py for
calls, execution/public_work.py for what is public.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import islice, product
from string import ascii_letters, digits
from typing import Any

from tests.enclave.chain import Chain, funded, pay
from tests.enclave.fixtures import REGION, key_named
from tests.enclave.governance.world import World, split

from strongroom.consensus.blocks import BLOCK_BYTES_MAX
from strongroom.enclave.governance import public
from strongroom.enclave.governance.proposals import CHANGES_OF_PROPOSAL_MAX
from strongroom.enclave.governance.records import BlockFacts

Row = tuple[str, int, float]
"""Kind, bytes of an envelope, µs for each."""


def of_calls() -> Iterator[Row]:
    """Sealed envelopes, the dearest first of a block that is its own."""
    chain = Chain()
    payer, member = funded(chain, amount=10**9), chain.session("member0")
    names = ("".join(parts) for parts in product(ascii_letters + digits, repeat=4))
    opened = list(islice(names, 1_000))
    assert chain.do(member, "payments.open_many", accounts=opened).ok
    assert chain.do(member, "payments.issue", to="member0", amount=10**9).ok

    def calls(name: str, *many: dict[str, Any]) -> list[bytes]:
        return [member.seal_call(chain.call(name, **arguments))[1] for arguments in many]

    own = [["/" + label, 1] for label in opened]
    users = ["id:" + sha256(b"%d" % number).hexdigest() for number in range(1_000)]
    new = [{"accounts": list(islice(names, 1_000))} for _ in range(5)]
    taken = [{"accounts": [*islice(names, 999), opened[0]]} for _ in range(5)]
    tagged = {"collection": "c", "contents": "", "tags": list(ascii_letters[:16])}
    for kind, envelopes in (
        ("payment", [pay(chain, payer) for _ in range(2_000)]),
        ("1,000 payments, own labels", calls("payments.transfer_many", *[{"transfers": own}] * 5)),
        ("1,000 issues, own labels", calls("payments.issue_many", *[{"issues": own}] * 5)),
        ("1,000 accounts", calls("payments.open_many", *new)),
        ("1,000 accounts, the last one fails", calls("payments.open_many", *taken)),
        ("record with 16 tags", calls("records.append", *[tagged] * 200)),
        ("1,000 users brought", calls("roster.bring", *[{"users": users}] * 5)),
        ("opening", [chain.open("member1")[1] for _ in range(100)]),
        ("opening that does not open", [_spoilt(chain.open("member1")[1]) for _ in range(100)]),
        ("call that does not open", [_spoilt(pay(chain, payer)) for _ in range(500)]),
        ("32 malformed bytes", [number.to_bytes(32, "big") for number in range(2_000)]),
    ):
        made = chain.make({0: [envelopes]})
        run = chain.run_of(made)
        began = time.thread_time()
        chain.executor.execute(run, [made.batches])
        yield _row(kind, envelopes, began)


def of_public_words(validators: int) -> Iterator[Row]:
    """What members and nodes say, as governance judges it, before any bound."""
    world = World(validators)
    world.block()

    def timed(kind: str, envelopes: Sequence[bytes]) -> Row:
        header, governance = world.next_header(), world.executing.governance
        facts = BlockFacts(
            height=header.height,
            time_ms=header.time_ms,
            epoch=header.epoch,
            digest_of=world.digests.get,
            root_of=world.root,
        )
        began = time.thread_time()
        for envelope in envelopes:
            try:
                governance.run(split(envelope), facts)
            except public.Unsigned:
                continue
        return _row(f"{kind}, {validators} validators", envelopes, began)

    stranger, (node, *_) = key_named("stranger"), world.nodes
    world.decide("rotate", compromised=False)
    rotate = [world.proposal("rotate", compromised=False) for _ in range(60)]
    yield timed("false signature", [_spoilt(envelope) for envelope in rotate])
    leave = public.sign_public(
        stranger.public, stranger.sign, world.genesis.chain, public.LEAVE, ()
    )
    yield timed("stranger's word", [leave] * 60)
    yield timed("proposal", rotate)
    limit: dict[str, Any] = {"name": "grace_ms", "value": 10**15}
    yield timed("proposal, refused", [world.proposal("set_limit", **limit) for _ in range(60)])
    yield timed("16 changes", [_of_changes(world, number) for number in range(20)])
    last = ("allow_region", (("region", REGION),))
    refused = [_of_changes(world, number, last) for number in range(20, 40)]
    yield timed("16 changes, the last one fails", refused)
    entries = [one for one in world.governance.document().proposals if len(one.changes) == 1]
    for kind in ("ballot", "ballot, refused"):
        ballots = [
            world.sign("member2", public.BALLOT, (one.id, one.digest, False)) for one in entries
        ]
        yield timed(kind, ballots)
    own = [world.sign("member0", public.WITHDRAW, (one.id,)) for one in entries]
    yield timed("withdrawal", own)
    yield timed("attestation", [world.attest(one) for one in world.nodes])
    yield timed("attestation, refused", [world.attest(one) for one in world.nodes])
    yield timed("synced, refused", [world.synced(node) for _ in range(50)])
    yield timed("offer", [world.offer(one) for one in world.nodes])
    yield timed("offer, refused", [world.offer(one, tag=1) for one in world.nodes])
    first = world.governance.offers()[0]
    some = world.nodes[: validators // 2]
    yield timed("ready", [world.ready(one, first) for one in some])
    yield timed("ready, refused", [world.ready(one, first) for one in some])


def _of_changes(world: World, number: int, *last: Any) -> bytes:
    """As many changes as one proposal may have, of the shortest."""
    count = CHANGES_OF_PROPOSAL_MAX - len(last)
    changes = [("allow_region", (("region", f"r{one}"),)) for one in range(count)]
    fields = (b"several" + number.to_bytes(9, "big"), 0, (*changes, *last))
    return world.sign("member1", public.PROPOSE_SEVERAL, fields)


def _spoilt(envelope: bytes) -> bytes:
    return envelope[:-1] + bytes((envelope[-1] ^ 1,))


def _row(kind: str, envelopes: Sequence[bytes], began: float) -> Row:
    took = time.thread_time() - began
    return kind, sum(map(len, envelopes)) // len(envelopes), took / len(envelopes) * 1e6


if __name__ == "__main__":
    for rows in (of_calls(), *(of_public_words(validators) for validators in (4, 31))):
        for kind, size, micros in rows:
            per_byte = micros / size
            sys.stdout.write(
                f"{kind:40} {size:6} B {micros:9.1f} µs {per_byte:7.3f} µs/B "
                f"{per_byte * BLOCK_BYTES_MAX / 1e6:6.1f} s a block\n"
            )
