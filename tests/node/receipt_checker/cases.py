"""Receipts with expected verdicts: genuine ones, and forged ones with one thing wrong each.

Owns the list; receipts are of services that the forger owns (services.py), so that a case may be
wrong deep within and right in all that is signed above. The list is what vectors.json holds.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.enclave.outside.test_receipts import CHANGES, PIN, RECEIPT, _forged_entries, _late
from tests.enclave.test_second_disaster import living, receipt_of
from tests.node.receipt_checker.certificate_parts import certificate_changes
from tests.node.receipt_checker.mutating import long_form_at
from tests.node.receipt_checker.services import Change, Forged, hybrid_key, receipt

from strongroom.consensus import codec
from strongroom.enclave.attestation.report import Field
from strongroom.enclave.formats.outcome import Outcome
from strongroom.enclave.outside.receipt import Receipt

Turn = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A receipt, a pin, and what every verifier must say."""

    name: str
    base: str
    forged: Forged
    verdict: str


def at(layer: str, turn: Turn) -> Change:
    """A change at one layer."""
    return lambda own, value: turn(value) if own == layer else value


def item(place: int, value: Any) -> Turn:
    """A list in which one item is another; `value` may be a function of what it was."""

    def turn(items: Any) -> Any:
        other = value(items[place]) if callable(value) else value
        return (*items[:place], other, *items[place + 1 :])

    return turn


def flip(place: int) -> Turn:
    """Bytes of which one bit is another."""
    return lambda data: data[:place] + bytes((data[place] ^ 1,)) + data[place:][1:]


def put(place: slice, value: int) -> Turn:
    """Bytes in which a little-endian integer is another."""
    size = place.stop - place.start
    return lambda data: data[: place.start] + value.to_bytes(size, "little") + data[place.stop :]


def doubled(items: Any) -> Any:
    """The first item twice."""
    return (items[0], *items)


def twice(value: bytes) -> bytes:
    """The same bytes, twice."""
    return value + value


# --- what is wrong deep within, and signed by everybody ---

