"""Produce requests and responses are the bytes of aiokafka's own encoder."""

from __future__ import annotations

from io import BytesIO

import pytest
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.produce import ProduceRequest_v7, ProduceResponse_v7

from siddes_telemetry.backends.kafka.produce_request import ProduceEncoder

TOPIC = "täglich"
CODES = {3: 0, 1: 6, 2**31 - 1: -1}


def test_a_request_is_what_aiokafka_would_send() -> None:
    batches = {3: b"one", 1: b"", 2**31 - 1: b"three"}
    request = ProduceEncoder(TOPIC, 10_000).request(batches).prepare({0: (3, 9)})
    theirs = ProduceRequest_v7(None, -1, 10_000, [(TOPIC, list(batches.items()))])
    assert request.encode() == theirs.encode()
    ours, expected = (each.build_request_header(77, "client") for each in (request, theirs))
    assert ours.encode() == expected.encode()


def test_an_answer_is_read_as_aiokafka_would_read_it() -> None:
    said = ProduceResponse_v7([(TOPIC, [(each, code, 5, -1, 0) for each, code in CODES.items()])], 0).encode()
    request = ProduceEncoder(TOPIC, 10_000).request(dict.fromkeys(CODES, b"x"))
    answer = BytesIO(b"\0\0\0\x4d" + said)
    assert request.parse_response_header(answer).correlation_id == 77
    assert request.RESPONSE_TYPE.decode(answer) == CODES


def test_a_broker_that_does_not_take_this_form_is_refused() -> None:
    request = ProduceEncoder(TOPIC, 10_000).request({0: b"x"})
    for versions in ({}, {0: (0, 6)}, {0: (8, 9)}):
        with pytest.raises(IncompatibleBrokerVersion):
            request.prepare(versions)
