"""Diagnostics of an enclave: for the grantee alone, once per `begin`, and nothing that a user sent.

Real enclaves on a ledger made by hand; the host is the test: it restarts, puts disks back, asks
with other keys (T59).
"""

from typing import Any

import pytest
from tests.enclave.chain import person
from tests.enclave.fixtures import key_named, make_cluster_genesis
from tests.enclave.service_world import Node, World

from strongroom.consensus import codec, labels
from strongroom.consensus.errors import StrongroomError
from strongroom.enclave.formats.size_classes import unpad
from strongroom.enclave.governance import public
from strongroom.enclave.governance.grant_records import diagnostics_info, parameters_digest
from strongroom.enclave.governance.public import sign_public
from strongroom.enclave.member.diagnostics import DIAGNOSTICS_FIELDS
from strongroom.enclave.member.freshness import NotFresh
from strongroom.enclave.member.granted import NotGranted
from strongroom.enclave.member.member import Superseded
from strongroom.enclave.member.stage import Need
from strongroom.enclave.primitives import DoesNotOpen, HybridKey, Secret, verify

HOUR_MS = 3_600_000
GRANTEE, OTHER = HybridKey(Secret(b"g" * 32)), HybridKey(Secret(b"o" * 32))
CANARY = "canary in a label"


class Service(World):
    """Four nodes; operator0 asks, members of operators 1 and 2 approve."""

    def __init__(self) -> None:
        limits = {"activation_delay_ms": 0}
        super().__init__(make_cluster_genesis(limits=limits))
        for index in range(4):
            member = self.cluster.members[f"member{index}"].public
            self.govern("set_affiliation", key=member, operator=f"operator{index}")

    def word(self, who: str, action: str, *fields: Any) -> bytes:
        key = key_named(who)
        return sign_public(key.public, key.sign, self.chain, action, fields)

    def begun(self, node: str = "n1", *, recipient: HybridKey = GRANTEE, begin: bool = True) -> str:
        fields = (
            int(self.tip.height).to_bytes(16, "big"),
            ("diagnostics",),
            (node,),
            "why is it slower than the others",
            self.tip.time_ms + HOUR_MS,
            HOUR_MS,
            "planned",
        )
        asked: Any = self.must(self.word("operator0", public.ASK, *fields))
        id = str(asked[0])
        (grant,) = [one for one in self.access() if one.id == id]
        for who in ("member1", "member2"):
            self.must(self.word(who, public.APPROVE, id, grant.digest))
        if begin:
            self.must(self.begin(id, node, recipient))
        return id

    def begin(self, id: str, node: str, recipient: HybridKey) -> bytes:
        named = parameters_digest("diagnostics", node, (recipient.public,))
        return self.word("operator0", public.BEGIN, id, "diagnostics", node, named)

    def access(self) -> Any:
        return self.nodes["n0"].governance.document().access.grants

    def restart(self, node: Node, sealed: bytes | None = None) -> Node:
        """Another process on what the host kept, or on what it kept earlier."""
        node.sealed = node.member.sealed() if sealed is None else sealed
        anew = self.boot(node.name, node.chip, node.sealed)
        self.nodes[node.name] = anew
        self.catch_up(anew)
        self.finish(anew)
        return anew


@pytest.fixture
def service() -> Service:
    return Service()


def refusal(node: Node, id: str, recipient: HybridKey = GRANTEE) -> str:
    with pytest.raises(NotGranted) as caught:
        node.member.diagnostics(id, recipient.public)
    return caught.value.reason


def opened(service: Service, node: Node, id: str, sealed: bytes) -> dict[str, Any]:
    padded = GRANTEE.open(sealed, diagnostics_info(service.chain, id))
    data, signature = codec.decode(unpad(padded))
    assert verify(node.key, signature, labels.bound(labels.DIAGNOSTICS, service.chain, data))
    *named, told = codec.decode(data)
    assert named == [id, node.name]
    return dict(told)