DEEP: dict[str, tuple[str, Turn]] = {
    "constitution: another label": ("constitution", item(0, b"strongroom/2/constitution")),
    "constitution: a name with a space": ("constitution", item(1, "test service")),
    "constitution: a name that is not composed": ("constitution", item(1, "e\u0301")),
    "constitution: a name of 65 bytes": ("constitution", item(1, "x" * 65)),
    "constitution: a short salt": ("constitution", item(2, bytes(31))),
    "constitution: a negative time": ("constitution", item(3, -1)),
    "constitution: judged when certificates have expired": ("constitution", item(3, 2**45)),
    "constitution: judged before certificates begin": ("constitution", item(3, 1)),
    "constitution: members in another order": ("constitution", item(5, lambda m: m[::-1])),
    "constitution: a member twice": ("constitution", item(5, doubled)),
    "constitution: two members with one key": (
        "constitution",
        item(5, lambda m: (m[0], (m[1][0], m[0][1]), *m[2:])),
    ),
    "constitution: programs in another order": ("constitution", item(7, lambda m: m[::-1])),
    "constitution: a program twice": ("constitution", item(7, doubled)),
    "constitution: a limit below zero": ("constitution", item(8, (("open_admission", -1),))),
    "constitution: a truth value as a limit": (
        "constitution",
        item(8, (("open_admission", True),)),
    ),
    "constitution: an unknown later part": ("constitution", lambda m: (*m, (("news", (1,)),))),
    "constitution: an empty later part": ("constitution", lambda m: (*m, ())),
    "constitution: no affiliations under their name": (
        "constitution",
        lambda m: (*m, (("affiliations", ()),)),
    ),
    "constitution: a stranger acts for an operator": (
        "constitution",
        lambda m: (*m, (("affiliations", ((bytes(32), "operator0"),)),)),
    ),
    "constitution: a field less": ("constitution", lambda m: m[:-1]),
    "constitution: a role of another size": (
        "constitution",
        item(6, (("payments", "issuer", b"x"),)),
    ),
    "constitution: bytes follow": ("constitution bytes", lambda data: data + b"\x00"),
    "policy: other code": ("constitution", item(4, item(0, (bytes(48),)))),
    "policy: no code": ("constitution", item(4, item(0, ()))),
    "policy: code of another size": ("constitution", item(4, item(0, (bytes(47),)))),
    "policy: the root is not believed": ("constitution", item(4, item(1, (bytes(32),)))),
    "policy: genuine silicon only": ("constitution", item(4, item(2, False))),
    "policy: a number as a truth value": ("constitution", item(4, item(2, 1))),
    "policy: no floors": ("constitution", item(4, item(3, ()))),
    "policy: floors of another product": (
        "constitution",
        item(4, item(3, item(0, item(0, "Milan")))),
    ),
    "policy: floors of no product": ("constitution", item(4, item(3, item(0, item(0, "Rome"))))),
    "policy: a higher floor of what is committed": (
        "constitution",
        item(4, item(3, item(0, item(1, item(2, 24))))),
    ),
    "policy: a higher floor at launch": (
        "constitution",
        item(4, item(3, item(0, item(2, item(0, 11))))),
    ),
    "policy: a higher floor of what is reported": (
        "constitution",
        item(4, item(3, item(0, item(3, item(3, 85))))),
    ),
    "policy: a floor above 255": ("constitution", item(4, item(3, item(0, item(1, item(4, 256)))))),
    "policy: another operator's chip": (
        "constitution",
        item(4, item(4, item(0, item(0, "operator9")))),
    ),
    "policy: no chips": ("constitution", item(4, item(4, ()))),
    "policy: another key of the operator": (
        "constitution",
        item(4, item(5, item(0, item(1, bytes(32))))),
    ),
    "policy: no operators": ("constitution", item(4, item(5, ()))),
    "policy: another region": ("constitution", item(4, item(6, ("us-east",)))),
    "policy: regions in another order": ("constitution", item(4, item(6, ("us", "eu-west")))),
    "policy: an age below zero": ("constitution", item(4, item(7, -1))),
    "policy: an empty list of countries": ("constitution", item(4, lambda m: (*m, ()))),
    "policy: a country in small letters": (
        "constitution",
        item(4, lambda m: (*m, (("eu-west", "ie"),))),
    ),
    "claims: of another chain": ("claims", item(0, b"\x01" * 32)),
    "claims: of another node": ("claims", item(1, "n1")),
    "claims: a name with a control character": ("claims", item(1, "n\x1b0")),
    "claims: a short node key": ("claims", item(2, bytes(31))),
    "claims: the vote key is the node key": ("claims", lambda m: item(3, m[2])(m)),
    "claims: no wrap keys": ("claims", item(4, ())),
    "claims: wrap keys in another order": ("claims", item(4, lambda m: m[::-1])),
    "claims: wrap keys of other epochs": ("claims", item(4, item(1, item(0, 2)))),
    "claims: one wrap key twice": ("claims", item(4, lambda m: (m[0], (1, m[0][1])))),
    "claims: a wrap key of low order": (
        "claims",
        item(4, item(0, item(1, lambda key: key[:1184] + bytes(32)))),
    ),
    "claims: a wrap key out of range": (
        "claims",
        item(4, item(0, item(1, lambda key: b"\xff\xff\xff" + key[3:]))),
    ),
    "claims: a short TLS key": ("claims", item(5, bytes(31))),
    "claims: of a later epoch": ("claims", item(6, 1)),
    "claims: with an epoch key": ("claims", item(7, b"\x01" * 32)),
    "claims: for another challenge": ("claims", item(8, bytes(32))),
    "claims: at a height": ("claims", item(9, 1)),
    "claims: in another region": ("claims", item(10, "us-east")),
    "claims: of another operator": ("claims", item(11, "operator9")),
    "claims: before the first boot": ("claims", item(12, 0)),
    "claims: a field more": ("claims", lambda m: (*m, 0)),
    "claims: bytes follow": ("claims bytes", lambda data: data + b"\xc0"),
    "statement: about another node": ("statement", item(0, "n1")),
    "statement: about another operator": ("statement", item(1, "operator9")),
    "statement: about another chip": ("statement", item(2, bytes(64))),
    "statement: about other code": ("statement", item(3, bytes(48))),
    "statement: about another region": ("statement", item(4, "us-east")),
    "report: version 1": ("report", put(Field.VERSION, 1)),
    "report: version 6": ("report", put(Field.VERSION, 6)),
    "report: another algorithm": ("report", put(Field.SIGNATURE_ALGORITHM, 2)),
    "report: may be debugged": ("report", put(Field.POLICY, 1 << 17 | 1 << 19)),
    "report: may migrate": ("report", put(Field.POLICY, 1 << 17 | 1 << 18)),
    "report: a reserved bit is clear": ("report", put(Field.POLICY, 1 << 16)),
    "report: an unknown bit is set": ("report", put(Field.POLICY, 1 << 17 | 1 << 26)),
    "report: VMPL 1": ("report", put(Field.VMPL, 1)),
    "report: signed by a loaded key": ("report", put(Field.FLAGS, 1 << 2)),
    "report: signed by no key": ("report", put(Field.FLAGS, 7 << 2)),
    "report: signed by a reserved key": ("report", put(Field.FLAGS, 3 << 2)),
    "report: the chip is hidden": ("report", put(Field.FLAGS, 1 << 1)),
    "report: other claims": ("report", flip(0x50)),
    "report: the rest of its data is not zero": ("report", flip(0x8F)),
    "report: other code": ("report", flip(0x90)),
    "report: another deployment": ("report", flip(0xC0)),
    "report: other reported firmware": ("report", flip(0x180)),
    "report: older committed firmware": ("report", put(Field.COMMITTED_TCB, 0)),
    "report: older firmware at launch": ("report", put(Field.LAUNCH_TCB, 0)),
    "report: of a Milan processor": ("report", flip(0x188)),
    "report: of no known processor": ("report", put(slice(0x188, 0x18A), 0x0119 ^ 0x1FF)),
    "report: of another chip": ("report", flip(0x1A0)),
    "report: bytes follow": ("report bytes", lambda data: data + b"\x00"),
    "report: it ends too early": ("report bytes", lambda data: data[:-1]),
    "report: the reserved rest is not zero": ("report bytes", flip(1183)),
    "report: r is zero": ("report's signature", item(0, 0)),
    "report: r is too great": ("report's signature", item(0, lambda r: r + (1 << 384))),
    "report: another s": ("report's signature", item(1, lambda s: s ^ 1)),
    "chip key: one bit": ("vek", flip(40)),
    "chip key: its signature": ("vek bytes", flip(-1)),
    "chip key: bytes follow": ("vek bytes", lambda data: data + b"\x00"),
    "chip key: none": ("vek bytes", lambda _data: b""),
    "chip key: another product": ("vek", lambda tbs: tbs.replace(b"\x16\x09SIMU", b"\x16\x09SIMO")),
    "chip key: another common name": (
        "vek",
        lambda tbs: tbs.replace(b"SEV-VCEK-SIMULATED", b"SEV-VLEK-SIMULATED"),
    ),
    "intermediate: its path is longer": (
        "ask",
        lambda tbs: tbs.replace(b"\x01\x01\xff\x02\x01\x00", b"\x01\x01\xff\x02\x01\x01"),
    ),
    "intermediate: no authority": (
        "ask",
        lambda tbs: tbs.replace(b"\x01\x01\xff\x02\x01\x00", b"\x01\x01\x00\x02\x01\x00"),
    ),
    "intermediate: its signature": ("ask bytes", flip(-1)),
    "root: another name": ("ark", lambda tbs: tbs.replace(b"ARK-SIM", b"ARK-SIN")),
    "root: its signature": ("ark bytes", flip(-1)),
    "root: is the intermediate": ("evidence", lambda m: item(5, m[4])(m)),
    "evidence: another label": ("evidence", item(0, b"strongroom/1/room-evidence")),
    "evidence: another kind": ("evidence", item(1, "tdx")),
    "evidence: another signature of the operator": ("evidence", item(8, bytes(64))),
    "evidence: a short signature of the operator": ("evidence", item(8, bytes(63))),
    "evidence: other claims than signed": ("evidence", item(6, lambda c: c[:-1] + b"\x02")),
    "evidence: bytes follow": ("evidence bytes", lambda data: data + b"\x00"),
    "genesis: no evidence": ("pieces of evidence", lambda _m: ()),
    "genesis: one piece twice": ("pieces of evidence", doubled),
    "genesis: another key than the founder's": ("genesis", item(3, bytes(1216))),
    "genesis: a short key": ("founded", item(2, bytes(1215))),
    "genesis: no founder's signature": ("genesis", item(4, bytes(64))),
    "genesis: a short founder's signature": ("genesis", item(4, bytes(63))),
    "genesis: another label": ("genesis", item(0, b"strongroom/2/genesis")),
    "genesis: a field more": ("genesis", lambda m: (*m, 0)),
    "genesis: bytes follow": ("genesis bytes", lambda data: data + b"\x00"),
    "anchor: version 2": ("anchor", item(0, 2)),
    "anchor: of another chain": ("anchor", item(1, bytes(32))),
    "anchor: of a later epoch": ("anchor", item(2, 1)),
    "anchor: a negative view": ("anchor", item(3, -1)),
    "anchor: at height 0": ("anchor", item(4, 0)),
    "anchor: a short parent": ("anchor", item(5, bytes(31))),
    "anchor: a proposer that nobody can be": ("anchor", item(6, 256)),
    "anchor: a lane without its digest": ("anchor", item(8, ((0,),))),
    "anchor: anchors a lower height": ("anchor", item(11, 0)),
    "anchor: anchors a higher height": ("anchor", item(11, 2)),
    "anchor: anchors another history": ("anchor", item(12, bytes(32))),
    "anchor: a truth value for a number": ("anchor", item(9, False)),
    "anchor: a fraction for a number": ("anchor", item(9, 0.0)),
    "anchor: bytes follow": ("anchor bytes", lambda data: data + b"\x00"),
    "certificate: NOTARIZE": ("certificate's statement", item(0, 1)),
    "certificate: NULLIFY": ("certificate's statement", item(0, 2)),
    "certificate: of another epoch": ("certificate's statement", item(1, 1)),
    "certificate: of a later view": ("certificate's statement", item(2, lambda view: view + 1)),
    "certificate: of an earlier view": ("certificate's statement", item(2, lambda view: view - 1)),
    "certificate: of view 0": ("certificate", item(2, 0)),
    "certificate: of another block": ("certificate's statement", item(3, b"\x01" * 32)),
    "certificate: of no block": ("certificate", item(3, bytes(32))),
    "certificate: of an unknown kind": ("certificate", item(0, 4)),
    "certificate: of kind 0": ("certificate", item(0, 0)),
    "certificate: nobody signed": ("certificate", lambda m: (*m[:4], b"", b"")),
    "certificate: a leading zero byte": ("certificate", item(4, lambda bits: b"\x00" + bits)),
    "certificate: a field less": ("certificate", lambda m: m[:-1]),
    "certificate: a field more": ("certificate", lambda m: (*m, b"")),
}
"""Of services of one validator."""

