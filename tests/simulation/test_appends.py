"""The producer's records are in the log once whatever falls silent, and a producer broken on purpose is found out."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import pytest
from aiokafka.errors import KafkaConnectionError, NotLeaderForPartitionError, RequestTimedOutError, for_code
from structlog.testing import capture_logs

from siddes_telemetry.backends.kafka import producer
from siddes_telemetry.backends.kafka.producer import RETRY_S, KafkaProducer
from tests.fakes.virtual_time import run_in_virtual_time
from tests.simulation.appends import AppendSchedule
from tests.simulation.invariants import Broken
from tests.simulation.run import REPLAY

SCHEDULES = 300
WITHIN = 2_000  # schedules in which a broken variant is found
SEQUENCE = slice(53, 57)  # of a record batch (message format 2): its base sequence, big-endian
INJECTED = {
    "broker silent",
    "leader moved",
    "worked off after the silence",
    "written to a leader that is none",
    "a repeated batch dropped",
    "answer lost",
}


def run_seeds(seeds: Iterable[int]) -> Counter[str]:
    """What happened. An exception carries the seed as a note."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        schedule = AppendSchedule(seed)
        try:
            with capture_logs():
                run_in_virtual_time(schedule.run())
        except BaseException as error:
            error.add_note(f"{REPLAY}={seed}")
            raise
        counts += schedule.brokers.counts
    return counts


def resent_under_a_new_number() -> AbstractContextManager[Any]:
    """Each try of a record has a sequence number of its own."""

    async def send_until_accepted(self: KafkaProducer, partition: int, batch: bytes) -> None:
        while True:
            leader = self._leader(partition)
            assert leader is not None
            try:
                code = await self._sender(leader).send(partition, batch)
            except (KafkaConnectionError, RequestTimedOutError):
                code = NotLeaderForPartitionError.errno
            if code == 0:
                return
            if not for_code(code).retriable:
                raise for_code(code)
            state = self._partitions[partition]
            state.sequence += 1
            batch = batch[: SEQUENCE.start] + state.sequence.to_bytes(4, "big") + batch[SEQUENCE.stop :]
            self.client.force_metadata_update()
            await asyncio.sleep(RETRY_S)

    return patch.object(KafkaProducer, "_send_until_accepted", send_until_accepted)


def numbers_in_doubt_are_used_again() -> AbstractContextManager[Any]:
    """After a record that was given up, the next one of its partition has the same sequence number."""
    return patch.object(producer._Partition, "in_doubt", property(lambda _: False, lambda *_: None))


VARIANTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "a record is resent under a new sequence number": resent_under_a_new_number,
    "a sequence number in doubt is used again": numbers_in_doubt_are_used_again,
}


def test_a_record_is_in_the_log_once_whichever_leader_wakes_up_with_it() -> None:
    if REPLAY in os.environ:
        run_seeds([int(os.environ[REPLAY])])
        return
    first = random.SystemRandom().randrange(2**32)
    print(f"from seed {first}")
    counts = run_seeds(range(first, first + SCHEDULES))
    assert not INJECTED - set(counts), "a simulation that injects nothing proves nothing"


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_broken_producer_is_found_out(variant: str) -> None:
    first = random.SystemRandom().randrange(2**32)
    print(f"from seed {first}")
    with VARIANTS[variant](), pytest.raises(Broken, match=r"in the log twice|is missing"):
        run_seeds(range(first, first + WITHIN))