def test_given_once_the_act_stands_and_to_the_grantee_alone(service: Service) -> None:
    node, id = service.nodes["n1"], service.begun()
    act, nothing = node.member.diagnostics(id, GRANTEE.public)
    assert nothing == b""
    assert node.member.diagnostics(id, GRANTEE.public)[1] == b""
    service.must(act)
    nothing, sealed = node.member.diagnostics(id, GRANTEE.public)
    assert nothing == b""
    told = opened(service, node, id, sealed)
    assert tuple(told) == DIAGNOSTICS_FIELDS
    assert told["blocks_executed"] == told["height"] > 0
    info = diagnostics_info(service.chain, id)
    with pytest.raises(DoesNotOpen):
        OTHER.open(sealed, info)
    with pytest.raises(DoesNotOpen):
        GRANTEE.open(sealed, diagnostics_info(service.chain, "another"))
    assert node.member.diagnostics(id, GRANTEE.public) == (b"", sealed)


def test_nothing_that_a_user_or_a_key_is(service: Service) -> None:
    issue = service.call("payments.issue", to="alice", amount=987_654_321)
    _, envelope = service.open("member0", issue, close=True)
    service.commit(envelope)
    _, envelope = service.open("alice", service.call("payments.open", account=CANARY), close=True)
    service.commit(envelope)
    node, id = service.nodes["n1"], service.begun()
    service.must(node.member.diagnostics(id, GRANTEE.public)[0])
    _, sealed = node.member.diagnostics(id, GRANTEE.public)
    plain = GRANTEE.open(sealed, diagnostics_info(service.chain, id))
    store = node.member.keystore
    secrets = [one.input.reveal() for one in store.keyring.all() if one.input is not None]
    secrets += [one.ledger.reveal() for one in store.keyring.all()]
    assert secrets
    planted = [CANARY.encode(), person("alice").id, codec.encode(987_654_321), *secrets]
    for secret in planted:
        assert secret not in plain
        assert secret.hex().encode() not in plain
        assert secret not in sealed


def test_nothing_was_begun_here(service: Service) -> None:
    id = service.begun()
    assert refusal(service.nodes["n2"], id) == "not-begun"
    assert refusal(service.nodes["n1"], "0" * 32) == "unknown-grant"
    approved = service.begun(begin=False)
    assert refusal(service.nodes["n1"], approved) == "not-begun"


def test_another_recipient_than_the_begin_names(service: Service) -> None:
    id = service.begun()
    node = service.nodes["n1"]
    assert refusal(node, id, OTHER) == "other-parameters"
    service.must(node.member.diagnostics(id, GRANTEE.public)[0])
    assert refusal(node, id, OTHER) == "other-parameters"
    with pytest.raises(NotGranted):
        node.member.diagnostics(id, b"short")


def test_revoked_between_begin_and_act(service: Service) -> None:
    node, id = service.nodes["n1"], service.begun()
    act, _ = node.member.diagnostics(id, GRANTEE.public)
    service.must(service.word("member1", public.REVOKE_GRANT, id))
    ok, answer = service.say(act)
    assert (ok, answer[0]) == (False, "revoked")  # type: ignore[index]
    assert refusal(node, id) == "revoked"


def test_revoked_between_act_and_giving(service: Service) -> None:
    node, id = service.nodes["n1"], service.begun()
    service.must(node.member.diagnostics(id, GRANTEE.public)[0])
    service.must(service.word("member1", public.REVOKE_GRANT, id))
    assert refusal(node, id) == "revoked"


def test_the_grant_ends_between_act_and_giving(service: Service) -> None:
    node, id = service.nodes["n1"], service.begun()
    service.must(node.member.diagnostics(id, GRANTEE.public)[0])
    service.commit(after_ms=HOUR_MS)
    assert refusal(node, id) == "expired"


def test_an_approver_leaves_between_act_and_giving(service: Service) -> None:
    node, id = service.nodes["n1"], service.begun()
    service.must(node.member.diagnostics(id, GRANTEE.public)[0])
    service.govern("remove_affiliation", key=key_named("member2").public)
    assert refusal(node, id) == "not-approved"


def test_a_restarted_enclave_does_not_act_again(service: Service) -> None:
    node, id = service.nodes["n1"], service.begun()
    service.must(node.member.diagnostics(id, GRANTEE.public)[0])
    again = service.restart(node)
    assert refusal(again, id) == "twice"