QUORUM: dict[str, tuple[str, Turn]] = {
    "certificate: two of four": ("certificate's signers", lambda _m: (0, 1)),
    "certificate: one signer three times": ("certificate", item(5, lambda s: s[:64] * 3)),
    "certificate: one signature twice": (
        "certificate",
        item(5, lambda s: s[:64] + s[:64] + s[128:]),
    ),
    "certificate: signatures in another order": (
        "certificate",
        item(5, lambda s: s[64:128] + s[:64] + s[128:]),
    ),
    "certificate: a signature less": ("certificate", item(5, lambda s: s[:-64])),
    "certificate: a signature more": ("certificate", item(5, lambda s: s + s[:64])),
    "certificate: half a signature": ("certificate", item(5, lambda s: s[:-32])),
    "certificate: a signer more than signatures": ("certificate", item(4, b"\x0f")),
    "certificate: other signers": ("certificate", item(4, b"\x0e")),
    "certificate: a signer that is no member": ("certificate's signers", lambda _m: (0, 1, 4)),
    "certificate: one bit of a signature": ("certificate", item(5, flip(70))),
    "certificate: signatures of zeros": ("certificate", item(5, bytes(192))),
    "genesis: enclaves in another order": ("pieces of evidence", lambda m: m[::-1]),
    "genesis: an enclave less": ("pieces of evidence", lambda m: m[1:]),
    "genesis: an enclave twice": ("pieces of evidence", lambda m: (*m[:3], m[2])),
}
"""Of services of four."""

