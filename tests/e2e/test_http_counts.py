"""What is counted of what one live process is sent: seen in the summary, as a viewer would."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest

from tests.e2e.http_requests import ALIAS, BATCH, INGEST, SERIES, SUMMARY, ApiClient
from tests.product.client import Client
from tests.product.deployments import Deployment

OTHER_FORMS = (
    str.upper,
    lambda text: text.replace("-", ""),
    lambda text: f"urn:uuid:{text}",
    lambda text: f"{{{text}}}",
)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def asking(session: aiohttp.ClientSession, instance: Deployment) -> ApiClient:
    return ApiClient(session, instance.write_url)


@pytest.fixture
def client(session: aiohttp.ClientSession, instance: Deployment) -> Client:
    return Client(session, instance)


async def taken(asking: ApiClient, viewer: str, batch_id: object, *events: Mapping[str, Any]) -> int:
    """How many events of this batch were accepted."""
    got = await asking.post(BATCH, viewer, {"batch_id": str(batch_id), "events": events})
    assert got.status == 200
    accepted: int = got.json["accepted"]
    return accepted


COERCED = {
    "1": 1,
    "3": 3,
    "50": 50,
    "51": 50,
    "0": 1,
    "-3": 1,
    "1e3": 50,
    "9" * 4000: 50,
    "3.9": 3,
    "0.5": 1,
    "-0.0": 1,
    "1e400": 1,
    "-1e400": 1,
    "Infinity": 1,
    "NaN": 1,
    "true": 1,
    "false": 1,
    '"3"': 3,
    '" 7 "': 7,
    '"1_0"': 10,
    '"+4"': 4,
    '"3.9"': 1,
    '"x"': 1,
    '""': 1,
    '"\\u0663"': 3,
    '"99"': 50,
    "null": 1,
    "[]": 1,
    "[3]": 1,
    "{}": 1,
    '{"a":3}': 1,
}


async def test_counts_are_coerced_as_int_would_and_never_an_error(asking: ApiClient, client: Client) -> None:
    expected: dict[str, int] = {}
    for number, (written, counted) in enumerate(COERCED.items()):
        viewer = f"coerced-{number}"
        expected[viewer] = counted
        for target in (INGEST, ALIAS):
            body = b'{"count":%s,"event":"suggestion_edited"}' % written.encode()
            assert (await asking.post(target, viewer, body)).code == "ok", written
        batch = b'{"batch_id":"%s","events":[{"event":"suggestion_edited","count":%s}]}'
        got = await asking.post(BATCH, viewer, batch % (str(uuid4()).encode(), written.encode()))
        assert got.json["accepted"] == 1, written
    for viewer, counted in expected.items():
        await client.counts_become(viewer, {"suggestion_edited": 3 * counted})


async def test_a_count_that_is_left_out_is_one(asking: ApiClient, client: Client) -> None:
    assert (await asking.post(INGEST, "left-out", {"event": "suggestion_undo"})).code == "ok"
    await client.counts_become("left-out", {"suggestion_undo": 1})


async def test_a_batch_sent_again_counts_once_whatever_its_second_body_says(asking: ApiClient, client: Client) -> None:
    batch_id = uuid4()
    assert await taken(asking, "again", batch_id, {"event": "suggestion_shown", "count": 2}) == 1
    assert await taken(asking, "again", batch_id, {"event": "suggestion_shown", "count": 2}) == 1
    assert await taken(asking, "again", batch_id, {"event": "suggestion_accepted", "count": 9}) == 1
    for form in OTHER_FORMS:
        assert await taken(asking, "again", form(str(batch_id)), {"event": "suggestion_undo"}) == 1
    assert await taken(asking, "again", uuid4(), {"event": "suggestion_skipped"}) == 1  # the last to be stored
    await client.counts_become("again", {"suggestion_shown": 2, "suggestion_skipped": 1})


async def test_the_same_batch_id_of_another_viewer_is_another_batch(asking: ApiClient, client: Client) -> None:
    batch_id = uuid4()
    for viewer in ("first-of-two", "second-of-two"):
        await taken(asking, viewer, batch_id, {"event": "suggestion_shown", "count": 2})
    for viewer in ("first-of-two", "second-of-two"):
        await client.counts_become(viewer, {"suggestion_shown": 2})


async def test_a_batch_without_a_good_event_has_not_occurred(asking: ApiClient, client: Client) -> None:
    batch_id = uuid4()
    assert await taken(asking, "empty", batch_id) == 0
    assert await taken(asking, "empty", batch_id, {"event": "no_such_event"}) == 0
    assert await taken(asking, "empty", batch_id, {"event": "suggestion_shown"}) == 1
    await client.counts_become("empty", {"suggestion_shown": 1})


async def test_equal_events_of_a_batch_and_more_than_255_of_them_add_up(asking: ApiClient, client: Client) -> None:
    events = [{"event": "suggestion_shown", "count": 50}] * 499 + [{"event": "suggestion_undo"}]
    assert await taken(asking, "many", uuid4(), *events) == 500
    await client.counts_become("many", {"suggestion_shown": 24_950, "suggestion_undo": 1})


async def test_what_is_compressed_counts(asking: ApiClient, client: Client) -> None:
    body = gzip.compress(b'{"event":"suggestion_shown","count":4}')
    assert (await asking.post(INGEST, "gzip", body, Content_Encoding="gzip")).code == "ok"
    body = gzip.compress(b'{"batch_id":"%s","events":[{"event":"suggestion_undo"}]}' % str(uuid4()).encode())
    assert (await asking.post(BATCH, "gzip", body, Content_Encoding="gzip")).code == "ok"
    await client.counts_become("gzip", {"suggestion_shown": 4, "suggestion_undo": 1})


async def test_viewers_see_their_own_counts_and_no_others(asking: ApiClient, client: Client) -> None:
    viewers = ["own", "own-2", "Own", "own.", "own:1@host_x", "o" * 64, "-", "0", "None", "@.", "a@b"]
    for number, viewer in enumerate(viewers, start=1):
        await asking.post(INGEST, viewer, {"event": "suggestion_shown", "count": number})
    for number, viewer in enumerate(viewers, start=1):
        await client.counts_become(viewer, {"suggestion_shown": number})
        me = await asking.get("/api/auth/me", viewer)
        assert me.json == {"ok": True, "viewer_id": viewer}
    assert await client.counts("ow") == {}


async def test_a_refused_request_counts_nothing(asking: ApiClient, client: Client) -> None:
    bodies: list[object] = [
        {"event": "x"},
        {"event": "suggestion_shown", "x": 1},
        b"{",
        [{"event": "suggestion_shown"}],
    ]
    for body in bodies:
        assert (await asking.post(INGEST, "refused", body)).status == 400
    events = [{"event": "suggestion_shown"}] * 501
    assert (await asking.post(BATCH, "refused", {"batch_id": str(uuid4()), "events": events})).status == 413
    await asking.post(INGEST, "refused", {"event": "suggestion_undo"})
    await client.counts_become("refused", {"suggestion_undo": 1})


async def test_the_summary_is_in_registry_order_and_its_tag_changes_with_it(asking: ApiClient, client: Client) -> None:
    await asking.post(INGEST, "ordered", {"event": "suggestion_undo"})
    await client.counts_become("ordered", {"suggestion_undo": 1})
    before = await asking.get(SUMMARY, "ordered")
    await asking.post(INGEST, "ordered", {"event": "suggestion_shown", "count": 2})
    await client.counts_become("ordered", {"suggestion_shown": 2, "suggestion_undo": 1})
    after = await asking.get(SUMMARY, "ordered", If_None_Match=before.headers["ETag"])
    assert after.body == b'{"ok":true,"days":7,"counts":{"suggestion_shown":2,"suggestion_undo":1}}'
    assert (await asking.get(SUMMARY, "ordered", If_None_Match=after.headers["ETag"])).status == 304


async def test_a_series_has_the_counts_of_the_summary_where_they_occurred(asking: ApiClient, client: Client) -> None:
    await asking.post(INGEST, "by-step", {"event": "suggestion_undo"})
    await asking.post(INGEST, "by-step", {"event": "suggestion_shown", "count": 2})
    await client.counts_become("by-step", {"suggestion_shown": 2, "suggestion_undo": 1})
    for interval in ("day", "hour"):
        got = await asking.get(f"{SERIES}?interval={interval}", "by-step")
        steps = [Counter[str](step["counts"]) for step in got.json["series"]]
        assert sum(steps[-2:], Counter()) == {"suggestion_shown": 2, "suggestion_undo": 1}  # it may be midnight now
        assert not any(steps[:-2])
    got = await asking.get(f"{SERIES}?tz=America/St_Johns", "by-step")
    steps = [Counter[str](step["counts"]) for step in got.json["series"]]
    assert sum(steps[-2:], Counter()) == {"suggestion_shown": 2, "suggestion_undo": 1}
    assert not any(steps[:-2])
    got = await asking.get(f"{SUMMARY}?compare=previous", "by-step")
    assert (got.json["counts"], got.json["previous"]) == ({"suggestion_shown": 2, "suggestion_undo": 1}, {"counts": {}})


async def test_batches_sent_at_once_under_one_id_count_once(client: Client) -> None:
    batch_id = UUID(int=7)
    events = [{"event": "suggestion_shown"}]
    statuses = await asyncio.gather(*(client.post_batch("at-once", batch_id, events) for _ in range(20)))
    assert statuses == [200] * 20
    await client.post("at-once", "suggestion_undo")
    await client.counts_become("at-once", {"suggestion_shown": 1, "suggestion_undo": 1})
