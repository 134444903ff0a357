"""`strongroom found accept | make | confirm | seal`: the steps that sign something.

Owns options and words of these commands; what is done with the enclave is in
node/membership/ceremony_steps.py and ceremony_sealing.py.
"""

from pathlib import Path
from typing import Annotated

import typer

from strongroom.enclave.proofs.genesis import chain_of
from strongroom.node.cli import found_tables
from strongroom.node.cli.common import DEFAULT_DIR, DirectoryOption
from strongroom.node.cli.found import found_app
from strongroom.node.cli.found_given import (
    FilesArgument,
    Given,
    NodeOption,
    OutputOption,
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
from strongroom.node.terminal.commands import JsonOption, guarded, run
from strongroom.node.terminal.printing import emit, say


@found_app.command()
@guarded
def accept(
    files: FilesArgument,
    output: OutputOption,
    directory: DirectoryOption = DEFAULT_DIR,
    node: NodeOption = None,
    instead: Annotated[
        bool,
        typer.Option("--instead", help="Give up another proposal that was accepted, for good."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Have this node's enclave answer a proposal, once every card in it is the one that its
    organisation gave you itself; sign that.

    Example: strongroom found accept clearing.proposal bank2.card bank3.card bank4.card --dir bank1
    -o bank1.acceptance
    """
    given, party = Given.read(files), party_of(directory, node)
    proposal, received = given.one(Proposal), given.of(Card)
    done = run(steps.accept(party, proposal, received, now_ms=now_ms(), instead=instead))
    write_file(output, done)
    one = Acceptance.decode(done)
    _emit_step(output, one, as_json, f"accepted proposal {one.proposal.hex()}")


@found_app.command()
@guarded
def make(
    files: FilesArgument,
    output: OutputOption,
    directory: DirectoryOption = DEFAULT_DIR,
    node: NodeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the genesis of all acceptances: one organisation alone, whose enclave has the lowest
    key; the others are told which.

    Example: strongroom found make clearing.proposal bank?.acceptance --dir bank1 -o
    clearing.founding
    """
    given, party = Given.read(files), party_of(directory, node)
    proposal, acceptances = given.one(Proposal), given.of(Acceptance)
    done = run(steps.make_founding(party, proposal, acceptances, now_ms=now_ms()))
    write_file(output, done)
    one = FoundingFile.decode(done)
    _emit_step(output, one, as_json, f"made the genesis of chain {one.chain.hex()}")


@found_app.command()
@guarded
def confirm(
    files: FilesArgument,
    output: OutputOption,
    directory: DirectoryOption = DEFAULT_DIR,
    node: NodeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the genesis against your own copies of all acceptances, have the enclave take its
    secret, and sign that you begin with this one.

    Example: strongroom found confirm clearing.proposal bank?.acceptance clearing.founding --dir
    bank1 -o bank1.confirmation
    """
    given, party = Given.read(files), party_of(directory, node)
    proposal, founding = given.one(Proposal), given.one(FoundingFile)
    acceptances = given.of(Acceptance)
    done = run(steps.confirm(party, proposal, acceptances, founding, now_ms=now_ms()))
    write_file(output, done)
    one = Confirmation.decode(done)
    _emit_step(output, one, as_json, f"confirmed chain {one.chain.hex()}")


@found_app.command()
@guarded
def seal(
    files: FilesArgument,
    directory: DirectoryOption = DEFAULT_DIR,
    node: NodeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Finish, once everybody confirmed the same genesis: write genesis, keys and service.json, and
    print the pin. Compare it with the others' by telephone.

    Example: strongroom found seal clearing.proposal clearing.founding bank?.confirmation --dir
    bank1
    """
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