EPOCHS: dict[str, tuple[str, Turn]] = {
    "epochs: one is skipped": ("entries", lambda m: m[1:]),
    "epochs: the last is missing": ("entries", lambda m: m[:1]),
    "epochs: in another order": ("entries", lambda m: m[::-1]),
    "epochs: one stands twice": ("entries", doubled),
    "epochs: the last stands twice": ("entries", lambda m: (*m, m[-1])),
    "epochs: a field more": ("entries", item(0, lambda m: (*m, 0))),
    "epochs: another key": ("entries", item(0, item(3, hybrid_key("another")))),
    "epochs: a short key": ("entries", item(0, item(3, bytes(1215)))),
    "epochs: the certificate of the other": ("entries", lambda m: (item(1, m[1][1])(m[0]), m[1])),
    "epochs: the header of the other": ("entries", lambda m: (item(0, m[1][0])(m[0]), m[1])),
    "epochs: the description of the other": ("entries", lambda m: (item(2, m[1][2])(m[0]), m[1])),
    "epochs: two of four ended one": ("terminal certificate's signers", lambda _m: (0, 1)),
    "epochs: ended by NOTARIZE": ("terminal certificate's statement", item(0, 1)),
    "epochs: ended in an earlier view": (
        "terminal certificate's statement",
        item(2, lambda view: view - 1),
    ),
    "epochs: a header of another chain": ("terminal", item(1, bytes(32))),
    "epochs: a header of the next epoch": ("terminal", item(2, lambda epoch: epoch + 1)),
    "epochs: a header at its anchor's height": ("terminal", item(4, 0)),
    "epochs: a header that opens another one": ("terminal", item(13, b"\x01" * 32)),
    "epochs: a number too far": ("description", item(0, lambda epoch: epoch + 1)),
    "epochs: members in another order": ("description", item(1, lambda m: m[::-1])),
    "epochs: a member twice": ("description", item(1, doubled)),
    "epochs: one vote key twice": (
        "description",
        item(1, lambda m: (m[0], (m[1][0], m[0][1]), *m[2:])),
    ),
    "epochs: no members": ("description", item(1, ())),
    "epochs: another key's digest": ("description", item(2, bytes(32))),
}

