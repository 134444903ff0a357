"""Flat memory is judged by what is believed of its growth, not by one number."""

from strongroom.node.bench.flat_memory import (
    FLAT,
    FLAT_SHARE,
    GROWS,
    GROWTH_SECONDS_MIN,
    UNCLEAR,
    Memory,
    grows,
    judged,
    memory_line,
)

HOUR = 3600.0


def readings(seconds: int, sizes: dict[str, float], *, per_hour: dict[str, float]) -> Memory:
    """One a second; every process grows steadily from its size."""
    return [
        (
            float(at),
            {name: size + per_hour.get(name, 0.0) * at / HOUR for name, size in sizes.items()},
        )
        for at in range(seconds + 1)
    ]


def slopes(memory: Memory) -> dict[str, float]:
    return {role: one["mib_per_hour"] for role, one in (judged(memory) or {}).items()}


def test_growth_is_that_of_the_process_that_grows_most() -> None:
    sizes = {"n0 host": 100.0, "n1 host": 90.0, "n0 enclave": 50.0}
    seen = readings(600, sizes, per_hour={"n0 host": 1.0, "n1 host": 6.0, "n0 enclave": -3.0})
    assert slopes(seen) == {"host": 6.0, "enclave": -3.0}


def test_growth_counts_the_second_half_alone_for_pools_fill_in_the_first() -> None:
    filling = [(float(at), {"n0 host": 100.0 + at}) for at in range(300)]
    steady = [(float(at), {"n0 host": 400.0}) for at in range(300, 700)]
    assert slopes(filling + steady) == {"host": 0.0}


def test_a_short_window_says_nothing_of_growth() -> None:
    seen = readings(int(GROWTH_SECONDS_MIN) - 1, {"n0 host": 100.0}, per_hour={"n0 host": 60.0})
    assert judged(seen) is None
    assert judged([]) is None
    assert not grows(None)


def test_a_process_that_ended_has_no_growth() -> None:
    seen = readings(600, {"n0 host": 100.0, "n1 host": 100.0}, per_hour={"n1 host": 60.0})
    for _, sizes in seen[500:]:
        del sizes["n1 host"]
    assert slopes(seen) == {"host": 0.0}


def test_memory_is_flat_up_to_a_share_of_what_is_held_and_grows_beyond_it() -> None:
    just, more = FLAT_SHARE * 100 - 0.5, FLAT_SHARE * 100 + 0.5
    sizes = {"n0 host": 100.0, "n0 enclave": 100.0}
    found = judged(readings(1800, sizes, per_hour={"n0 host": just, "n0 enclave": more}))
    assert found is not None
    assert (found["host"]["verdict"], found["enclave"]["verdict"]) == (FLAT, GROWS)
    assert grows(found)
    line = "host of 101.7 MiB +4.5 an hour (+4.5 to +4.5, flat to +5.1): flat; enclave of "
    assert memory_line(found).startswith(line)


def test_a_window_of_minutes_may_show_flat_memory_and_never_growth() -> None:
    """A pool that one burst enlarged is a step, whose slope goes on for ever."""
    sizes = {"n0 host": 100.0, "n0 enclave": 100.0}
    found = judged(readings(600, sizes, per_hour={"n0 host": 60.0}))
    assert found is not None
    assert (found["host"]["verdict"], found["enclave"]["verdict"]) == (UNCLEAR, FLAT)


def test_noise_is_neither_flat_nor_growth() -> None:
    """Forty MiB up and down in forty minutes: what follows for an hour is anybody's guess."""
    steps = range(0, 2400, 40)
    rough = [(float(at), {"n0 host": 100.0 + 20.0 * (-1) ** (at // 40)}) for at in steps]
    found = judged(rough)
    assert found is not None
    assert found["host"]["verdict"] == UNCLEAR
    rising = judged([(at, {"n0 host": sizes["n0 host"] + at / 150}) for at, sizes in rough])
    assert rising is not None
    assert rising["host"]["mib_per_hour"] > rising["host"]["bound"]
    assert rising["host"]["verdict"] == UNCLEAR
    assert not grows(found)
    assert not grows(rising)
    hour = [
        (float(at), sizes) for at, (_, sizes) in zip(range(0, 600_000, 10_000), rough, strict=True)
    ]
    calm = judged(hour)
    assert calm is not None
    assert calm["host"]["verdict"] == FLAT
