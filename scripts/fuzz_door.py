"""`./scripts/fuzz_door`: a host that plays with the door of a founded member, its games found by
coverage.

Owns how bytes of the fuzzer become a game. What must hold in it stands in
tests/enclave/hostile_host.py.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from strongroom.node.terminal.exits import ExitCode

STEPS_MAX = 24
"""Of one game."""
GAME_BYTES_MAX = 1024
STEP_SECONDS_MAX = 20
"""A game that takes longer hangs."""
CORPUS = ".fuzz/door"


def main() -> int:
    """Fuzz for some time; what breaks the door is left in a file, and its path said."""
    parser = argparse.ArgumentParser(prog="fuzz_door", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long (default 60)")
    parser.add_argument(
        "--corpus",
        type=Path,
        default=Path(CORPUS),
        help=f"folder of games that add something ({CORPUS})",
    )
    parser.add_argument("--replay", type=Path, help="a file that an earlier run left")
    arguments = parser.parse_args()
    try:
        import atheris
    except ImportError:
        sys.stderr.write(
            "fuzz_door: atheris is not installed, nothing was "
            "tried: .venv/bin/pip install atheris\n"
        )
        return ExitCode.CANNOT_CHECK
    with atheris.instrument_imports(include=["strongroom.consensus", "strongroom.enclave"]):
        from tests.enclave import hostile_host
    from strongroom.enclave.door.requests import Op

    def play(data: bytes) -> None:
        provider = atheris.FuzzedDataProvider(data)
        host = hostile_host.HostileHost()
        for _ in range(STEPS_MAX):
            if provider.remaining_bytes() == 0:
                return
            host.ask(_request(provider, host, list(Op), hostile_host))

    hostile_host.ledger()
    if arguments.replay:
        play(arguments.replay.read_bytes())
        return ExitCode.OK
    arguments.corpus.mkdir(parents=True, exist_ok=True)
    bounds = [
        "-len_control=0",
        f"-max_total_time={arguments.seconds}",
        f"-timeout={STEP_SECONDS_MAX}",
        f"-max_len={GAME_BYTES_MAX}",
    ]
    atheris.Setup(
        [sys.argv[0], str(arguments.corpus), f"-artifact_prefix={arguments.corpus}-", *bounds], play
    )
    atheris.Fuzz()
    return ExitCode.OK


def _request(provider: Any, host: Any, ops: list[Any], games: Any) -> bytes:
    """One step of a game."""
    op = ops[provider.ConsumeIntInRange(0, len(ops) - 1)]
    match provider.ConsumeIntInRange(0, 5):
        case 0:
            return bytes(host.valid_one(op))
        case 1:
            return bytes(
                games.flip(
                    host.valid_one(op), provider.ConsumeInt(4), provider.ConsumeIntInRange(1, 255)
                )
            )
        case 2:
            scion = provider.ConsumeBytes(provider.ConsumeIntInRange(0, 64))
            return bytes(games.graft(host.valid_one(op), provider.ConsumeInt(4), scion))
        case 3:
            return bytes(
                games.graft(host.valid_one(op), provider.ConsumeInt(4), provider.ConsumeInt(8))
            )
        case 4:
            return bytes(host.seen[provider.ConsumeInt(2) % len(host.seen)])
        case _:
            return bytes(provider.ConsumeBytes(provider.ConsumeIntInRange(0, 200)))


if __name__ == "__main__":
    sys.exit(main())