RECOVERED: dict[str, tuple[str, Turn]] = {
    "recovery: one of two agreed": ("agreements", lambda m: m[:1]),
    "recovery: nobody agreed": ("agreements", lambda _m: ()),
    "recovery: one agreed twice": ("agreements", doubled),
    "recovery: in another order": ("agreements", lambda m: m[::-1]),
    "recovery: a signature of zeros": ("agreements", item(0, item(1, bytes(64)))),
    "recovery: by a stranger": ("agreements", item(0, item(0, bytes(32)))),
    "recovery: over something else": ("agreed", item(0, 2)),
    "recovery: one is enough, it says": ("recovery", item(3, item(1, 1))),
    "recovery: a threshold of zero": ("rules", item(1, 0)),
    "recovery: a threshold above its members": ("rules", item(1, 4)),
    "recovery: members in another order": ("rules", item(2, lambda m: m[::-1])),
    "recovery: two members with one key": (
        "rules",
        item(2, lambda m: (m[0], (m[1][0], m[0][1]), m[2])),
    ),
    "recovery: a member without a name": ("rules", item(2, item(0, item(0, "")))),
    "recovery: other evidence": ("recovery", item(4, item(0, bytes(32)))),
    "recovery: evidence of one less": ("evidence of recovery", lambda m: m[1:]),
    "recovery: another kind": ("recovery", item(0, 5)),
    "recovery: another key": ("recovery", item(6, hybrid_key("another"))),
    "recovery: another opening header": ("opening", item(9, 1)),
    "recovery: an opening header not above": ("opening", item(3, 0)),
    "recovery: an opening header that is older": ("opening", item(7, 1)),
    "recovery: an opening header of another parent": ("opening", item(5, bytes(32))),
    "recovery: another cut": ("opening", item(8, ())),
    "recovery: another execution": ("opening", item(12, bytes(32))),
    "recovery: an execution that is not there yet": ("opening", item(11, 99)),
    "recovery: the head was not final": ("lost head", item(1, None)),
    "recovery: two of four certified the head": ("head certificate's signers", lambda _m: (0, 1)),
    "recovery: the head ended its epoch": ("head", item(13, b"\x01" * 32)),
    "recovery: a head of another chain": ("head", item(1, bytes(32))),
    "recovery: another leaf": ("head leaf", flip(-1)),
    "recovery: another label of the leaf": ("head leaf", flip(0)),
    "recovery: a short leaf": ("head leaf", lambda leaf: leaf[:-1]),
    "recovery: a path too short": ("lost head", item(3, ())),
    "recovery: a path too long": ("lost head", item(3, lambda m: (*m, bytes(32)))),
}

GOOD: dict[str, tuple[str, str, Turn]] = {
    "a later view certifies a terminal header": (
        "epochs",
        "terminal certificate's statement",
        item(2, lambda view: view + 5),
    ),
    "three other signers": ("plain", "certificate's signers", lambda _m: (1, 2, 3)),
    "all four signed": ("plain", "certificate's signers", lambda _m: (0, 1, 2, 3)),
    "all three members agreed on another time": (
        "recovered",
        "opening",
        item(7, lambda ms: ms + 5),
    ),
    "countries": ("plain", "constitution", item(4, lambda m: (*m, (("eu-west", "IE"),)))),
    "a composed name": ("plain", "constitution", item(1, "ñandú-漢字-\U00020000")),
    "report of version 2": ("plain", "report", put(Field.VERSION, 2)),
    "report of version 5": ("plain", "report", put(Field.VERSION, 5)),
}


