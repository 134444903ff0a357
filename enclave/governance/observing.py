"""Keys of issuers, as nodes' hosts saw them where issuers publish them (VAULT §5, T57).

No enclave can judge what its host fetched. So a key is pinned only when f+1 different operators
have seen the same one: key, name and algorithm alike. Nodes of one operator count once. What was
seen expires; what members removed does not come back; nothing that is pinned is replaced.
"""

from collections import Counter

from strongroom.consensus import codec
from strongroom.consensus.types import Milliseconds
from strongroom.enclave.governance.action_context import ActionContext, GovernanceView
from strongroom.enclave.governance.issuers import (
    JWK_BYTES_MAX,
    Issuers,
    PinnedKey,
    read_pin,
    with_key,
)
from strongroom.enclave.governance.people_changes import KID
from strongroom.enclave.governance.records import Status
from strongroom.enclave.governance.refusals import Ground, refuse
from strongroom.enclave.programs.framework import ProgramError
from strongroom.enclave.programs.governance import OBSERVATIONS

OBSERVED_KEYS_MAX = 8
"""Keys of one observation: those that are not pinned yet."""
OBSERVATION_MS = 7_200_000
"""So long an observation counts, in block time."""
OBSERVE_AGAIN_MS = 60_000
"""Between two observations of one issuer by one operator."""
SEEN, PINNED = "seen", "pinned"


def observe(context: ActionContext) -> tuple[tuple[str, str], ...]:
    """Note which keys a node's host saw at an issuer, in place of what its operator saw before, and
    pin those that f+1 operators see now; (kid, what became of it) of each: seen, pinned, or why it
    is not pinned: taken, removed, full.

    Raises:
        ProgramError: not a validator in good standing, no such issuer, members vote on its keys
            alone, too soon, or what is named is no key.
    """
    url, given = context.fields
    node, tables, now_ms = context.node(Status.VALIDATOR), context.tables, context.block.time_ms
    operators = _operators(context.view)
    if node.node_key not in operators:
        refuse(Ground.SUSPENDED, "a suspended or convicted node observes nothing: attest first")
    issuers = tables.issuers
    if not issuers.issuer(url).observed:
        refuse(Ground.NOT_OBSERVED, "members add this issuer's keys by vote alone")
    before = tables.maps.get(OBSERVATIONS, (url, node.operator))
    if before is not None and now_ms - before[0] < OBSERVE_AGAIN_MS:
        refuse(Ground.TOO_SOON, f"an operator observes an issuer each {OBSERVE_AGAIN_MS} ms: wait")
    pins = _read(url, given)
    seen = codec.encode(tuple(pin.digest for pin in pins))
    tables.maps.put(OBSERVATIONS, (url, node.operator), (now_ms, node.node_key, seen))
    observers = _observers(context.view, issuers, operators, url, now_ms)
    needed = context.view.epoch_record.description.quorum.faults + 1
    answer = []
    for pin in pins:
        became = SEEN
        try:
            with_one = with_key(issuers, pin)
            if observers[pin.digest] >= needed:
                with_one.check()
                issuers, became = with_one, PINNED
        except ProgramError as refused:
            became = refused.code
        answer.append((pin.kid, became))
    tables.write_issuers(issuers)
    return tuple(answer)


def _operators(view: GovernanceView) -> dict[bytes, str]:
    """Whose each validator in good standing is, by node key."""
    description, suspended = view.epoch_record.description, view.roster.suspended
    return {
        node.node_key: node.operator
        for node in view.tables.nodes()
        if node.status in (Status.VALIDATOR, Status.LEAVING)
        and description.index_of(node.node_key) is not None
        and not node.offence
        and node.node_key not in suspended
    }


def _observers(
    view: GovernanceView,
    issuers: Issuers,
    operators: dict[bytes, str],
    url: str,
    now_ms: Milliseconds,
) -> Counter[bytes]:
    """How many operators see each key of an issuer now. What was seen by those who are none any
    more, or at issuers who are none, takes no place longer."""
    urls, found = {issuer.url for issuer in issuers.entries}, Counter[bytes]()
    for place, (seen_ms, node_key, seen) in view.tables.maps.items(OBSERVATIONS):
        issuer, operator = place
        if issuer not in urls or operators.get(node_key) != operator:
            view.tables.maps.delete(OBSERVATIONS, place)
        elif issuer == url and now_ms - seen_ms < OBSERVATION_MS:
            found.update(set(codec.decode(seen)))
    return found


def _read(url: str, given: object) -> tuple[PinnedKey, ...]:
    """Pins, each name once."""
    if type(given) is not tuple or len(given) > OBSERVED_KEYS_MAX:
        refuse(Ground.MALFORMED, f"an observation names at most {OBSERVED_KEYS_MAX} keys")
    pins: list[PinnedKey] = []
    for one in given:
        if type(one) is not tuple or [*map(type, one)] != [str, str, str]:
            refuse(Ground.MALFORMED, "a key is (kid, algorithm, JWK)")
        kid, algorithm, jwk = one
        KID.check("kid", kid)
        if len(jwk) > JWK_BYTES_MAX:
            refuse(Ground.MALFORMED, f"a JWK has at most {JWK_BYTES_MAX} bytes")
        pins.append(read_pin(url, kid, algorithm, jwk)._replace(observed=True))
    if len({pin.kid for pin in pins}) < len(pins):
        refuse(Ground.MALFORMED, "an observation names each key once")
    return tuple(pins)
