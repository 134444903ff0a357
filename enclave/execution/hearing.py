"""Hears somebody who is not admitted: he presents a token, and is admitted by it or was never here.

Owns what becomes of such an opening. If its call succeeds and he is admitted then, the call, the
opening and the counts stand together, and the answer is sealed like any other. If not, nothing
stands and nothing is sealed: a reply under keys of a session that stands in no table could be asked
for twice, as another plaintext under the same nonce; so why is told to nobody.
"""

from strongroom.enclave.contained import OF_THIS_PROCESS
from strongroom.enclave.formats.outcome import Code
from strongroom.enclave.formats.size_classes import RESULT_SIZES, pad
from strongroom.enclave.programs.runner import Runner
from strongroom.enclave.sessions.intake import Intake, Presented

Heard = tuple[bytes, bytes, bytes, bytes]
"""(identity, sealed result, claim digest or nothing, what the ledger keeps of the plaintext)."""


def hear(
    runner: Runner,
    intake: Intake,
    presented: Presented,
    id: bytes,
    size: int,
    position: int,
    prefix: bytes,
) -> Heard | Code:
    """Execute what he presents; a public refusal when he is not admitted by it.

    Args:
        runner: of all programs.
        intake: whose word it was.
        presented: that word.
        id: the envelope's.
        size: its bytes.
        position: in the block.
        prefix: under which results are sealed.
    """
    identity, call = presented.identity, presented.opening.first_call
    keys = intake.keys_for(presented, id)
    try:
        done = runner.hear(
            call,
            identity,
            id,
            keys.blinding,
            size,
            position,
            stands=lambda: intake.would_stand(presented),
        )
        if isinstance(done, Code):
            return done
        plaintext, claim, kept = done
        sealed = keys.reply.seal(0, pad(plaintext, RESULT_SIZES), prefix + id)
    except OF_THIS_PROCESS:
        raise
    except Exception:  # a bug of ours costs this opening, not the block
        runner.state.roll_back()
        return Code.INTERNAL
    intake.let_stand(presented, id)
    return identity, sealed, claim, kept
