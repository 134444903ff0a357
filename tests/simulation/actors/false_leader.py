"""Proposes invalid blocks: wrong anchor, cut, counts, time, height or next epoch (row 16; T32)."""

from dataclasses import replace

from tests.simulation.actors.actor import ActorEvent, Role, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.blocks import Anchor, Header, LaneTip
from strongroom.consensus.messages import Propose, VoteMessage
from strongroom.consensus.replica.events import Now
from strongroom.consensus.statements import Kind
from strongroom.consensus.types import Digest, Height, Milliseconds, Sequence

FLAWS = ("root", "anchor", "time", "far future", "cut", "count", "bytes", "height", "next epoch")
NONSENSE = Digest(b"\xaa" * 32)


def flawed(header: Header, flaw: str) -> Header:
    """The same block with one flaw."""
    values = {
        name: getattr(header, name)
        for name in header.__dataclass_fields__
        if name not in ("encoded", "digest")
    }
    first = header.cut[0]
    changes: dict[str, dict[str, object]] = {
        "root": {"anchor": Anchor(Height(max(1, header.anchor.height)), NONSENSE)},
        "anchor": {"anchor": Anchor(header.height, header.anchor.root)},
        "time": {"time_ms": Milliseconds(1)},
        "far future": {"time_ms": Milliseconds(header.time_ms + 3_600_000)},
        "cut": {
            "cut": (LaneTip(Sequence(first.length + 1), NONSENSE), *header.cut[1:]),
            "batch_count": header.batch_count + 1,
        },
        "count": {"batch_count": header.batch_count + 1},
        "bytes": {"batch_bytes": header.batch_bytes + 1},
        "height": {"height": Height(header.height + 1)},
        "next epoch": {"next_epoch": NONSENSE},
    }
    return Header(**{**values, **changes[flaw]})


class FalseLeader(Puppet):
    """Every block that it proposes has a flaw."""

    def __init__(self, role: Role) -> None:
        super().__init__(role)
        self._flawed: dict[Digest, Header] = {}

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Replace each proposal by a flawed one with a genuine vote."""
        out = []
        for send in sends:
            match send.message:
                case Propose(header, view, _, _):
                    if header.digest not in self._flawed:
                        self._flawed[header.digest] = flawed(header, self.role.random.choice(FLAWS))
                    wrong = self._flawed[header.digest]
                    vote = self.vote(Kind.NOTARIZE, view, wrong.digest)
                    out.append(Send(send.to, replace(send.message, header=wrong, vote=vote)))
                case VoteMessage(vote) if vote.statement.digest in self._flawed:
                    continue
                case _:
                    out.append(send)
        return out
