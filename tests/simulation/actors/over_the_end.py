"""Builds on a terminal block inside its epoch, where it would have to be proposed again (row 36;
T32)."""

from dataclasses import replace

from tests.simulation.actors.actor import ActorEvent, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.blocks import Header
from strongroom.consensus.messages import Propose
from strongroom.consensus.replica.events import Now
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import Height, Milliseconds, SignerIndex, View


class OverTheEnd(Puppet):
    """In the place of a terminal block again, one more block of the epoch."""

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Everything else is honest."""
        return [self._built_on(send) for send in sends]

    def _built_on(self, send: Send) -> Send:
        message = send.message
        if not isinstance(message, Propose) or message.justification.parent is None:
            return send
        if message.justification.parent.digest != message.header.digest:
            return send
        child = self._child(message.header, message.view)
        vote = self.vote(Kind.NOTARIZE, message.view, child.digest)
        return Send(send.to, Propose(child, message.view, message.justification, vote))

    def _child(self, terminal: Header, view: View) -> Header:
        return replace(
            terminal,
            view=view,
            height=Height(terminal.height + 1),
            parent=terminal.digest,
            proposer=SignerIndex(self.role.index),
            time_ms=Milliseconds(terminal.time_ms + 1),
            batch_count=0,
            batch_bytes=0,
            next_epoch=self.role.members.digest,
        )
