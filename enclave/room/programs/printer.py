"""The printer controller: a design of layers becomes so many parts, and no more.

The design is G-code, sealed in one piece per layer. Each part is a unit: reserved before it is
begun, printed layer by layer, reported with the digest of what was made. The machine stands inside
the room, as the drives of a real one would behind its bus; outside, nobody sees but progress.

    --set key=id:HEX/design  --set container=design.sealed  --set parts=3
"""

from hashlib import sha256

from strongroom.enclave.room.sdk import Container, Lease, Room

MOVES = (b"G0", b"G1")
AXES = b"XYZE"


class Machine:
    """Three axes and an extruder; what it makes is known by the digest of all its moves."""

    def __init__(self) -> None:
        self.position = dict.fromkeys(AXES, 0.0)
        self.moves = 0
        self.material_mm = 0.0
        self._made = sha256()

    def print_layer(self, layer: bytes) -> None:
        """Run one layer's lines."""
        for line in layer.split(b"\n"):
            words = line.partition(b";")[0].split()
            if not words:
                continue
            if words[0] in MOVES:
                self._move(words[1:])
            self._made.update(b" ".join(words) + b"\n")

    def _move(self, words: list[bytes]) -> None:
        before = self.position[ord("E")]
        for word in words:
            if word[0] in AXES:
                self.position[word[0]] = float(word[1:])
        self.moves += 1
        self.material_mm += max(0.0, self.position[ord("E")] - before)

    @property
    def digest(self) -> bytes:
        """Of the part as it was made."""
        return self._made.digest()


async def print_part(room: Room, lease: Lease, design: Container, part: int) -> bytes:
    """Print one part; the digest of what was made."""
    machine = Machine()
    for layer in range(design.pieces):
        machine.print_layer(await lease.open_piece(design, layer))
        room.tell("layer", part=part, layer=layer + 1, of=design.pieces)
        await room.rest(float(room.parameters.get("seconds", "0")))
    room.tell("part", part=part, moves=machine.moves, material_mm=int(machine.material_mm))
    return machine.digest


async def program(room: Room) -> None:
    """Print the parts that were ordered, as far as the licence reaches."""
    design = await room.container(room.parameters["container"])
    patience = float(room.parameters.get("patience", "0"))
    lease = await room.open(room.parameters["key"], "print", patience=patience)
    for part in range(1, int(room.parameters.get("parts", "1")) + 1):
        if not lease.left:
            await lease.reserve(1)
        await lease.report(part, await print_part(room, lease, design, part))
    await lease.end()
