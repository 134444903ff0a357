"""Tells of epochs that never were: other sets, other keys, ends that nobody finalised (T33)."""

from dataclasses import replace

from tests.simulation.actors.actor import ActorEvent, Send
from tests.simulation.actors.puppet import Puppet

from strongroom.consensus.blocks import Header
from strongroom.consensus.epochs import EpochEntry
from strongroom.consensus.host_messages import EpochMessage
from strongroom.consensus.messages import Status
from strongroom.consensus.replica.events import Now
from strongroom.consensus.statements import Certificate, Kind, Statement
from strongroom.consensus.types import Digest, Epoch, Height, SignerIndex, View


class EpochForger(Puppet):
    """Claims to be epochs ahead in every STATUS; answers with forged entries, and pushes them
    unasked."""

    def twist(self, sends: list[Send], event: ActorEvent, now: Now) -> list[Send]:
        """Break every EPOCH, and put one beside every STATUS."""
        out: list[Send] = []
        for send in sends:
            match send.message:
                case Status(body, _):
                    claim = replace(
                        body, epoch=Epoch(body.epoch + 3), height=Height(body.height + 1000)
                    )
                    signature = self.role.node_key.sign(claim.signed_bytes(self.role.chain))
                    out.append(Send(send.to, Status(claim, signature)))
                    out.append(Send(send.to, EpochMessage((self._invented(),))))
                case EpochMessage(entries):
                    out.append(
                        Send(send.to, EpochMessage(tuple(self._broken(entry) for entry in entries)))
                    )
                case _:
                    out.append(send)
        return out

    def _broken(self, entry: EpochEntry) -> EpochEntry:
        """A true entry, told a little differently."""
        description = entry.description
        match self.role.random.randrange(4):
            case 0:
                return replace(entry, public_key=bytes(len(entry.public_key)))
            case 1:
                return replace(
                    entry, description=replace(description, validators=description.validators[:1])
                )
            case 2:
                return replace(entry, certificate=self._by_itself(entry.header, entry.header.view))
            case _:
                return replace(entry, header=replace(entry.header, proposer=SignerIndex(0), cut=()))

    def _invented(self) -> EpochEntry:
        """An end of the current epoch that hands everything to a set of one."""
        members, final = self.role.members, self.inner.replica.state.final
        alone = members.validators[self.role.index]
        following = replace(members, epoch=Epoch(members.epoch + 1), validators=(alone,))
        header = replace(
            final,
            epoch=members.epoch,
            view=View(self.inner.replica.state.view),
            height=Height(final.height + 1),
            parent=final.digest,
            next_epoch=Digest(following.digest),
        )
        key = self.inner.role.realm.public_key(following.epoch)
        return EpochEntry(header, self._by_itself(header, header.view), following, key)

    def _by_itself(self, header: Header, view: View) -> Certificate:
        """A quorum of one's own signature under everybody's name."""
        members = self.role.members
        statement = Statement(Kind.FINALIZE, members.epoch, View(max(view, 1)), header.digest)
        signature = self.role.vote_key.sign(statement.signed_bytes(self.role.chain))
        signers = tuple(SignerIndex(index) for index in range(members.quorum.size))
        return Certificate(statement, signers, (signature,) * len(signers))
