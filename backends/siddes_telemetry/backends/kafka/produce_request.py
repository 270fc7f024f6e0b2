"""Encodes Produce requests and decodes their responses (Kafka protocol, version 7).

A request has one topic, and one record batch for each of its partitions. aiokafka encodes a request
field by field from its schema, which takes longer than all the rest of an append. This request has one form, so most of
its bytes are made once. aiokafka's connection still numbers it, sends it and matches the response; the methods here
have the names that it calls.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from io import BytesIO

from aiokafka.errors import IncompatibleBrokerVersion

MAX_REQUEST_BYTES = 1_000_000  # under a broker's default message.max.bytes (1,048,588), with its record batch header
API_KEY, API_VERSION = 0, 7  # accepted by brokers from 2.1 on; later versions add nothing that is needed here
ALL_IN_SYNC = -1  # acks=all

_HEADER = struct.Struct(">hhih")  # api key, version, correlation id, length of the client id
_COUNT = struct.Struct(">i")
_BATCH = struct.Struct(">ii")  # partition, bytes of the record batch
_CORRELATION = struct.Struct(">i")
_ANSWER = struct.Struct(">ih24x")  # partition, error code; offset, time and log start offset are skipped


class ProduceEncoder:
    """Makes the requests for one topic."""

    def __init__(self, topic: str, timeout_ms: int) -> None:
        self._topic = topic
        name = topic.encode()
        # no transaction; acks; time-out; one topic
        self._head = struct.pack(f">hhiih{len(name)}s", -1, ALL_IN_SYNC, timeout_ms, 1, len(name), name)
        self._answers_at = 4 + 2 + len(name)  # in a response: number of topics, topic name, then the partitions

    def request(self, batches: Mapping[int, bytes]) -> ProduceRequest:
        """A request with one record batch for each of these partitions."""
        body = [self._head, _COUNT.pack(len(batches))]
        for partition, batch in batches.items():
            body += (_BATCH.pack(partition, len(batch)), batch)
        return ProduceRequest(b"".join(body), self._answers_at, self._topic, batches)


class ProduceRequest:
    """A request that aiokafka's connection can send. The response is decoded to the error codes."""

    API_KEY = API_KEY

    def __init__(self, body: bytes, answers_at: int, topic: str, batches: Mapping[int, bytes]) -> None:
        self._body = body
        self._topic = topic
        self._batches = batches
        self.RESPONSE_TYPE = _Answer(answers_at)

    @property
    def topics(self) -> list[tuple[str, list[tuple[int, bytes]]]]:
        """Topics and their partitions, as in aiokafka's requests."""
        return [(self._topic, list(self._batches.items()))]

    def prepare(self, versions: dict[int, tuple[int, int]]) -> ProduceRequest:
        lowest, highest = versions.get(API_KEY, (0, 0))
        if not lowest <= API_VERSION <= highest:
            raise IncompatibleBrokerVersion("the broker does not take this form of produce requests")
        return self

    def build_request_header(self, correlation_id: int, client_id: str) -> _Header:
        return _Header(correlation_id, client_id)

    def encode(self) -> bytes:
        return self._body

    def parse_response_header(self, answer: BytesIO) -> _Header:
        return _Header(_CORRELATION.unpack(answer.read(_CORRELATION.size))[0])


class _Header:
    __slots__ = ("_client_id", "correlation_id")

    def __init__(self, correlation_id: int, client_id: str = "") -> None:
        self.correlation_id = correlation_id
        self._client_id = client_id

    def encode(self) -> bytes:
        name = self._client_id.encode()
        return _HEADER.pack(API_KEY, API_VERSION, self.correlation_id, len(name)) + name


class _Answer:
    __slots__ = ("_at",)

    def __init__(self, at: int) -> None:
        self._at = at

    def decode(self, answer: BytesIO) -> dict[int, int]:
        """The error code of each partition."""
        said = answer.read()
        (count,) = _COUNT.unpack_from(said, self._at)
        at = self._at + _COUNT.size
        return dict(_ANSWER.iter_unpack(said[at : at + count * _ANSWER.size]))
