"""The command line as processes of its own, beside a cluster's folder."""

import os
import subprocess
import sys
from pathlib import Path

from tests.hang import HANG_SECONDS

CLI = [sys.executable, "-c", "from strongroom.node.cli.main import main; main()"]


def beside(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command, run beside `strongroom-data` as a user would."""
    return subprocess.run(
        [*CLI, *words],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "STRONGROOM_DIR"},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