def cases() -> Iterator[Case]:
    """Every case, base by base."""
    bases = {
        f"{kind} of {size}": receipt(kind=kind, validators=size)
        for kind, size in (("plain", 1), ("plain", 4), ("epochs", 4), ("recovered", 4))
    }
    for base, forged in bases.items():
        yield Case(f"genuine: {base}", base, forged, "valid")
    for name, (kind, layer, turn) in GOOD.items():
        made = receipt(at(layer, turn), kind=kind, validators=4)
        yield Case(f"genuine: {name}", f"{kind} of 4", made, "valid")
    tables = (
        ("plain", 1, DEEP),
        ("plain", 4, QUORUM),
        ("epochs", 4, EPOCHS),
        ("recovered", 4, RECOVERED),
    )
    for kind, size, table in tables:
        for name, (layer, turn) in table.items():
            made = receipt(at(layer, turn), kind=kind, validators=size)
            yield Case(name, f"{kind} of {size}", made, "forged")
    for name, change, verdict in certificate_changes():
        yield Case(name, "plain of 1", receipt(change), verdict)
    for name, change in (
        ("epochs: a whole epoch is left out", _leap),
        ("epochs: two votes", _votes),
    ):
        made = receipt(change, kind="epochs", validators=4)
        yield Case(name, "epochs of 4", made, "forged")
    yield from _documents(bases)
    yield from _texts(bases)
    yield from _pins(bases)
    yield from _of_receipt_tests()


DOCUMENT: dict[str, dict[str, Any]] = {
    "another format": {"format": "strongroom-ledger"},
    "a version as a text": {"version": "1"},
    "a truth value for a version": {"version": True},
    "a fraction for a version": {"version": 1.0},
    "version 2 without epochs": {"version": 2},
    "version 1 with no epochs": {"epochs": []},
    "a field more": {"more": 1},
    "index: a text": {"index": "4"},
    "index: below zero": {"index": -1},
    "index: a fraction": {"index": 4.0},
    "index: another": {"index": 3},
    "index: beyond the count": {"index": 5},
    "index: of 33 bits": {"index": 2**32},
    "count: a truth value": {"count": True},
    "count: one more": {"count": 6},
    "count: one less": {"count": 4},
    "count: zero": {"count": 0},
    "height: one more": {"height": 2},
    "height: zero": {"height": 0},
    "height: of 65 bits": {"height": 2**64},
    "height: above 2^53": {"height": 2**53 + 1},
    "code: another": {"code": 1, "status": "duplicate"},
    "code: unknown": {"code": 14, "status": "executed"},
    "code: below zero": {"code": -1},
    "status: of another code": {"status": "refused"},
    "status: nothing": {"status": None},
    "id: another": {"id": "00" * 32},
    "id: too short": {"id": "00" * 31},
    "id: a number": {"id": 0},
    "result: another": {"result_digest": "00" * 32},
    "claim: another": {"claim_digest": "11" * 32},
    "block: another": {"block": "00" * 32},
    "block: with a blank": {"block": " " + "62" * 32},
    "write set: another": {"write_set_digest": "00" * 32},
    "snapshot: another": {"snapshot_root": "11" * 32},
    "outcome path: empty": {"outcome_path": []},
    "outcome path: a text": {"outcome_path": "x"},
    "outcome path: of short hashes": {"outcome_path": ["x"]},
    "outcome path: of 69 hashes": {"outcome_path": ["00" * 32] * 69},
    "history path: empty": {"history_path": []},
    "history path: nothing": {"history_path": None},
    "genesis: no base64": {"genesis": "***"},
    "genesis: empty": {"genesis": ""},
    "anchor: a number": {"anchor": 5},
    "anchor: empty": {"anchor": ""},
    "certificate: three bytes": {"certificate": "AAAA"},
}
LATE: dict[str, dict[str, Any]] = {
    "epochs under version 1": {"version": 1},
    "no epochs under version 2": {"epochs": []},
    "epochs: a text": {"epochs": "x"},
    "epochs: a number": {"epochs": [1]},
    "epochs: three bytes": {"epochs": ["AAAA"]},
    "epochs: 4,097 of them": {"epochs": ["wA=="] * 4097},
}
"""Of a receipt through epochs."""
FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "id: capital letters": ("id", str.upper),
    "outcome path: cut": ("outcome_path", lambda m: m[:-1]),
    "outcome path: one more": ("outcome_path", lambda m: [*m, "00" * 32]),
    "history path: cut": ("history_path", lambda m: m[:-1]),
    "history path: one more": ("history_path", lambda m: [*m, "00" * 32]),
    "history path: another hash": ("history_path", lambda m: ["00" * 32, *m[1:]]),
    "genesis: a line end in it": ("genesis", lambda text: text + "\n"),
    "genesis: cut": ("genesis", lambda text: text[:-4]),
    "genesis: no padding": ("certificate", lambda text: text.rstrip("=") + "===="),
    "anchor: another alphabet": ("anchor", lambda text: "-_" + text[2:]),
    "anchor: spare bits": ("certificate", lambda text: _spare(text)),
    "anchor: a long form": ("anchor", lambda text: _long(text, 1)),
    "anchor: a long form of a list": ("anchor", lambda text: _long(text, 0)),
    "certificate: a long form": ("certificate", lambda text: _long(text, 3)),
    "certificate: a long form of a list": ("certificate", lambda text: _long(text, 0)),
    "certificate: a long form of bytes": ("certificate", lambda text: _long(text, 4)),
    "certificate: a byte more for its kind": (
        "certificate",
        lambda text: _packed(b64decode(text)[:1] + b"\xcc" + b64decode(text)[1:]),
    ),
    "certificate: nested deep": ("certificate", lambda text: _packed(b"\x91" * 40 + b"\x90")),
    "certificate: a map": ("certificate", lambda text: _packed(b"\x80")),
    "certificate: an extension type": ("certificate", lambda text: _packed(b"\xd4\x01\x00")),
    "certificate: a text that is not UTF-8": ("certificate", lambda text: _packed(b"\xa1\xff")),
}


