from __future__ import annotations

import asyncio
from collections import deque

import pytest

from siddes_telemetry.backends.kafka_clients import MAX_REQUEST_BYTES
from siddes_telemetry.backends.kafka_outbox import Batches, Codes, Outbox


class Broker:
    """Answers when it is told to, in the order in which it was asked: each partition's code is its number."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
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

    async def drop(self) -> None:
        self._unanswered.popleft()[1].cancel()
        await turns()


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def outbox(broker: Broker) -> Outbox:
    return Outbox(broker.ask)


async def turns() -> None:
    """Of the loop, as many as an answer takes to its waiter and to the next request."""
    for _ in range(5):
        await asyncio.sleep(0)


async def sent(outbox: Outbox, *partitions: int, batch: bytes = b"batch") -> list[asyncio.Task[int]]:
    tasks = [asyncio.ensure_future(outbox.send(partition, batch)) for partition in partitions]
    await turns()
    return tasks


async def test_what_comes_while_two_requests_are_under_way_shares_the_next_one(broker: Broker, outbox: Outbox) -> None:
    tasks = await sent(outbox, 3, 1, 2, 5)
    assert broker.asked == [[3], [1]]
    await broker.answer()
    assert broker.asked == [[3], [1], [2, 5]]
    tasks += await sent(outbox, 3)
    assert len(broker.asked) == 3
    await broker.answer()
    assert broker.asked[3] == [3]
    await broker.answer()
    await broker.answer()
    assert [each.result() for each in tasks] == [3, 1, 2, 5, 3]
    await sent(outbox, 7, 8)
    assert broker.asked[4:] == [[7], [8]]  # nothing holds them back


async def test_a_request_is_no_larger_than_allowed_but_for_a_batch_alone(broker: Broker, outbox: Outbox) -> None:
    tasks = await sent(outbox, 0, 1)
    tasks += await sent(outbox, 2, 3, 4, batch=bytes(MAX_REQUEST_BYTES // 2))
    tasks += await sent(outbox, 5, batch=bytes(MAX_REQUEST_BYTES + 1))
    tasks += await sent(outbox, 6)
    for _ in range(6):
        await broker.answer()
    assert broker.asked == [[0], [1], [2, 3], [4], [5], [6]]
    assert [each.result() for each in tasks] == list(range(7))


async def test_a_request_that_fails_is_told_to_all_in_it_and_the_next_one_goes(broker: Broker, outbox: Outbox) -> None:
    tasks = await sent(outbox, 0, 1, 2, 3)
    await broker.answer()
    tasks += await sent(outbox, 4)
    await broker.fail(OSError("alone"))
    await broker.fail(OSError("joined"))
    await broker.answer()
    said = [each.exception() or each.result() for each in tasks]
    assert [str(each) for each in said] == ["0", "alone", "joined", "joined", "4"]


async def test_who_stops_waiting_does_not_hold_up_the_rest(broker: Broker, outbox: Outbox) -> None:
    first, second, third, fourth, fifth = await sent(outbox, 0, 1, 2, 3, 4)
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
    (last,) = await sent(outbox, 5)
    await broker.answer()
    assert last.result() == 5


async def test_a_request_that_is_cancelled_is_so_for_all_in_it(broker: Broker, outbox: Outbox) -> None:
    _, _, *joined = await sent(outbox, 0, 1, 2, 3)
    await broker.answer()
    await broker.answer()
    await broker.drop()
    assert all(each.cancelled() for each in joined)


async def test_an_answer_that_leaves_a_partition_out_is_no_answer_for_it(broker: Broker, outbox: Outbox) -> None:
    _, _, answered, left_out, last = await sent(outbox, 0, 1, 2, 3, 4)
    await broker.answer()
    await broker.answer()
    await broker.answer(without=3)
    assert (answered.result(), last.result()) == (2, 4)
    assert isinstance(left_out.exception(), KeyError)
