"""`strongroom --help` is quick: it loads none of the groups that it names, and says what they
say."""

import subprocess
import sys

import typer
from typer.testing import CliRunner

from strongroom.node.cli.main import make_app, make_overview
from strongroom.node.cli.overview import COMMANDS, GROUPS


def test_the_overview_says_what_the_groups_themselves_say() -> None:
    real = typer.main.get_group(make_app()).commands
    assert set(real) == {*COMMANDS, *GROUPS}
    for name, words in (COMMANDS | GROUPS).items():
        assert (real[name].help or "").partition("\n\n")[0] == words
        assert isinstance(real[name], typer.core.TyperGroup) == (name in GROUPS)
    shown = CliRunner().invoke(make_overview(), ["--help"])
    assert shown.output == CliRunner().invoke(make_app(), ["--help"]).output
    assert shown.exit_code == 0


def test_help_loads_no_group() -> None:
    code = (
        "import sys; sys.argv = ['strongroom', '--help']\n"
        "from strongroom.node.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = [one for one in sys.modules if one.startswith('strongroom.enclave')]\n"
        "assert not heavy and 'cryptography' not in sys.modules, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "recover" in done.stdout
