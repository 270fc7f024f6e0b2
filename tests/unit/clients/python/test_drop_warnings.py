"""The first of each kind of drop is logged, with what to do."""

from __future__ import annotations

import asyncio
import typing

import pytest

from siddes_telemetry_client.drop_warnings import DropWarnings, Kind
from siddes_telemetry_client.response import Response
from tests.fakes.virtual_time import in_virtual_time
from tests.unit.clients.python.model_server import DISABLED, LOST, UNAVAILABLE, Behaviour, ModelServer, Running

ANSWERS: list[tuple[Behaviour, str]] = [
    (Response(401), "the gateway refused the token"),
    (Response(403), "the gateway refused the token"),
    (Response(308), "a redirect, which is not followed"),
    (Response(200, b"<!DOCTYPE html>"), "a web page"),
    (Response(404, b"<!DOCTYPE html>"), "Give the address of the gateway"),
    (Response(400), "the gateway refused them (4xx)"),
    (DISABLED, "SIDDES_TELEMETRY_ENABLED=0"),
]


@in_virtual_time
@pytest.mark.parametrize(("answer", "text"), ANSWERS)
async def test_a_refused_batch_is_explained_once(
    answer: Behaviour, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Running(ModelServer(lambda _: answer), linger_s=0.0) as running:
        for token in ("alice", "bob"):
            running.count(token)
            assert await running.sender.flush(60.0)
    [said] = caplog.messages
    assert text in said


@in_virtual_time
@pytest.mark.parametrize(("answer", "text"), [(LOST, "the gateway cannot be reached"), (UNAVAILABLE, "an error (5xx)")])
async def test_an_outage_is_said_at_its_beginning_and_what_expires_at_its_end(
    answer: Behaviour, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Running(ModelServer(lambda _: answer), linger_s=0.0) as running:
        running.count("alice")
        await asyncio.sleep(1.0)
        [said] = caplog.messages
        assert text in said
        assert await running.sender.flush(3600.0)
    assert len(caplog.messages) == 2
    assert "9 minutes of retries failed" in caplog.messages[1]


@in_virtual_time
async def test_what_never_leaves_the_process_is_explained_once(caplog: pytest.LogCaptureFixture) -> None:
    async with Running(ModelServer(), max_waiting=1) as running:
        for _ in range(2):
            running.count("alice", event="alice@example.com")
            running.count("Bearer alice")
            running.count("alice")
    starts = [message.split("?")[0].split(": ")[1][:30] for message in caplog.messages]
    assert starts == [
        "an event's name is not lower c",
        "a token is empty, or not in th",
        "some are dropped. Is the gatew",
        "the client was closed before t",
    ]


@in_virtual_time
async def test_an_event_that_the_registry_lacks_is_explained(caplog: pytest.LogCaptureFixture) -> None:
    async with Running(ModelServer()) as running:
        running.count("alice", event="photo_exprted")
        assert await running.sender.flush(60.0)
    [said] = caplog.messages
    assert "the gateway does not take an event" in said
    assert "photo_exprted" not in said


def test_every_kind_has_a_text(caplog: pytest.LogCaptureFixture) -> None:
    warnings = DropWarnings()
    kinds = typing.get_args(Kind)
    for kind in kinds * 2:
        warnings.tell(kind)
    assert len(set(caplog.messages)) == len(caplog.messages) == len(kinds)
