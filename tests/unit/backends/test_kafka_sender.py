from __future__ import annotations

import asyncio
from collections import deque

import pytest
from aiokafka.errors import KafkaError, NotLeaderForPartitionError

from siddes_telemetry.backends.kafka.produce_request import MAX_REQUEST_BYTES
from siddes_telemetry.backends.kafka.sender import NOT_ANSWERED, Batches, Codes, Sender


class Broker:
    """Answers when it is told to, in the order in which it was asked: each partition's code is its number."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.leads_all_but: int | None = None
        self._unanswered: deque[tuple[Batches, asyncio.Future[Codes]]] = deque()

    async def ask(self, batches: Batches) -> Codes:
        self.asked.append(list(batches))
        answer: asyncio.Future[Codes] = asyncio.get_running_loop().create_future()
        self._unanswered.append((batches, answer))
        return await answer

    async def answer(self, *, without: int | None = None) -> None:
        batches, answer = self._unanswered.popleft()
        if not answer.done():  # else the request was given up here, and not there
            answer.set_result({each: each for each in batches if each != without})
        await turns()

    async def fail(self, error: Exception) -> None:
        self._unanswered.popleft()[1].set_exception(error)
        await turns()


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def sender(broker: Broker) -> Sender:
    return Sender(broker.ask, lambda partition: partition != broker.leads_all_but)


async def turns() -> None:
    """Of the loop, as many as an answer takes to its waiter and to the next request."""
    for _ in range(5):
        await asyncio.sleep(0)


async def sent(sender: Sender, *partitions: int, batch: bytes = b"batch") -> list[asyncio.Task[int]]:
    tasks = [asyncio.ensure_future(sender.send(partition, batch)) for partition in partitions]
    await turns()
    return tasks


async def test_what_comes_while_two_requests_are_under_way_shares_the_next_one(broker: Broker, sender: Sender) -> None:
    tasks = await sent(sender, 3, 1, 2, 5)
    assert broker.asked == [[3], [1]]
    await broker.answer()
    assert broker.asked == [[3], [1], [2, 5]]
    tasks += await sent(sender, 3)
    assert len(broker.asked) == 3
    await broker.answer()
    assert broker.asked[3] == [3]
    await broker.answer()
    await broker.answer()
    assert [each.result() for each in tasks] == [3, 1, 2, 5, 3]
    await sent(sender, 7, 8)
    assert broker.asked[4:] == [[7], [8]]  # nothing holds them back


async def test_a_request_is_no_larger_than_allowed_but_for_a_batch_alone(broker: Broker, sender: Sender) -> None:
    tasks = await sent(sender, 0, 1)
    tasks += await sent(sender, 2, 3, 4, batch=bytes(MAX_REQUEST_BYTES // 2))
    tasks += await sent(sender, 5, batch=bytes(MAX_REQUEST_BYTES + 1))
    tasks += await sent(sender, 6)
    for _ in range(6):
        await broker.answer()
    assert broker.asked == [[0], [1], [2, 3], [4], [5], [6]]
    assert [each.result() for each in tasks] == list(range(7))


async def test_a_request_that_fails_is_told_to_all_in_it_and_the_next_one_goes(broker: Broker, sender: Sender) -> None:
    tasks = await sent(sender, 0, 1, 2, 3)
    await broker.answer()
    tasks += await sent(sender, 4)
    await broker.fail(OSError("alone"))
    await broker.fail(OSError("joined"))
    await broker.answer()
    said = [each.exception() or each.result() for each in tasks]
    assert [str(each) for each in said] == ["0", "alone", "joined", "joined", "4"]


async def test_who_stops_waiting_does_not_hold_up_the_rest(broker: Broker, sender: Sender) -> None:
    first, second, third, fourth, fifth = await sent(sender, 0, 1, 2, 3, 4)
    third.cancel()
    first.cancel()  # under way: the broker has it, and its answer is nobody's
    await turns()
    assert broker.asked == [[0], [1], [3, 4]]
    fourth.cancel()
    await turns()
    for _ in range(3):
        await broker.answer()
    assert (second.result(), fifth.result()) == (1, 4)
    assert all(each.cancelled() for each in (first, third, fourth))
    (last,) = await sent(sender, 5)
    await broker.answer()
    assert last.result() == 5


async def test_what_has_another_leader_by_the_time_it_is_its_turn_is_not_sent(broker: Broker, sender: Sender) -> None:
    tasks = await sent(sender, 0, 1, 2, 3, 4)
    broker.leads_all_but = 3
    for _ in range(3):
        await broker.answer()
    assert broker.asked == [[0], [1], [2, 4]]
    assert [each.result() for each in tasks] == [0, 1, 2, NotLeaderForPartitionError.errno, 4]


async def test_close_gives_up_what_is_sent_for_those_who_waited(broker: Broker, sender: Sender) -> None:
    *first, third, fourth = await sent(sender, 0, 1, 2, 3)
    await broker.answer()
    third.cancel()  # of those who waited for this request, one is left
    await sent(sender, 4)
    await sender.close()
    await turns()
    assert isinstance(fourth.exception(), KafkaError)
    assert not sender._shared
    assert [each.done() for each in first] == [True, False]


async def test_what_an_answer_leaves_out_is_not_answered(broker: Broker, sender: Sender) -> None:
    alone, _, joined, left_out = await sent(sender, 0, 1, 2, 3)
    await broker.answer(without=0)
    await broker.answer()
    await broker.answer(without=3)
    assert [each.result() for each in (alone, joined, left_out)] == [NOT_ANSWERED, 2, NOT_ANSWERED]
    assert not sender._shared
