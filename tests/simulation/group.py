"""The group coordinator of the simulated broker, by Kafka's classic protocol (its GroupCoordinator and GroupMetadata).

A rebalance waits until every member has joined anew, or puts out those that have not in time; then the generation
goes up, and the members learn their partitions. A commit is judged by member id and generation alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from itertools import count

from tests.simulation.faults import Faults
from tests.simulation.hosts import SERVER

NO_ERROR, LOADING, NOT_COORDINATOR, ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCING = 0, 14, 16, 22, 25, 27
SESSION_S = 10.0
REBALANCE_S = 30.0
HEARTBEAT_S = 1.0


class GroupError(Exception):
    """A rejected request, with its error code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class State(Enum):
    EMPTY = auto()
    PREPARING = auto()  # members rejoin
    COMPLETING = auto()  # the leader computes the assignment
    STABLE = auto()


@dataclass(frozen=True, slots=True)
class Client:
    """A member's client as the group sees it: whether its heartbeats arrive, and how it learns that one failed."""

    name: str
    audible_as: Callable[[str], bool]
    heartbeat: Callable[[], None]


@dataclass(eq=False, slots=True)
class Member:
    id: str
    client: Client
    joining: asyncio.Future[int] | None = None  # resolved with the generation
    syncing: asyncio.Future[list[int]] | None = None  # resolved with the partitions


class Group:
    """One group. `partitions` is their present number; `reachable` says whether the broker is up."""

    def __init__(self, faults: Faults, partitions: Callable[[], int], reachable: Callable[[], bool]) -> None:
        self.generation = 0
        self.state = State.EMPTY
        self._faults = faults
        self._partitions = partitions
        self._reachable = reachable
        self._members: dict[str, Member] = {}
        self._ids = count(1)

    @property
    def members(self) -> int:
        return len(self._members)

    # --- requests of members ---

    def join(self, member_id: str) -> asyncio.Future[int]:
        """The generation, once all members have joined. A new member first gets its id from `name_for`."""
        member = self._members.get(member_id)
        if member is None:
            raise GroupError(UNKNOWN_MEMBER)
        _drop(member.joining)
        member.joining = asyncio.get_running_loop().create_future()
        joined = member.joining
        if self.state is not State.PREPARING:
            self._prepare()
        self._complete_if_all_joined()
        return joined

    def name_for(self, client: Client) -> str:
        """A new member's id. It is a member from now on, and is removed if it does not join."""
        member = Member(f"{client.name}-{next(self._ids)}", client)
        self._members[member.id] = member
        self.silence(member.id)
        return member.id

    def sync(self, member_id: str, generation: int) -> asyncio.Future[list[int]]:
        """The member's partitions, once the leader has assigned them."""
        member = self._check(member_id, generation)
        if self.state is State.PREPARING:
            raise GroupError(REBALANCING)
        _drop(member.syncing)
        member.syncing = asyncio.get_running_loop().create_future()
        syncing = member.syncing
        if self.state is State.COMPLETING and member is self._leader():
            self.state = State.STABLE
        if self.state is State.STABLE:
            self._share_out()
        return syncing

    def verdict(self, member_id: str, generation: int) -> int:
        """The answer to a heartbeat."""
        try:
            self._check(member_id, generation)
        except GroupError as error:
            return error.code
        return REBALANCING if self.state is State.PREPARING else NO_ERROR

    def leave(self, member_id: str) -> None:
        if member_id in self._members:
            self._put_out(member_id)

    def commit_verdict(self, member_id: str, generation: int) -> int:
        """Whether a commit is accepted. As in Kafka, the owner of the partition is not checked."""
        if generation < 0 and self.state is State.EMPTY:
            return NO_ERROR
        try:
            self._check(member_id, generation)
        except GroupError as error:
            return error.code
        return REBALANCING if self.state is State.COMPLETING else NO_ERROR

    # --- events ---

    def rebalance(self) -> None:
        """A member requested one, for instance because the topic has more partitions."""
        if self._members and self.state is not State.PREPARING:
            self._prepare()

    def silence(self, member_id: str) -> None:
        """A member's heartbeats stop, or may stop: it is removed if there is none within the session time-out."""

        def expire() -> None:
            member = self._members.get(member_id)
            if member is None or member.client.audible_as(member_id):
                return
            if not self._reachable():
                self.silence(member_id)  # a broker that is back restarts each member's session time-out
                return
            self._faults.counts["member put out"] += 1
            self._put_out(member_id)

        asyncio.get_running_loop().call_later(SESSION_S, expire, context=SERVER)

    def silence_of(self, name: str) -> None:
        """Call `silence` for every member of this client."""
        for member in list(self._members.values()):
            if member.client.name == name:
                self.silence(member.id)

    # --- internals ---

    def _check(self, member_id: str, generation: int) -> Member:
        member = self._members.get(member_id)
        if member is None:
            raise GroupError(UNKNOWN_MEMBER)
        if generation != self.generation:
            raise GroupError(ILLEGAL_GENERATION)
        return member

    def _leader(self) -> Member:
        return next(iter(self._members.values()))

    def _put_out(self, member_id: str) -> None:
        member = self._members.pop(member_id)
        _drop(member.joining)
        _drop(member.syncing)
        self._tell(member)
        if self.state is State.PREPARING:
            self._complete_if_all_joined()
        else:
            self._prepare()

    def _prepare(self) -> None:
        self.state = State.PREPARING
        self._faults.counts["rebalance"] += 1
        for member in self._members.values():
            if member.syncing is not None and not member.syncing.done():
                member.syncing.set_exception(GroupError(REBALANCING))
            self._tell(member)
        asyncio.get_running_loop().call_later(
            REBALANCE_S, partial(self._put_out_absent, self.generation), context=SERVER
        )
        self._complete_if_all_joined()

    def _tell(self, member: Member) -> None:
        """Its next heartbeat fails with this."""
        delay_s = self._faults.rng.random() * HEARTBEAT_S
        asyncio.get_running_loop().call_later(delay_s, member.client.heartbeat, context=SERVER)

    def _put_out_absent(self, generation: int) -> None:
        if self.state is not State.PREPARING or self.generation != generation:
            return
        for member in list(self._members.values()):
            if member.joining is None or member.joining.done():
                self._faults.counts["member late for a rebalance"] += 1
                del self._members[member.id]
                self._tell(member)
        self._complete_if_all_joined()

    def _complete_if_all_joined(self) -> None:
        if self.state is not State.PREPARING:
            return
        if any(member.joining is None or member.joining.done() for member in self._members.values()):
            return
        self.generation += 1
        self.state = State.COMPLETING if self._members else State.EMPTY
        for member in self._members.values():
            assert member.joining is not None
            member.joining.set_result(self.generation)
            member.syncing = None
            self.silence(member.id)  # removed if the answer is lost or the host sleeps

    def _share_out(self) -> None:
        """Resolve the waiting SyncGroups with the range assignor's partitions."""
        names = sorted(self._members)
        base, more = divmod(self._partitions(), len(names))
        for place, name in enumerate(names):
            start = place * base + min(place, more)
            syncing = self._members[name].syncing
            if syncing is not None and not syncing.done():
                syncing.set_result(list(range(start, start + base + (place < more))))


def _drop(waiting: asyncio.Future[int] | asyncio.Future[list[int]] | None) -> None:
    """Fail its pending requests as the broker does for an unknown member."""
    if waiting is not None and not waiting.done():
        waiting.set_exception(GroupError(UNKNOWN_MEMBER))
