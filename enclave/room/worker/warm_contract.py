"""The contract of jobs that a process computes before its walls rise, over one input."""

from strongroom.enclave.formats.clean_rooms.contract import Contract, Input, Output, Stage

WARM_OWNER = bytes(32)


def warm_contract(profile: str, stage: Stage) -> Contract:
    """One stage over the input `a`, one table `case`."""
    return Contract(
        room=WARM_OWNER,
        name="warm",
        purpose="warm",
        profile=profile,
        inputs=(Input("a", WARM_OWNER, "rows", 0, 0),),
        stages=(stage,),
        outputs=(Output("case", "table", (WARM_OWNER,), 1 << 20, "", 0),),
        parameters=(),
        runs=1,
        memory_mb=64,
        duration_ms=1_000,
        digits=6,
        executors=1,
        agreement=1,
        until_ms=1,
    )
