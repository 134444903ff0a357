"""Withdrawal: at once no run, no report, no opening; and what goes on with results and assets (T66,
ROOMS §6)."""

import pytest
from tests.enclave.programs.rooms.world import (
    ANALYST,
    BANKS,
    REGULATOR,
    ROOT,
    STRANGER,
    WORKERS_ONLY,
    RoomsChain,
    again,
    contract,
    data_terms,
    secret_of,
    who,
    worker,
)

from strongroom.enclave.formats.clean_rooms.contract import Input, Output, Stage
from strongroom.enclave.formats.clean_rooms.result_keys import output_key, result_name
from strongroom.enclave.programs.rooms import results
from strongroom.enclave.programs.vault.tables import BOXES


@pytest.fixture
def chain() -> RoomsChain:
    return RoomsChain()


def withdraw(chain: RoomsChain, bank: str = BANKS[0]) -> None:
    shown = chain.ok(bank, "withdraw_data", data="/transfers")
    assert (shown["state"], shown["left"]) == ("withdrawn", False)


def test_no_job_is_run_taken_or_reported_on_withdrawn_data(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1", "operator2")
    job = chain.start(id)
    first, second = chain.ranks(job)[:2]
    assert chain.take(first, job).ok
    withdraw(chain)
    assert chain.report(first, job).code == "withdrawn"
    assert chain.take(second, job).code == "withdrawn"
    assert chain.no(ANALYST, "run", contract=id, parameters=b"\x90") == "withdrawn"
    assert chain.no(BANKS[0], "add", name="transfers", root=ROOT, chunks=1, size_class=1) == (
        "withdrawn"
    )


def test_a_running_job_loses_its_lease(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    one = chain.ranks(job)[0]
    lease = chain.take(one, job).value["inputs"][0]["lease"]
    assert chain.tell(one.who, "beat", lease=lease, number=1, used=0).ok
    withdraw(chain)
    assert chain.refused(one.who, "beat", lease=lease, number=2, used=0) == "revoked"


def test_a_result_goes_with_the_data_unless_all_terms_keep_it(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    chain.finish(job)
    assert chain.ok(REGULATOR, "open", job=job, output="case")["key"]
    withdraw(chain)
    assert chain.no(REGULATOR, "open", job=job, output="case") == "withdrawn"


def test_a_result_that_its_terms_keep_stays(chain: RoomsChain) -> None:
    room = chain.open_room()
    for bank in BANKS:
        chain.bring(bank, keep=True)
    chain.staff("operator0", "operator1")
    job = chain.start(chain.agree(contract(room)))
    chain.finish(job)
    withdraw(chain)
    assert chain.ok(REGULATOR, "open", job=job, output="case")["key"]


def test_an_owner_withdraws_a_contract_alone_and_others_do_not(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    assert chain.no(REGULATOR, "withdraw", contract=id) == "role"
    assert chain.no(STRANGER, "withdraw", contract=id) == "no-room"
    assert chain.ok(BANKS[1], "withdraw", contract=id)["state"] == "withdrawn"
    assert chain.take(chain.ranks(job)[0], job).code == "withdrawn"
    assert chain.no(ANALYST, "run", contract=id, parameters=b"\x90") == "not-approved"


def test_a_data_sets_key_opens_for_its_jobs_alone(chain: RoomsChain) -> None:
    chain.story()
    one = worker("operator0")
    key = f"id:{who(BANKS[0]).hex()}/transfers"
    assert chain.denied(one, key) == "policy"
    chain.must(BANKS[0], "new", name="cut", policy=WORKERS_ONLY, pieces=3)
    chain.must(BANKS[0], "put", key="/cut", secret=bytes(32))
    given = data_terms().encode()
    assert chain.no(BANKS[0], "publish", name="cut", terms=given, key="/cut") == "pieces"
    assert chain.no(BANKS[0], "publish", name="more", terms=given, key="/transfers") == "bound"
    others = f"id:{who(BANKS[1]).hex()}/transfers"
    assert chain.no(BANKS[0], "publish", name="more", terms=given, key=others) == "no-key"


def test_each_version_has_a_key_of_its_own_and_extensions_share_theirs(chain: RoomsChain) -> None:
    chain.bring(BANKS[0])
    more = {"name": "transfers", "root": bytes(32), "size_class": 22}
    assert chain.no(BANKS[0], "add", chunks=4, **more) == "key"
    assert chain.no(BANKS[0], "extend", chunks=3, **more) == "chunks"
    assert chain.ok(BANKS[0], "extend", chunks=4, **more)["version"] == 2
    chain.must(BANKS[0], "rotate", key="/transfers", secret=bytes(32), old_until_ms=2**50)
    assert chain.no(BANKS[0], "extend", chunks=5, **more) == "key"
    assert chain.ok(BANKS[0], "add", chunks=1, **more)["version"] == 3


def test_T66_an_asset_is_used_by_contracts_and_given_to_nobody(chain: RoomsChain) -> None:
    models = (Output("model", "model", (), 1 << 20, "", 0),)
    id = chain.story(outputs=models)
    room = chain.see(ANALYST, "list")[0]["room"]
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    first, second = chain.ranks(job)
    secret = chain.take(first, job).value["result"]
    assert chain.take(second, job).ok
    for one in (first, second):
        assert chain.report(one, job, entries=[["model", b"", ROOT, 1, 20]]).ok
    for name in (*BANKS, REGULATOR):
        assert chain.no(name, "open", job=job, output="model") == "recipients"
    chain.ok(ANALYST, "keep", job=job, output="model", name="joint")
    uses = contract(
        room,
        name="predict",
        inputs=(Input("model", room, "joint", 0, 0),),
        stages=(Stage("library", "aml.round_trips", ""),),
    )
    assert chain.no(STRANGER, "propose", contract=uses.encode()) == "no-room"
    ready = chain.ok(ANALYST, "propose", contract=uses.encode())["contract"]
    for bank in BANKS:
        state = chain.ok(bank, "vote", contract=ready, approve=True)["state"]
    assert state == "approved"
    run = chain.start(ready)
    taken = chain.take(chain.ranks(run)[0], run).value
    (given,) = taken["inputs"]
    assert given["half"] == output_key(secret, "model", b"")
    assert given["place"] == result_name(job, "model", b"")
    assert chain.ok(BANKS[1], "withdraw_data", data=f"id:{room.hex()}/joint")["state"] == (
        "withdrawn"
    )
    assert chain.no(ANALYST, "run", contract=ready, parameters=b"\x90") == "withdrawn"


def test_an_opening_may_wait_for_parties(chain: RoomsChain) -> None:
    outputs = (Output("case", "table", (who(REGULATOR),), 9, "", 2),)
    id = chain.story(outputs=outputs)
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    chain.finish(job)
    assert chain.no(REGULATOR, "open", job=job, output="case") == "release"
    chain.ok(BANKS[0], "release", job=job, output="case", approve=True)
    chain.ok(BANKS[0], "release", job=job, output="case", approve=True)
    assert chain.no(STRANGER, "release", job=job, output="case", approve=True) == "no-room"
    assert chain.no(REGULATOR, "open", job=job, output="case") == "release"
    assert chain.ok(BANKS[1], "release", job=job, output="case", approve=True)["releases"] == 2
    assert chain.ok(REGULATOR, "open", job=job, output="case")["key"]


def test_filtered_outputs_have_a_key_for_each_recipient(chain: RoomsChain) -> None:
    banks = tuple(sorted(map(who, BANKS)))
    id = chain.story(outputs=(Output("alerts", "table", banks, 1 << 20, "a", 0),))
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    entries = [["alerts", bank, ROOT, 1, 20] for bank in banks]
    one = chain.ranks(job)[0]
    assert chain.take(one, job).ok
    assert chain.report(one, job, entries=entries[::-1]).code == "entries"
    assert chain.report(one, job, entries=entries[:1]).code == "entries"
    assert chain.report(one, job, entries=entries).ok
    assert chain.take(chain.ranks(job)[1], job).ok
    assert chain.report(chain.ranks(job)[1], job, entries=entries).ok
    keys = {name: chain.ok(name, "open", job=job, output="alerts")["key"] for name in BANKS}
    assert len(set(keys.values())) == 2
    assert secret_of(BANKS[0] + "transfers") not in keys.values()


def test_a_refused_input_leaves_no_lease_on_the_others(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    one = chain.ranks(job)[0]
    chain.must(BANKS[1], "suspend", key="/transfers")
    assert chain.take(one, job).code == "suspended"
    (lease,) = chain.look(BANKS[0], "leases", key="/transfers")
    assert lease["state"] == "ended"
    chain.must(BANKS[1], "resume", key="/transfers")
    assert chain.take(one, job).ok


def boxes(chain: RoomsChain) -> set[int]:
    """Keys in the vault whose secrets are carried into the next epoch."""
    state = chain.executor._runner.state
    return {number for number, _ in state.maps[BOXES].copy()}


def test_keys_of_withdrawn_data_and_of_its_results_are_not_carried_on(chain: RoomsChain) -> None:
    id = chain.story()
    chain.staff("operator0", "operator1")
    chain.finish(chain.start(id))
    banks_and_result = boxes(chain)
    assert len(banks_and_result) == 3
    withdraw(chain, BANKS[1])
    assert len(boxes(chain)) == 1
    assert boxes(chain) < banks_and_result


def test_only_the_newest_results_of_a_room_keep_their_keys(
    chain: RoomsChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "RESULTS_KEPT", 2)
    room = chain.open_room()
    for bank in BANKS:
        chain.bring(bank)
    chain.staff("operator0", "operator1")
    jobs = []
    for name in "xyz":
        jobs.append(chain.start(chain.agree(contract(room, name=name))))
        chain.finish(jobs[-1])
        chain.wait(1)
    assert chain.no(REGULATOR, "open", job=jobs[0], output="case") == "revoked"
    for job in jobs[1:]:
        assert chain.ok(REGULATOR, "open", job=job, output="case")["key"]


def test_a_worker_is_told_which_chunks_each_extension_brought(chain: RoomsChain) -> None:
    id = chain.story()
    more = {"name": "transfers", "root": ROOT, "size_class": 22}
    chain.ok(BANKS[0], "extend", chunks=5, **more)
    chain.must(BANKS[1], "rotate", key="/transfers", secret=bytes(32), old_until_ms=2**50)
    chain.ok(BANKS[1], "add", chunks=2, **more)
    chain.ok(BANKS[1], "extend", chunks=7, **more)
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    inputs = chain.take(chain.ranks(job)[0], job).value["inputs"]
    assert [one["segments"] for one in inputs] == [[[1, 3], [2, 5]], [[2, 2], [3, 7]]]
    assert [one["version"] for one in inputs] == [2, 3]


def test_T67_nodes_keep_chunks_of_what_stands_alone(chain: RoomsChain) -> None:
    id, other = chain.story(), bytes([7]) * 32
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    roots = [ROOT, other, b"short"]
    assert chain.see(STRANGER, "kept", roots=roots) == [True, False, False]
    chain.finish(job, other)
    assert chain.see(STRANGER, "kept", roots=roots) == [True, True, False]
    withdraw(chain)
    assert chain.see(STRANGER, "kept", roots=roots) == [True, False, False]
    withdraw(chain, BANKS[1])
    assert chain.see(STRANGER, "kept", roots=roots) == [False, False, False]


def test_T66_an_asset_opens_for_workers_that_each_owner_of_its_data_admits(
    chain: RoomsChain,
) -> None:
    models = (Output("model", "model", (), 1 << 20, "", 0),)
    id = chain.story(outputs=models)
    room = chain.see(ANALYST, "list")[0]["room"]
    chain.staff("operator0", "operator1")
    job = chain.start(id)
    chain.finish(job, entries=[["model", b"", ROOT, 1, 20]])
    chain.ok(ANALYST, "keep", job=job, output="model", name="joint")
    inputs = (Input("model", room, "joint", 0, 0),)
    ready = chain.agree(contract(room, name="predict", inputs=inputs))
    modified = [
        again(worker(f"operator{at}"), measurement=bytes([at]) * 48, who=f"modified {at}")
        for at in range(2)
    ]
    chain.wait(61_000)
    chain.commit()
    for one in modified:
        chain.of(one.who)
        chain.ok(one.who, "wait", evidence=chain.shown(one))
    run = chain.start(ready)
    assert {chain.take(one, run).code for one in modified} == {"policy"}


def test_T67_who_names_anothers_chunks_as_his_own_takes_them_from_nobody(chain: RoomsChain) -> None:
    """He has them named over and over before their owner does, and withdraws all of it."""
    own = {"name": "transfers", "root": ROOT, "size_class": 22}
    chain.bring(STRANGER)
    for chunks in range(4, 130):
        chain.ok(STRANGER, "extend", chunks=chunks, **own)
    chain.bring(BANKS[0])
    chain.ok(STRANGER, "withdraw_data", data="/transfers")
    assert chain.see(REGULATOR, "kept", roots=[ROOT]) == [True]
    withdraw(chain)
    assert chain.see(REGULATOR, "kept", roots=[ROOT]) == [False]
