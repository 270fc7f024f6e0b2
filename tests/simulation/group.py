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
    """A refusal by its code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class State(Enum):
    EMPTY = auto()
    PREPARING = auto()  # members join anew
    COMPLETING = auto()  # the leader works out the assignment
    STABLE = auto()


@dataclass(frozen=True, slots=True)
class Client:
    """A member's driver, as the group sees it: whether it is heard as this member, and how it is told a verdict."""

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
    """One group. `partitions`: how many there are now; `reachable`: whether its broker is up."""

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

    # --- what members ask ---

    def join(self, member_id: str) -> asyncio.Future[int]:
        """The generation, once all have joined. A new member is given its id by `name_for` before."""
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
        """A new member's id; it is a member from now on (and is put out if it does not go on to join)."""
        member = Member(f"{client.name}-{next(self._ids)}", client)
        self._members[member.id] = member
        self.silence(member.id)
        return member.id

    def sync(self, member_id: str, generation: int) -> asyncio.Future[list[int]]:
        """The partitions, once the leader has shared them out."""
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
        """Whether a commit passes. Not asked: who owns the partition."""
        if generation < 0 and self.state is State.EMPTY:
            return NO_ERROR
        try:
            self._check(member_id, generation)
        except GroupError as error:
            return error.code
        return REBALANCING if self.state is State.COMPLETING else NO_ERROR

    # --- what happens to it ---

    def rebalance(self) -> None:
        """A member asked for one: the topic has more partitions, or another assignment is wanted."""
        if self._members and self.state is not State.PREPARING:
            self._prepare()

    def silence(self, member_id: str) -> None:
        """A member is not heard any more, or may not be: in a session's time it is put out if it is still not."""

        def expire() -> None:
            member = self._members.get(member_id)
            if member is None or member.client.audible_as(member_id):
                return
            if not self._reachable():
                self.silence(member_id)  # a broker that comes back gives each member its time anew
                return
            self._faults.counts["member put out"] += 1
            self._put_out(member_id)

        asyncio.get_running_loop().call_later(SESSION_S, expire, context=SERVER)

    def silence_of(self, name: str) -> None:
        """The same for every member of a client's name."""
        for member in list(self._members.values()):
            if member.client.name == name:
                self.silence(member.id)

    # --- inside ---

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
        """Its next heartbeat tells it."""
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
            self.silence(member.id)  # put out if the answer is lost, or it sleeps

    def _share_out(self) -> None:
        """Each member's run of partitions, as the range assignor gives them, to those that wait."""
        names = sorted(self._members)
        base, more = divmod(self._partitions(), len(names))
        for place, name in enumerate(names):
            start = place * base + min(place, more)
            syncing = self._members[name].syncing
            if syncing is not None and not syncing.done():
                syncing.set_result(list(range(start, start + base + (place < more))))


def _drop(waiting: asyncio.Future[int] | asyncio.Future[list[int]] | None) -> None:
    """Answer it as the broker answers one that is no member any more."""
    if waiting is not None and not waiting.done():
        waiting.set_exception(GroupError(UNKNOWN_MEMBER))
