"""Which Python runs, and whether it was built with profile-guided optimisation (PGO), which makes
it about a fifth faster.

Owns that judgement, for the bench and for scripts/setup. Setup runs this file by every interpreter
that it finds, before anything is installed: it needs the standard library alone.
"""

import os
import platform
import shlex
import sys
import sysconfig
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

OLDEST = (3, 11)
_DEBIAN_GUIDED = frozenset(
    ("x86_64", "i386", "aarch64", "arm", "powerpc", "powerpc64", "powerpc64le", "s390x")
)
"""Processors for which debian/rules of python3.11 has `with_pgo := yes`, as MULTIARCH has them."""


def profile_guided(variables: Mapping[str, Any]) -> bool:
    """Was an interpreter built by a profile?

    Three signs. A configure with `--enable-optimizations` (python.org, Docker, Fedora, conda, uv;
    pyenv only when it is asked for). The compiler's option among those that are recorded. Debian
    and Ubuntu show neither: they run `make profile-opt` and then take the option out of all that
    is recorded (`sysconfig_substflags` in debian/rules), also out of PGO_PROF_USE_FLAG, which
    every other build has beside PGO_PROF_GEN_FLAG.

    Args:
        variables: as `sysconfig.get_config_vars()`.

    Returns:
        False also for a build that shows no sign, as one by hand with `make profile-opt`.
    """

    def text(name: str) -> str:
        return str(variables.get(name) or "")

    if {"--enable-optimizations", "--enable-optimizations=yes"} & set(
        shlex.split(text("CONFIG_ARGS"))
    ):
        return True
    recorded = " ".join(text(name) for name in ("PY_CORE_CFLAGS", "PY_CFLAGS_NODIST", "CFLAGS"))
    if "-fprofile-use" in recorded or "-fprofile-instr-use" in recorded:
        return True
    taken_out = bool(text("PGO_PROF_GEN_FLAG")) and not text("PGO_PROF_USE_FLAG").strip()
    return taken_out and text("MULTIARCH").partition("-")[0] in _DEBIAN_GUIDED


def makes_environments() -> bool:
    """Can it make a virtual environment with pip? Debian ships ensurepip apart; then its own pip
    does."""
    return find_spec("venv") is not None and any(map(find_spec, ("ensurepip", "pip")))


def interpreter() -> dict[str, Any]:
    """The one that runs this, for documents: `name` and version, and whether it is
    `profile_guided`."""
    return {
        "name": f"{platform.python_implementation()} {platform.python_version()}",
        "profile_guided": profile_guided(sysconfig.get_config_vars()),
    }


def in_words(found: Mapping[str, Any]) -> str:
    """What `interpreter` found, for people."""
    return f"{found['name']} built with{'' if found['profile_guided'] else 'out'} PGO"


def main() -> None:
    """For scripts/setup: one line `MINOR guided|plain PATH`, if it can make our environment.

    In a virtual environment the interpreter below it answers, for the environment may be gone
    tomorrow.
    """
    base = getattr(sys, "_base_executable", None) or sys.executable
    if sys.prefix != sys.base_prefix and base != sys.executable:
        os.execv(base, [base, "-I", __file__])  # noqa: S606 - no shell is wanted
    if sys.version_info < OLDEST or not makes_environments():
        sys.exit(1)
    guided = "guided" if interpreter()["profile_guided"] else "plain"
    sys.stdout.write(f"{sys.version_info[1]} {guided} {os.path.realpath(base)}\n")


if __name__ == "__main__":
    main()
