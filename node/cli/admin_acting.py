"""How a command of `admin` says something on the ledger: signed, ordered, proven, its fate told."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strongroom.node.cli.common import ask_passphrase
from strongroom.node.cli.fate import Fate, fate_told, show_settled
from strongroom.node.client.errors import ProgramFailed
from strongroom.node.terminal.commands import fail, run_submission
from strongroom.node.terminal.exits import ExitCode
from strongroom.node.terminal.printing import note, say

if TYPE_CHECKING:
    from strongroom.enclave.governance.document import Document
    from strongroom.enclave.governance.grant_document import GrantEntry

NEXT = {
    "unknown-operator": (
        "strongroom gov propose set_affiliation key=NAME operator=OPERATOR --as MEMBER"
    ),
    "self-approved": "another member decides: strongroom admin list",
    "same-operator": "a member who acts for another operator decides",
    "not-approved": "see who has said what: strongroom admin list ID",
    "expired": "ask again: strongroom admin ask",
    "revoked": "ask again: strongroom admin ask",
    "twice": "one begin is one operation: ask for another grant",
    "not-in-grant": "see what it is for: strongroom admin list ID",
    "wrong-region": "see where people must be: strongroom admin list",
    "review-due": "members review it: strongroom admin list, then admin review ID",
    "full": "finish what was begun, and let old asks pass: strongroom admin list",
}
"""What to do about a refusal, by its ground."""


class Speaker:
    """One command's word on the ledger."""

    def __init__(self, directory: Path, name: str, timeout: float, as_json: bool) -> None:
        self._directory, self._name, self._timeout = directory, name, timeout
        self._as_json = as_json
        self._fate = Fate(name, ask_later="strongroom explorer tx {id}")

    def said(self, action: str, fields: "Callable[[Document], tuple[Any, ...]]") -> dict[str, Any]:
        """Say it; {id, height, index, ok, value}.

        Raises:
            typer.Exit: it was refused (status 1), or its fate is open.
        """
        with fate_told(self._fate, self._as_json):
            try:
                return run_submission(self._say(action, fields))
            except ProgramFailed as fault:
                self._refused(fault)
        raise AssertionError("fate_told ends the command")

    def show(self, text: str) -> None:
        """The answer, for people or as JSON."""
        show_settled(self._fate, self._as_json, lambda: say(text))

    def settle(self, more: dict[str, Any]) -> None:
        """Facts beside the answer."""
        self._fate.settled({**(self._fate.document or {}), **more})

    def _refused(self, fault: ProgramFailed) -> None:
        id = None if fault.id is None else fault.id.hex()
        error = {"code": fault.code, "message": fault.message, "next": NEXT.get(fault.code)}
        place = {"id": id, "height": fault.height, "index": fault.index}
        self._fate.settled({**place, "ok": False, "error": error}, ExitCode.NO)
        if self._as_json:
            show_settled(self._fate, self._as_json, None)
        step = NEXT.get(fault.code)
        fail(str(fault) + (f"; {step}" if step else ""), ExitCode.NO)

    async def _say(
        self, action: str, fields: "Callable[[Document], tuple[Any, ...]]"
    ) -> dict[str, Any]:
        from strongroom.node.client.audit.reader import Reader
        from strongroom.node.client.governing import Member, read_public_state
        from strongroom.node.client.trust.service import load_service

        service = load_service(self._directory)
        identity = service.keys.load(self._name, ask_passphrase)
        async with Reader(service) as reader:
            speaking = Member(
                reader,
                identity,
                timeout=self._timeout,
                on_sealed=self._fate.sealed,
                on_waiting=note,
            )
            said = await speaking.act(action, fields(await read_public_state(reader)))
        value = list(said.value) if isinstance(said.value, tuple) else said.value
        place = {"id": said.id.hex(), "height": said.height, "index": said.index}
        self._fate.settled({**place, "ok": True, "value": value})
        return self._fate.document or {}


async def read_state(directory: Path) -> "Document":
    """Governance as one node tells it."""
    from strongroom.node.client.audit.reader import Reader
    from strongroom.node.client.governing import read_public_state
    from strongroom.node.client.trust.service import load_service

    async with Reader(load_service(directory)) as reader:
        return await read_public_state(reader)


async def decided(directory: Path, id: str, seconds: float) -> "GrantEntry":
    """A grant once it is decided."""
    from strongroom.node.client.access import wait_decided
    from strongroom.node.client.audit.reader import Reader
    from strongroom.node.client.trust.service import load_service

    async with Reader(load_service(directory)) as reader:
        return await wait_decided(reader, id, seconds)