def test_a_disk_that_was_put_back_gives_nothing_twice(service: Service) -> None:
    node, id = service.nodes["n1"], service.begun()
    before = node.member.sealed()
    act, _ = node.member.diagnostics(id, GRANTEE.public)
    clone = service.boot(node.name, node.chip, before)
    service.catch_up(clone)
    service.finish(clone)
    other, _ = clone.member.diagnostics(id, GRANTEE.public)
    assert other != act
    service.must(act)
    ok, answer = service.say(other)
    assert (ok, answer[0]) == (False, "twice")  # type: ignore[index]
    service.finish(clone)
    assert refusal(clone, id) == "twice"
    assert node.member.diagnostics(id, GRANTEE.public)[1]
    anew = service.restart(node, before)
    assert refusal(anew, id) == "twice"


def announce(service: Service, one: Node) -> None:
    block = service.blocks[-1].header
    service.must(one.core.learner.attest(block.height, block.digest, "a:1", "a:2"))


def starts_told(service: Service) -> list[str]:
    told = service.nodes["n0"].governance.document().access.events
    assert {one.subject for one in told} <= {"n1"}
    return [one.kind for one in told]


def test_a_start_from_a_copy_of_the_disk_is_told_like_any_other(service: Service) -> None:
    """It bears a number that another start announced, sees that, and takes the next."""
    node = service.nodes["n1"]
    copied = node.member.sealed()
    announce(service, node)
    announce(service, service.restart(node, copied))
    assert starts_told(service) == ["unplanned-start"]
    again = service.restart(service.nodes["n1"], copied)
    service.commit()
    sealed, _, _, need = again.member.duties(0)
    assert need is Need.ATTEST
    announce(service, again)
    assert starts_told(service) == ["unplanned-start"] * 2
    third = service.restart(again, sealed)
    service.commit()
    assert third.member.duties(0)[3] is Need.ATTEST
    announce(service, third)
    assert starts_told(service) == ["unplanned-start"] * 3


def test_of_two_starts_from_one_sealed_state_one_goes_on(service: Service) -> None:
    """Both announced before either knew of the other; who takes the next number first goes on."""
    node = service.nodes["n1"]
    announce(service, node)
    copied = node.member.sealed()
    first = service.restart(node, copied)
    block = service.blocks[-1].header
    second = service.boot(node.name, node.chip, copied)
    service.catch_up(second)
    service.finish(second)
    announce(service, first)
    assert first.member.duties(0)[3] is not Need.ATTEST
    later = service.blocks[-1].header
    assert later.height > block.height
    service.must(second.core.learner.attest(later.height, later.digest, "a:1", "a:2"))
    assert starts_told(service) == ["unplanned-start"]
    assert first.member.duties(0)[3] is Need.ATTEST
    announce(service, first)
    assert starts_told(service) == ["unplanned-start"] * 2
    service.finish(second)
    assert second.member.duties(0)[3] is Need.SUPERSEDED


def test_an_enclave_that_lags_is_not_asked(service: Service) -> None:
    node, id = service.nodes["n1"], service.begun()
    service.commit(only={"n0", "n2", "n3"})
    service.freshen(node)
    with pytest.raises(NotFresh):
        node.member.diagnostics(id, GRANTEE.public)


def test_an_enclave_of_an_older_boot_does_not_act(service: Service) -> None:
    node, id = service.nodes["n1"], service.begun()
    anew = service.boot(node.name, node.chip, node.sealed)
    service.catch_up(anew)
    block = service.blocks[-1].header
    evidence = anew.core.learner.attest(block.height, block.digest, "127.0.0.1:1", "127.0.0.1:2")
    service.must(evidence)
    with pytest.raises(Superseded):
        node.member.diagnostics(id, GRANTEE.public)


def test_the_grants_time_is_over(service: Service) -> None:
    node, id = service.nodes["n1"], service.begun()
    act, _ = node.member.diagnostics(id, GRANTEE.public)
    service.commit(after_ms=HOUR_MS)
    assert refusal(node, id) == "expired"
    ok, answer = service.say(act)
    assert (ok, answer[0]) == (False, "expired")  # type: ignore[index]


def test_a_key_to_which_nothing_can_be_sealed(service: Service) -> None:
    id = service.begun(begin=False)
    named = parameters_digest("diagnostics", "n1", (bytes(1216),))
    service.must(service.word("operator0", public.BEGIN, id, "diagnostics", "n1", named))
    with pytest.raises(StrongroomError):
        service.nodes["n1"].member.diagnostics(id, bytes(1216))
