"""`./scripts/simulate`: whole clusters from seeds, under faults and liars (INTERFACES).

Owns the options, the processes that share the seeds, and what is told. One seed is
simulate_seed.py's, a liar from a file simulate_liar.py's, planted bugs simulate_planted.py's.
"""

import multiprocessing
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer
from scripts.simulate_planted import choose, plant
from scripts.simulate_seed import Less, Outcome, Shape, run_seed, shrink

from strongroom.consensus.errors import OperatorFault
from strongroom.node.terminal.commands import JsonOption, fail, guarded
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import emit
from strongroom.node.terminal.teller import Teller

SEEDS = 200
LIAR_NODES = 4
CHUNK = 4
"""Seeds that a process takes at a time."""
SHRUNK_MAX = 3
"""Failing seeds of one run that are shrunk."""

app = typer.Typer(add_completion=False)


@app.command(epilog="Exit codes: 0 all holds, or every planted bug is found · 1 not so · 2 usage.")
@guarded
def simulate(
    seeds: Annotated[
        int | None, typer.Option(min=1, help=f"How many seeds (default {SEEDS}).")
    ] = None,
    first: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    seed: Annotated[int | None, typer.Option(min=0, help="This seed alone.")] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="With --seed: a transcript, one event a line.")
    ] = False,
    nodes: Annotated[
        int | None, typer.Option(min=1, max=30, help="Cluster size; else each seed draws one.")
    ] = None,
    liar: Annotated[
        Path | None, typer.Option(metavar="FILE.py", help="f members run the Liar of this file.")
    ] = None,
    planted: Annotated[
        bool, typer.Option("--planted", help="Plant known bugs, one by one, and find them.")
    ] = False,
    bug: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="With --planted: only this one.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Simulate whole clusters: loss, delay, partitions, crashes, liars; checked after every event,
    live after healing.

    Example: ./scripts/simulate --seeds 1000, then ./scripts/simulate --seed 17 --trace
    """
    teller = Teller(to_stderr=as_json)
    _check_options(seeds, seed, trace, planted, bug, liar, nodes)
    if planted:
        _plant(bug or [], jobs, teller, as_json)
        return
    shape = Shape(nodes or (LIAR_NODES if liar else None), liar)
    if liar is not None:
        run_seed(
            first if seed is None else seed, shape
        )  # a file that does not load is told before processes start
    if seed is not None:
        _replay(seed, shape, trace, teller, as_json)
        return
    _run(range(first, first + (seeds or SEEDS)), shape, jobs, teller, as_json)


def _check_options(
    seeds: int | None,
    seed: int | None,
    trace: bool,
    planted: bool,
    bug: list[str] | None,
    liar: Path | None,
    nodes: int | None,
) -> None:
    wrong = {
        "--trace needs one seed: --seed S --trace": trace and seed is None,
        "--seed S is one seed; --seeds N is many: give one of them": seeds is not None
        and seed is not None,
        "--planted runs alone, with --bug and --jobs": planted
        and bool(seeds or liar or nodes or seed is not None),
        "--bug NAME goes with --planted": bool(bug) and not planted,
        "a liar needs a cluster of at least four: --nodes 4": liar is not None
        and nodes is not None
        and nodes < 4,
    }
    for hint, holds in wrong.items():
        if holds:
            fail(f"{hint}; --help explains", ExitCode.USAGE)


def _outcomes(seeds: range, shape: Shape, jobs: int) -> Iterator[Outcome]:
    """Every seed's outcome, as they end."""
    if jobs == 1 or len(seeds) == 1:
        yield from (run_seed(seed, shape) for seed in seeds)
        return
    with multiprocessing.get_context("spawn").Pool(
        min(jobs, len(seeds)), _leave_interrupts_to_the_parent
    ) as pool:
        yield from pool.imap_unordered(partial(run_seed, shape=shape), seeds, CHUNK)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run(seeds: range, shape: Shape, jobs: int, teller: Teller, as_json: bool) -> None:
    failed: dict[int, Outcome] = {}
    faults: Counter[str] = Counter()
    mistakes: Counter[str] = Counter()
    began, done = monotonic(), 0
    teller.step(f"Seeds {seeds.start} to {seeds.stop - 1}, each a cluster of its own")
    with teller.bar(len(seeds)) as bar:
        for outcome in _outcomes(seeds, shape, jobs):
            done += 1
            faults += outcome.faults
            mistakes += outcome.mistakes
            if outcome.check:
                failed[outcome.seed] = outcome
                teller.line(f"seed {outcome.seed} FAILS: {outcome.detail}")
            bar.show(
                done, f"{done / (monotonic() - began):.1f} seeds per second, {len(failed)} failing"
            )
    rate = done / (monotonic() - began)
    document = {
        "seeds": done,
        "failed": sorted(failed),
        "faults": dict(faults.most_common()),
        "seeds_per_second": round(rate, 2),
    }
    if faults:
        teller.step("Faults, and in how many seeds or how often")
        teller.table(
            ["fault", "times"], [[name, str(count)] for name, count in faults.most_common()]
        )
    _tell_mistakes(mistakes, teller)
    for seed in sorted(failed)[:SHRUNK_MAX]:
        _tell_shrunk(seed, shape, teller)
    names = ", ".join(map(str, sorted(failed)))
    verdict = (
        f"{len(failed)} of {done} seeds FAIL: {names}"
        if failed
        else f"{done} seeds, all checks hold"
    )
    emit(document, as_json, lambda: print(f"simulate: {verdict}; {rate:.1f} seeds per second"))
    if failed:
        raise typer.Exit(ExitCode.NO)


