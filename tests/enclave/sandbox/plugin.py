"""A plugin for pytest (`-p tests.enclave.sandbox.plugin`): every test's body runs in a child,
behind the real walls.

What the enclave's own tests do, over hundreds of requests and errors, is then done with nothing but
what an enclave may. Tests that draw examples read files to do so, and are skipped; the fuzzing of a
walled process makes up for them.
"""

import inspect
from typing import Any

import pytest
from tests.enclave.fixtures import manufacturer
from tests.enclave.sandbox.child import behind_walls

PASSED = "passed"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    function: Any = pyfuncitem.obj
    if inspect.iscoroutinefunction(function) or hasattr(function, "hypothesis"):
        pytest.skip("needs an event loop or files to draw examples from")
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(function).parameters}
    manufacturer()  # made by threads, outside

    def act() -> str:
        function(**arguments)
        return PASSED

    ended = behind_walls(act)
    if (ended.said, ended.status) != (PASSED, 0):
        pytest.fail(
            f"behind the walls: status {ended.status}, {ended.said or 'without a word'}",
            pytrace=False,
        )
    return True
