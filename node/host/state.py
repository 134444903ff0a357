"""Reads a node's state into one value, for the front door and for whoever watches this node.

Owns nothing that is read; it is called for each answer, so it only copies.
"""

import time

from strongroom.consensus.replica.picture import ReplicaPicture, picture_of
from strongroom.consensus.types import Height, Milliseconds, PublicKey
from strongroom.enclave.governance.document import Document
from strongroom.node.api.node_state import NodeState
from strongroom.node.host.execution_watch import ExecutionWatch
from strongroom.node.host.wiring import Wiring


def read_state(
    *,
    node_key: PublicKey,
    stage: str,
    alarm: str,
    governance: Document | None,
    fresh_height: Height,
    wiring: Wiring,
    watch: ExecutionWatch,
    archive_alarm: str,
) -> NodeState:
    """What this node is now."""
    participant, pipeline = wiring.participant, wiring.pipeline
    run, state = participant.run, participant.replica.state
    return NodeState(
        stage=stage,
        alarm=alarm,
        begun=participant.begun,
        voting=state.voting,
        description=run.description,
        own=run.own,
        node_key=node_key,
        height=state.final.height,
        executed=pipeline.executed,
        backlog=pipeline.backlog,
        behind=pipeline.behind.is_set(),
        fresh_height=fresh_height,
        view=state.view,
        leader=state.leader,
        strikes=state.strikes,
        clock_behind_ms=state.clock_behind_ms(Milliseconds(time.time_ns() // 1_000_000)),
        statuses=dict(participant.status),
        linked=frozenset(wiring.links.links),
        faults=dict(wiring.inbox.faults),
        executing=watch.names,
        execution_alarm=watch.alarm,
        archive_alarm=archive_alarm,
        governance=governance,
    )


def takes_part(wiring: Wiring) -> tuple[bool, bool]:
    """(has it begun, does it vote): the two facts that each submission asks for."""
    participant = wiring.participant
    return participant.begun, participant.replica.state.voting


def read_picture(wiring: Wiring) -> ReplicaPicture:
    """The votes under way in the current epoch, as this node sees them."""
    return picture_of(wiring.participant.replica.state, time.monotonic())