def _replay(seed: int, shape: Shape, trace: bool, teller: Teller, as_json: bool) -> None:
    began = monotonic()
    outcome = run_seed(seed, shape, trace=trace)
    seconds = monotonic() - began
    for line in outcome.transcript:
        print(line, file=sys.stderr if as_json else sys.stdout)
    if not trace:
        teller.facts({**outcome.faults, "simulated seconds": f"{outcome.plan.seconds:.1f}"})
    _tell_mistakes(outcome.mistakes, teller)
    if outcome.check:
        teller.line(f"seed {seed} FAILS: {outcome.detail}")
        _tell_shrunk(seed, shape, teller)
    document = {
        "seeds": 1,
        "failed": [seed] if outcome.check else [],
        "faults": dict(outcome.faults),
        "seeds_per_second": round(1 / seconds, 2),
    }
    verdict = f"FAILS: {outcome.check}" if outcome.check else "all checks hold"
    emit(document, as_json, lambda: print(f"simulate: seed {seed}: {verdict}"))
    if outcome.check:
        raise typer.Exit(ExitCode.NO)


def _tell_mistakes(mistakes: Counter[str], teller: Teller) -> None:
    for text, count in mistakes.most_common(SHRUNK_MAX):
        teller.line(f"the liar's own error, {count} times, and nothing was sent: {text}")


def _tell_shrunk(seed: int, shape: Shape, teller: Teller) -> None:
    teller.step(f"Seed {seed}, shrunk while it still fails")
    less, outcome = shrink(seed, shape)
    if not outcome.check:
        teller.line(
            "it does not fail when run again: that is a finding "
            "of its own, one seed must be one world"
        )
        return
    plan = outcome.plan
    teller.facts(
        {
            "fails with": outcome.detail,
            "transactions": f"{len(plan.transactions)} (without {len(less.transactions)})",
            "strikes": ", ".join(filter(None, plan.strikes)) or "none",
            "liars at": ", ".join(map(str, plan.liars)) or "none",
            "network": _network_words(less, outcome),
            "storm": f"{less.storm:g} of its seconds; {plan.seconds:.2f} simulated seconds in all",
        }
    )


def _network_words(less: Less, outcome: Outcome) -> str:
    return (
        "calm"
        if less.calm
        else next((name for name in outcome.faults if name.startswith("network")), "calm")
    )


def _plant(names: list[str], jobs: int, teller: Teller, as_json: bool) -> None:
    try:
        bugs = choose(names)
    except KeyError as error:
        raise OperatorFault(
            f"no planted bug {error}: tests/simulation/planted.txt names them"
        ) from None
    teller.step(f"{len(bugs)} bugs, each planted in a copy of the source")
    findings = []
    with teller.bar(len(bugs)) as bar:
        for finding in plant(bugs, jobs):
            findings.append(finding)
            bar.show(len(findings), finding.bug)
            how = (
                f"{finding.seeds} seeds: {finding.by}"
                if finding.seeds
                else f"directed test {finding.by}"
            )
            teller.line(
                f"{finding.bug}: {f'found, {how}' if finding.found else f'NOT FOUND {finding.by}'}"
            )
    missing = [finding.bug for finding in findings if not finding.found]
    document = [
        {"bug": finding.bug, "found": finding.found, "seeds": finding.seeds} for finding in findings
    ]
    verdict = f"not found: {', '.join(missing)}" if missing else "all found"
    emit(document, as_json, lambda: print(f"simulate: {len(bugs)} planted bugs, {verdict}"))
    if missing:
        raise typer.Exit(ExitCode.NO)


if __name__ == "__main__":
    signal.signal(
        signal.SIGTERM, lambda number, _: sys.exit(128 + number)
    )  # the processes that share the seeds end too
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
