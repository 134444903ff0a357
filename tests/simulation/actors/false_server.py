"""Claims to be far ahead, and serves forged, cut or no ranges (row 33; T34)."""

from dataclasses import replace

from tests.simulation.actors.actor import ActorEvent, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.messages import BlockMessage, Range, Status
from strongroom.consensus.replica.events import Now
from strongroom.consensus.types import Height, View


class FalseServer(Puppet):
    """Whoever believes it waits for ever."""

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Lie in STATUS; break ranges; keep headers back."""
        out = []
        for send in sends:
            match send.message:
                case Status(body, _):
                    claim = replace(
                        body, height=Height(body.height + 1000), view=View(body.view + 1000)
                    )
                    signature = self.role.node_key.sign(claim.signed_bytes(self.role.chain))
                    out.append(Send(send.to, Status(claim, signature)))
                case Range(blocks, certificate):
                    out += self._broken(send, blocks, certificate)
                case BlockMessage():
                    continue
                case _:
                    out.append(send)
        return out

    def _broken(self, send: Send, blocks: tuple, certificate: object) -> list[Send]:  # type: ignore[type-arg]
        match self.role.random.randrange(4):
            case 0:
                return []
            case 1:
                return [Send(send.to, Range(blocks[:-1] or blocks, certificate))]  # type: ignore[arg-type]
            case 2:
                emptied = tuple((header, ()) for header, _ in blocks)
                return [Send(send.to, Range(emptied, certificate))]  # type: ignore[arg-type]
            case _:
                return [Send(send.to, Range(blocks[1:] or blocks, certificate))]  # type: ignore[arg-type]
