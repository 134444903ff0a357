"""The foreman of a crew: spreads parts of the rows over its members, has tasks computed, and
notices who is gone (ROOMS §8).

Owns the graph: `local` where a part lies, `pick` of what goes to a bucket, `final` where the bucket
is. Rows stay at members; what comes back is what they made of a release. Data of a member that is
gone are not made again here: MemberLost says so, and whoever has the rows gives them again.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from itertools import count
from typing import Any, TypeVar

from strongroom.consensus.errors import PeerFault
from strongroom.enclave.room.crew import tasks
from strongroom.enclave.room.crew.comm import SCHEME, address
from strongroom.enclave.room.crew.configured import Client, Future
from strongroom.enclave.room.crew.quiet import Scheduler
from strongroom.enclave.room.crew.tasks import BUCKETS_MAX, FAILED

T = TypeVar("T")
FOREMAN = 0
"""Its number; members are 1 and so on."""
Task = tuple[Any, ...]
"""One of tasks.TASKS, and its first arguments."""
JOIN_SECONDS = 3600
"""The room's deadline comes first."""


class TaskFailed(Exception):
    """A task of a crew has no result. Never leaves the bench."""


class MemberLost(PeerFault):
    """A member is gone, and what it had.

    Attributes:
        member: its number.
    """

    def __init__(self, member: int) -> None:
        super().__init__(f"member {member} of the crew is gone")
        self.member = member


def make_scheduler() -> Scheduler:
    """Before the walls rise: it looks at this machine when it is made."""
    return Scheduler(protocol=SCHEME, dashboard=False, extensions={})


class Foreman:
    """One crew at work."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.members: list[int] = []
        """Those that are there."""
        self._client: Client | None = None
        self._lost: list[int] = []
        self._loss = asyncio.Event()
        self._next = count()

    async def start(self) -> None:
        """Wait until every member has joined that is not gone before.

        Raises:
            MemberLost: all are.
        """
        await self._scheduler
        self._client = await Client(
            self._scheduler.address,
            asynchronous=True,
            set_as_default=False,
            timeout=JOIN_SECONDS,
            heartbeat_interval=JOIN_SECONDS * 1000,
        )
        while True:
            try:
                await self._unless_lost(self._client.wait_for_workers(len(self.members)))
                return
            except MemberLost:
                self.forgive()

    def gone(self, member: int) -> None:
        """A member is gone: whatever is under way fails."""
        if member in self.members:
            self.members.remove(member)
            self._lost.append(member)
            self._loss.set()

    def forgive(self) -> None:
        """Go on with those that are left.

        Raises:
            MemberLost: nobody is.
        """
        if not self.members:
            raise MemberLost(self._lost[-1])
        self._lost.clear()
        self._loss.clear()

    async def spread(self, part: bytes) -> Future:
        """Give a part to the next member, who holds it.

        Raises:
            MemberLost: one is gone.
        """
        if not self.members:
            raise MemberLost(self._lost[-1])
        number = next(self._next)
        member = address(self.members[number % len(self.members)])
        made = self._at_work.scatter(
            {f"part-{number}": part}, workers=[member], direct=True, hash=False
        )
        return (await self._unless_lost(made))[f"part-{number}"]

    async def compute(
        self, locals_: Sequence[Task], final: Task, *, exchanged: bool = True
    ) -> list[bytes]:
        """What each bucket made of what came to it, in the order of the buckets.

        Args:
            locals_: of each part, in the order of the rows; the count of buckets is added to its
                arguments.
            final: the pieces of its bucket are added to its arguments.
            exchanged: by some columns; else all goes to one bucket.

        Raises:
            MemberLost: one is gone.
            TaskFailed: a task has no result. Why, nobody is told.
        """
        run = next(self._next)
        buckets = min(len(self.members), BUCKETS_MAX) if exchanged else 1
        made = [
            self._submit(one, f"local-{run}-{index}", buckets) for index, one in enumerate(locals_)
        ]
        finals = []
        for bucket in range(buckets):
            pieces = [
                self._submit((tasks.pick, one), f"pick-{one.key}-{bucket}", bucket) for one in made
            ]
            where = address(self.members[bucket])  # else all would be where most pieces are
            finals.append(self._submit(final, f"final-{run}-{bucket}", *pieces, where=where))
            del pieces
        del made
        found = await self._unless_lost(self._at_work.gather(finals, direct=True))
        if not all(type(one) is bytes and one != FAILED for one in found):
            raise TaskFailed
        return list(found)

    def _submit(self, task: Task, key: str, *more: Any, where: str = "") -> Future:
        function, *arguments = task
        return self._at_work.submit(
            function, *arguments, *more, key=key, pure=False, workers=[where] if where else None
        )

    async def close(self) -> None:
        """Let the members go."""
        if self._client is not None:
            await self._client.close()
        await self._scheduler.close()

    @property
    def _at_work(self) -> Client:
        if self._client is None:
            raise AssertionError("a crew that has not started")
        return self._client

    async def _unless_lost(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of it, unless a member is gone first."""
        task = asyncio.ensure_future(work)
        loss = asyncio.ensure_future(self._loss.wait())
        try:
            await asyncio.wait({task, loss}, return_when=asyncio.FIRST_COMPLETED)
            if self._loss.is_set():
                raise MemberLost(self._lost[-1])
            return task.result()
        finally:
            for one in (task, loss):
                one.cancel()
            await asyncio.gather(task, loss, return_exceptions=True)