def _leap(layer: str, value: Any) -> Any:
    """Epoch 2 follows epoch 0, and all that comes after agrees with it."""
    later = {"description": 0, "terminal": 2, "anchor": 2}
    later |= {"terminal certificate's statement": 1, "certificate's statement": 1}
    return item(later[layer], lambda own: own + (own > 0))(value) if layer in later else value


def _votes(layer: str, value: Any) -> Any:
    """One vote key has two seats, and nobody signs from the second."""
    if layer == "description":
        return item(1, lambda m: (m[0], (m[1][0], m[0][1]), *m[2:]))(value)
    return (0, 2, 3) if layer.endswith("certificate's signers") else value


def _documents(bases: dict[str, Forged]) -> Iterator[Case]:
    base = "plain of 1"
    document = json.loads(bases[base].text)
    pin = bases[base].pin
    for name, changes in DOCUMENT.items():
        yield Case(name, base, _written({**document, **changes}, pin), "forged")
    for name, (field, turn) in FIELDS.items():
        yield Case(name, base, _written({**document, field: turn(document[field])}, pin), "forged")
    for field in document:
        less = {key: value for key, value in document.items() if key != field}
        yield Case(f"without {field}", base, _written(less, pin), "forged")
    for version in (0, 3, 2**31, 2**63):
        later = _written({**document, "version": version}, pin)
        yield Case(f"of version {version}", base, later, "cannot check")
    epochs = json.loads(bases["epochs of 4"].text)
    for name, changes in LATE.items():
        made = _written({**epochs, **changes}, bases["epochs of 4"].pin)
        yield Case(name, "epochs of 4", made, "forged")


