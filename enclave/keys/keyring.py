"""Which epochs' secrets are here, and what was opened for the next one (DESIGN §5; P10, T13).

Owns their keeping and their erasure. Python cannot wipe what lies on the heap: an input secret that
was forgotten here is gone for good once the process is replaced (succession of processes,
member.py).

An input secret that a disk gave back may belong to a grace that is long over. It is *in doubt*
until the ledger has decided: sealed again like any other, and of no use meanwhile.
"""

from collections.abc import Iterable

from strongroom.consensus.errors import invariant
from strongroom.consensus.types import Digest, Epoch
from strongroom.enclave.contained import KeysNeeded
from strongroom.enclave.keys.keys import EpochSecrets


class Keyring:
    """Secrets by epoch."""

    def __init__(
        self,
        secrets: Iterable[EpochSecrets] = (),
        candidates: Iterable[tuple[Digest, EpochSecrets]] = (),
    ) -> None:
        self._secrets = {one.epoch: one for one in secrets}
        self._candidates = dict(candidates)
        self._doubted: dict[Epoch, EpochSecrets] = {}
        """Whole secrets of epochs of which `_secrets` has the ledger secret alone."""
        self.forgot = False
        """An input secret was here, and may still lie on this process' heap."""

    def of(self, epoch: Epoch) -> EpochSecrets:
        """The secrets of an epoch.

        Raises:
            KeysNeeded: none are here.
        """
        found = self._secrets.get(epoch)
        if found is None:
            raise KeysNeeded(epoch)
        return found

    def opens(self, epoch: Epoch) -> bool:
        """Is the input secret of an epoch here?"""
        return epoch in self._secrets and self._secrets[epoch].opens

    def all(self) -> tuple[EpochSecrets, ...]:
        """What may be used, ascending by epoch."""
        return tuple(self._secrets[epoch] for epoch in sorted(self._secrets))

    def kept(self) -> tuple[EpochSecrets, ...]:
        """The same with what is in doubt, to be sealed."""
        whole = self._secrets | self._doubted
        return tuple(whole[epoch] for epoch in sorted(whole))

    @property
    def doubted(self) -> tuple[Epoch, ...]:
        """Epochs whose input secret is in doubt, ascending."""
        return tuple(sorted(self._doubted))

    def doubt(self, epoch: Epoch) -> None:
        """Set an input secret aside, until `trust` or `forget_input`."""
        held = self._secrets[epoch]
        if held.opens:
            self._doubted[epoch] = held
            self._secrets[epoch] = held.without_input()

    def trust(self, epoch: Epoch) -> None:
        """The ledger has shown that an input secret in doubt may be used."""
        whole = self._doubted.pop(epoch, None)
        if whole is not None:
            self._secrets[epoch] = whole

    def candidates(self) -> tuple[tuple[Digest, EpochSecrets], ...]:
        """(offer, secrets) of offers that were opened here and have not won."""
        return tuple(sorted(self._candidates.items(), key=lambda one: one[0]))

    def has_candidate(self, offer: Digest) -> bool:
        """Was this offer's wrap opened here?"""
        return offer in self._candidates

    def add_candidate(self, offer: Digest, secrets: EpochSecrets) -> None:
        """Keep what an offer's wrap held."""
        self._candidates[offer] = secrets

    def add(self, secrets: EpochSecrets) -> None:
        """Keep secrets that were given; an input secret that is here already stays."""
        held = self._secrets.get(secrets.epoch)
        if held is None or not held.opens:
            self._secrets[secrets.epoch] = secrets
            if secrets.opens:
                self._doubted.pop(secrets.epoch, None)

    def begin(self, epoch: Epoch, public_key_digest: Digest) -> None:
        """An epoch begins: the candidate that derives its key becomes its secrets, the others are
        dropped."""
        for secrets in self._candidates.values():
            if (
                secrets.epoch == epoch
                and secrets.opens
                and secrets.public_key_digest == public_key_digest
            ):
                self.add(secrets)
        self._candidates = {
            offer: one for offer, one in self._candidates.items() if one.epoch > epoch
        }

    def go_on(
        self,
        secrets: Iterable[EpochSecrets],
        candidates: Iterable[tuple[Digest, EpochSecrets]],
        doubted: Iterable[Epoch] = (),
    ) -> None:
        """Hold exactly what the predecessor of this process held at its end, with its doubts."""
        held = {one.epoch for one in self.kept() if one.opens}
        self._secrets = {one.epoch: one for one in secrets}
        self._candidates, self._doubted = dict(candidates), {}
        self.forgot |= any(not self.opens(epoch) for epoch in held)
        for epoch in doubted:
            self.doubt(epoch)

    def forget_input(self, epoch: Epoch) -> None:
        """Keep of an epoch the ledger secret alone."""
        self.forgot |= self._doubted.pop(epoch, None) is not None
        held = self._secrets.get(epoch)
        if held is not None and held.opens:
            self._secrets[epoch] = held.without_input()
            self.forgot = True
            invariant(not self._secrets[epoch].opens, "an input secret was forgotten")

    def __repr__(self) -> str:
        return f"Keyring(epochs={sorted(self._secrets)})"
