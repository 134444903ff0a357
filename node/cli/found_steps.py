"""What `strongroom found accept | make | confirm | seal` do: the steps that sign something.

Owns their words; what is done with the enclave is in node/membership/ceremony_steps.py and
ceremony_sealing.py; options: found.py.
"""

from pathlib import Path

from strongroom.enclave.proofs.genesis import chain_of
from strongroom.node.cli import found_tables
from strongroom.node.cli.found_given import (
    Given,
    now_ms,
    party_of,
    write_file,
)
from strongroom.node.cluster.publishing import finish_founding
from strongroom.node.membership import ceremony_steps as steps
from strongroom.node.membership.ceremony_answers import Acceptance, Confirmation, FoundingFile
from strongroom.node.membership.ceremony_cards import Card
from strongroom.node.membership.ceremony_proposal import judge_proposal
from strongroom.node.membership.ceremony_terms import Proposal
from strongroom.node.terminal.commands import run
from strongroom.node.terminal.printing import emit, say


def accept(
    files: list[Path], output: Path, directory: Path, node: str | None, instead: bool, as_json: bool
) -> None:
    """The command of this name in found.py."""
    given, party = Given.read(files), party_of(directory, node)
    proposal, received = given.one(Proposal), given.of(Card)
    done = run(steps.accept(party, proposal, received, now_ms=now_ms(), instead=instead))
    write_file(output, done)
    one = Acceptance.decode(done)
    _emit_step(output, one, as_json, f"accepted proposal {one.proposal.hex()}")


def make(files: list[Path], output: Path, directory: Path, node: str | None, as_json: bool) -> None:
    """The command of this name in found.py."""
    given, party = Given.read(files), party_of(directory, node)
    proposal, acceptances = given.one(Proposal), given.of(Acceptance)
    done = run(steps.make_founding(party, proposal, acceptances, now_ms=now_ms()))
    write_file(output, done)
    one = FoundingFile.decode(done)
    _emit_step(output, one, as_json, f"made the genesis of chain {one.chain.hex()}")


def confirm(
    files: list[Path], output: Path, directory: Path, node: str | None, as_json: bool
) -> None:
    """The command of this name in found.py."""
    given, party = Given.read(files), party_of(directory, node)
    proposal, founding = given.one(Proposal), given.one(FoundingFile)
    acceptances = given.of(Acceptance)
    done = run(steps.confirm(party, proposal, acceptances, founding, now_ms=now_ms()))
    write_file(output, done)
    one = Confirmation.decode(done)
    _emit_step(output, one, as_json, f"confirmed chain {one.chain.hex()}")


def seal(files: list[Path], directory: Path, node: str | None, as_json: bool) -> None:
    """The command of this name in found.py."""
    given, party = Given.read(files), party_of(directory, node)
    proposal, founding = given.one(Proposal), given.one(FoundingFile)
    pin = finish_founding(party, proposal, founding, given.of(Confirmation))
    config = party.layout.config
    document = {"service": pin, "chain": chain_of(pin).hex(), "config": str(config)}

    others = ", ".join(judge_proposal(proposal).cards)

    def human() -> None:
        say(f"pin {pin}")
        say(f"it is the same at {others}: ask them, not this file")
        say(f"then: strongroom node run --config {config} --check")

    emit(document, as_json, human)


def _emit_step(
    output: Path, one: Acceptance | FoundingFile | Confirmation, as_json: bool, words: str
) -> None:
    document = {"file": str(output), **found_tables.file_document(one)}

    def human() -> None:
        say(f"{one.operator} {words}")
        say(f"{output} goes to all the others")

    emit(document, as_json, human)