def _texts(bases: dict[str, Forged]) -> Iterator[Case]:
    base = "plain of 1"
    text, pin = bases[base].text, bases[base].pin
    compact = json.dumps(json.loads(text), separators=(",", ":")).encode()
    escaped = text.replace(b'"height"', b'"\\u0068eight"')
    deep = text.rstrip()[:-1] + b', "x": ' + b"[" * 40 + b"]" * 40 + b"}"
    for name, changed, verdict in (
        ("text: without blanks", compact, "valid"),
        ("text: blanks around it", b" \r\n\t" + text + b"\n\n", "valid"),
        ("text: a name written with an escape", escaped, "valid"),
        ("text: minus zero", text.replace(b'"code": 0', b'"code": -0'), "valid"),
        ("text: empty", b"", "incomplete"),
        ("text: cut in the middle", text[: len(text) // 2], "incomplete"),
        ("text: the last brace is missing", text.rstrip()[:-1], "incomplete"),
        ("text: cut after a comma", text[: text.index(b",") + 1], "incomplete"),
        ("text: cut in a word", text[: text.index(b'"anchor"')] + b'"x": tru', "forged"),
        ("text: a field twice", text.rstrip()[:-1] + b', "height": 1}', "forged"),
        ("text: a field twice, the first one right", _first_twice(text), "forged"),
        ("text: something follows", text + b"{}", "forged"),
        ("text: a byte order mark", b"\xef\xbb\xbf" + text, "forged"),
        ("text: UTF-16", text.decode().encode("utf-16"), "forged"),
        ("text: not UTF-8", text.replace(b'"status"', b'"\xff"'), "forged"),
        ("text: a control character", text.replace(b"executed", b"execu\x01ed"), "forged"),
        ("text: a comma too much", text.rstrip()[:-1] + b",}", "forged"),
        ("text: a comment", b"/**/" + text, "forged"),
        ("text: a list", b"[" + text + b"]", "forged"),
        ("text: null", b"null", "forged"),
        ("text: one with an exponent", text.replace(b'"height": 1', b'"height": 1e0'), "forged"),
        ("text: one with a fraction", text.replace(b'"height": 1', b'"height": 1.0'), "forged"),
        ("text: no number", text.replace(b'"height": 1', b'"height": NaN'), "forged"),
        (
            "text: a number of 25 digits",
            text.replace(b'"version": 1', b'"version": ' + b"9" * 25),
            "forged",
        ),
        ("text: nested deep", deep, "forged"),
        ("text: only brackets", b"[" * 100_000, "forged"),
    ):
        yield Case(name, base, Forged(changed, pin), verdict)


def _pins(bases: dict[str, Forged]) -> Iterator[Case]:
    base = "plain of 1"
    text, pin = bases[base].text, bases[base].pin
    other = pin[:-2] + ("a" if pin[-2] != "a" else "b") + pin[-1]
    last = pin[:-1] + ("b" if pin[-1] != "b" else "c")
    for name, given, verdict in (
        ("pin: of another service", bases["plain of 4"].pin, "forged"),
        ("pin: one character is another", other, "forged"),
        ("pin: none", "", "cannot check"),
        ("pin: nonsense", "sr1-nonsense", "cannot check"),
        ("pin: cut", pin[:-1], "cannot check"),
        ("pin: a character too much", pin + "a", "cannot check"),
        ("pin: capital letters", pin.upper(), "cannot check"),
        ("pin: a line end", pin + "\n", "cannot check"),
        ("pin: its spare bits", last, "cannot check"),
        ("pin: without its beginning", pin[4:], "cannot check"),
    ):
        yield Case(name, base, Forged(text, given), verdict)
    yield Case("pin: nonsense, of no receipt", base, Forged(b"{}", "sr1-nonsense"), "forged")


def _of_receipt_tests() -> Iterator[Case]:
    """What the tests of the verifier itself forge, of receipts that real enclaves made."""
    chain, late = _late()
    whole, through = _text(RECEIPT), _text(late)
    yield Case("genuine: by enclaves", "by enclaves", Forged(whole, PIN), "valid")
    yield Case("genuine: through two epochs", "two epochs", Forged(through, PIN), "valid")
    for field, values in CHANGES.items():
        for number, value in enumerate(values):
            forged = Forged(_text(replace(RECEIPT, **{field: value})), PIN)
            yield Case(f"by enclaves: {field}, change {number}", "by enclaves", forged, "forged")
    for name, entries in _forged_entries(chain).items():
        forged = Forged(_text(replace(late, epochs=entries)), PIN)
        yield Case(f"two epochs: {name}", "two epochs", forged, "forged")
    world = living()
    world.recover()
    world.pay(world.session("alice"), 1)
    world.commit()
    height = max(one.height for one in map(Outcome.decode, world.outcomes) if one.count)
    recovered = Forged(_text(receipt_of(world, height)), world.cluster.verified.pin)
    yield Case("genuine: after a recovery", "after a recovery", recovered, "valid")


def _text(receipt: Receipt) -> bytes:
    return json.dumps(receipt.to_json(), indent=1).encode()


def _first_twice(text: bytes) -> bytes:
    return text.replace(b'"height": 1,', b'"height": 1, "height": 9,')


def _written(document: dict[str, Any], pin: str) -> Forged:
    return Forged(json.dumps(document, indent=1).encode(), pin)


def _packed(data: bytes) -> str:
    return b64encode(data).decode()


def _long(text: str, number: int) -> str:
    return _packed(long_form_at(codec.decode(b64decode(text)), number))


def _spare(text: str) -> str:
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bare = text.rstrip("=")
    return bare[:-1] + digits[digits.index(bare[-1]) | 1] + text[len(bare) :]
