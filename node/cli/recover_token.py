"""Options of `strongroom recover` for a member whose recovery key is half in a token (PKCS#11).

Owns these options, and when a PIN is asked for: once, when the first thing is to be opened. What is
done with the token: node/custodian/recovery_half.py.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strongroom.consensus.errors import ClientFault

if TYPE_CHECKING:
    from strongroom.enclave.keys.recovery import OpenInToken
    from strongroom.node.client.recovering import NewHalf
    from strongroom.node.client.recovery_keys import TokenHalf
    from strongroom.node.custodian.pin import Pin

ModuleOption = Annotated[
    Path | None,
    typer.Option(
        "--module", metavar="FILE", help="A PKCS#11 module: make half of the key in a token."
    ),
]
TokenOption = Annotated[
    str | None, typer.Option("--token", metavar="LABEL", help="The token's label; with --module.")
]
SerialOption = Annotated[
    str, typer.Option("--serial", help="Its serial number, where two have one label.")
]
VariablesOption = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME=VALUE", help="A variable that the module wants."),
]


@dataclass(frozen=True)
class TokenPin:
    """The PIN of a member's token, asked for when it is needed: `TokenPin(member, file, fd)`."""

    owner: str
    file: Path | None = field(repr=False)
    descriptor: int | None = field(repr=False)

    @cached_property
    def pin(self) -> "Pin":
        """Raises OperatorFault when it cannot be had."""
        from strongroom.node.cli.custodian_device import pin_of

        return pin_of(self.file, self.descriptor, self.owner)

    def opener(self, half: "TokenHalf") -> "OpenInToken":
        """What opens with a half in this token."""
        from strongroom.node.custodian.recovery_half import opener

        return opener(half, lambda: self.pin, self.owner)

    def maker(
        self, module: Path | None, token: str | None, serial: str, variables: list[str] | None
    ) -> "NewHalf | None":
        """What makes half of a key in a token; None: no token was named.

        Raises:
            ClientFault: half of these options.
        """
        if module is None and token is None:
            return None
        if module is None or token is None:
            raise ClientFault("--module and --token go together: which module, and which token")
        from strongroom.node.cli.custodian_device import variables_of

        path, environment = module.resolve(), variables_of(variables or [])

        async def make() -> "TokenHalf":
            from strongroom.node.custodian.recovery_half import make_half

            return await make_half(
                owner=self.owner,
                module=str(path),
                token=token,
                serial=serial,
                environment=environment,
                pin=self.pin,
            )

        return make
