"""A SoftHSM of a test's own: tokens in the test's folder. Skipped by name where it is not."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.hang import HANG_SECONDS

from strongroom.node.custodian.pin import Pin

PIN, OFFICER = "314159", "27182818"
PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
MODULE = next((place for place in PLACES if Path(place).is_file()), "")


def _missing() -> str:
    try:
        import pkcs11  # noqa: F401
    except ImportError:
        return "python-pkcs11 is not installed (extra hsm)"
    if not MODULE or shutil.which("softhsm2-util") is None:
        return "SoftHSM is not installed (Debian: apt-get install softhsm2)"
    return ""


needs_softhsm = pytest.mark.skipif(bool(_missing()), reason=_missing() or "is there")


@dataclass(frozen=True)
class SoftHsm:
    """Tokens in one folder."""

    folder: Path

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens"

    def token(self, label: str = "acme") -> str:
        """Make one; its label."""
        self._run("--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", OFFICER)
        return label

    def unplug(self) -> None:
        """The device is gone."""
        self.tokens.rename(self.folder / "away")
        self.tokens.mkdir()

    def plug(self) -> None:
        self.tokens.rmdir()
        (self.folder / "away").rename(self.tokens)

    @property
    def environment(self) -> dict[str, str]:
        """What the module reads its configuration from."""
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    def _run(self, *arguments: str) -> None:
        subprocess.run(
            ["softhsm2-util", *arguments],
            check=True,
            capture_output=True,
            timeout=HANG_SECONDS,
            env={**os.environ, **self.environment},
        )


def softhsm(folder: Path) -> SoftHsm:
    """A fresh SoftHSM without a token."""
    hsm = SoftHsm(folder)
    hsm.tokens.mkdir(parents=True)
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {hsm.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    return hsm


def pin(text: str = PIN) -> Pin:
    return Pin(text)
