"""Every bound of the front door, named."""

from dataclasses import dataclass, fields

from strongroom.enclave.formats.size_classes import ENVELOPE_BYTES_MAX
from strongroom.node.rpc.backend import Document
from strongroom.node.rpc.room import BATCH_BYTES_MAX, REPLY_BYTES_MAX


@dataclass(slots=True, kw_only=True)
class RpcLimits:
    """What one node takes from the outside before it says no. One value of a front door is read by
    all of its parts, so that `become` reaches them all."""

    connections_max: int = 2048
    """Open connections; a further one takes the place of one that waits idly, else it is answered
    503."""
    address_connections_max: int = 512
    """Of one address that is not this machine's own."""
    websockets_max: int = 1920
    """Of all connections; the rest are for single requests. A further one gets 503."""
    websocket_idle_seconds: float = 10.0
    """A WebSocket without a subscription, an unanswered frame or a word for this long gives way to
    a new one."""
    refused_max: int = 32
    """Connections that are being told 503 at a time; beyond, they are closed."""
    give_way_seconds: float = 1.0
    """An idle connection gives way to a newer one after this long, when all places are taken."""
    handshake_seconds_max: float = 10.0
    """Until TLS stands on a new connection."""
    body_bytes_max: int = 8 * 1024 * 1024
    """Of an HTTP body (413) and of a WebSocket frame (close code 1009)."""
    batch_calls_max: int = 100
    """Calls in one JSON-RPC batch."""
    frames_in_flight_max: int = 64
    """Unanswered frames of one WebSocket; a further one is refused as overloaded."""
    garbage_frames_max: int = 8
    """Frames of one WebSocket that do not parse, before it is closed."""
    envelopes_max: int = 1024
    """Envelopes in one `ledger_submit_many`."""
    envelope_bytes_max: int = ENVELOPE_BYTES_MAX
    """Bytes of one envelope; the node's mempool may take less."""
    blocks_max: int = 100
    """Blocks in one `ledger_blocks`."""
    rows_max: int = 500
    """Rows in one `ledger_transactions`."""
    subscriptions_max: int = 16
    """Of one WebSocket."""
    subscription_behind_max: int = 1024
    """Blocks that a subscriber may lie behind before it is told what it missed instead."""
    idle_seconds_max: float = 30.0
    """Until a request's headers are complete, on a new or an idle connection."""
    body_seconds_max: float = 30.0
    """Until a request's body is complete (408)."""
    write_seconds_max: float = 30.0
    """Until a peer has taken an answer; then it is cut off."""
    heartbeat_seconds: float = 20.0
    """Between pings on a silent WebSocket; without a pong in half of that it is closed."""
    shutdown_seconds_max: float = 5.0
    """For requests that run when the server stops."""

    def public(self) -> Document:
        """What a client has to know."""
        return {
            "body_bytes_max": self.body_bytes_max,
            "batch_calls_max": self.batch_calls_max,
            "frames_in_flight_max": self.frames_in_flight_max,
            "frame_envelopes_max": self.envelopes_max,
            "envelope_bytes_max": self.envelope_bytes_max,
            "blocks_max": self.blocks_max,
            "rows_max": self.rows_max,
            "reply_bytes_max": REPLY_BYTES_MAX,
            "batch_bytes_max": BATCH_BYTES_MAX,
        }

    def become(self, other: "RpcLimits") -> None:
        """Be what the other is, for whoever reads this from now on."""
        for entry in fields(self):
            setattr(self, entry.name, getattr(other, entry.name))
