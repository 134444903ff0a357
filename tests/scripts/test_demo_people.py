"""The demo of people and their provider holds line by line; and its provider stays in the tests."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scripts.demo_people import Story
from tests.node.cli.test_people_commands import Desk, desk

from strongroom.node.terminal.teller import StoryFails, Teller

ROOT = Path(__file__).parents[2]


REFUSALS = {
    "region",
    "nonce",
    "not-newer",
    "key-unknown",
    "no-one-in-region",
    "issuer-unknown",
}


class Played(Story):
    """On a service in this process, whose one member pins what the provider publishes."""

    members = ("member0",)
    pinned_by = "vote"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.provider, desk.ca, Teller(to_stderr=True))
        self._desk = desk

    async def name_issuer(self) -> None:
        """Nobody looks."""

    async def pin(self, kid: str) -> None:
        jwks = self._desk.directory / "jwks.json"
        keys = [one.as_dict(private=False) for one in self._provider.keys if one.kid == kid]
        jwks.write_text(json.dumps({"keys": keys}))
        url = self._provider.url
        await self._decide("people", "issuer", "add-key", url, "--jwks", str(jwks))

    async def command(self, *words: str) -> tuple[int, dict[str, Any], str]:
        done = await self._desk(*words, "--json")
        return done.exit_code, json.loads(done.stdout or "{}"), done.stderr


def refusals_in(lines: list[str]) -> set[str]:
    return {line.rpartition("refused, ")[2] for line in lines if "refused, " in line}


async def test_the_story_holds_on_a_service_in_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, monkeypatch) as run:
        story = Played(run)
        await story.play()
    assert refusals_in(story.lines) == REFUSALS
    assert len(story.lines) > 25


async def test_a_line_that_does_not_hold_ends_the_story(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, monkeypatch) as run:
        story = Played(run)
        await story.choose()
        run.provider.people["alice"]["ctry"] = "US"
        with pytest.raises(StoryFails, match="she is in europe now"):
            await story.present()


@pytest.mark.long
@pytest.mark.processes
def test_the_scenario_holds_line_by_line(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "demo.py"), "--scenario", "people", "--json"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    told = subprocess.run(
        command, capture_output=True, text=True, timeout=900, env=environment, check=False
    )
    assert told.returncode == 0, told.stderr[-4000:]
    document = json.loads(told.stdout)
    assert document["ok"]
    assert len(document["lines"]) > 25
    assert refusals_in(document["lines"]) == REFUSALS
    assert list(tmp_path.iterdir()) == [], "no folder is left"


def test_no_package_of_the_product_loads_the_helpers_provider() -> None:
    loads = re.compile(r"^\s*(from|import) (tests|scripts|joserfc|authlib)\b", re.MULTILINE)
    for package in ("consensus", "enclave", "node"):
        for file in (ROOT / package).rglob("*.py"):
            assert not loads.search(file.read_text()), file
