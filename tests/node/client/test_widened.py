"""A client knows genesis' policy; what members allowed since lets it talk to validators that
quorums admitted."""

from dataclasses import replace

from tests.enclave.fixtures import key_named, make_applicants, make_policy

from strongroom.consensus.types import Digest
from strongroom.enclave.attestation.policy import Floors
from strongroom.enclave.attestation.report import Product, Tcb
from strongroom.enclave.outside.trust import widened

LOW, HIGH = Tcb(0, 0, 0, 0), Tcb(3, 0, 8, 115)


def floors(product: Product, tcb: Tcb) -> Floors:
    return Floors(product=product, committed=tcb, launch=tcb, reported=tcb)


def test_operators_chips_code_and_products_are_those_of_today_and_firmware_of_genesis() -> None:
    applicants = make_applicants(2)
    first = replace(make_policy(applicants[:1]), floors=(floors(Product.SIMULATED, HIGH),))
    now = make_policy(applicants, measurement=bytes(range(1, 49)))
    now = replace(
        now,
        operators=(("operator0", key_named("a new key").public), *now.operators[1:]),
        floors=(floors(Product.GENOA, LOW), floors(Product.SIMULATED, LOW)),
        roots=(Digest(bytes(32)),),
    )
    policy = widened(first, {"encoded": now.encode()})
    assert dict(policy.operators) == dict(now.operators), (
        "a key that members replaced is the new one"
    )
    assert set(policy.chips) == {*first.chips, *now.chips}
    assert set(policy.measurements) == {*first.measurements, *now.measurements}
    assert policy.floors == (floors(Product.GENOA, LOW), floors(Product.SIMULATED, HIGH))
    assert policy.roots == first.roots
