"""BodyParser over whatever may be sent, held against the models and against the rules said again in other words."""

from __future__ import annotations

import json
import math
from typing import Any
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from siddes_telemetry.schemas.api_models import MAX_BATCH_EVENTS, BatchBody, count_model
from siddes_telemetry.schemas.errors import ApiError, ErrorCode
from siddes_telemetry.schemas.request_bodies import BodyParser, ParsedBatch, add_up
from tests.unit.schemas.shipped import REGISTRY

PARSER = BodyParser(REGISTRY)
MODEL = count_model(REGISTRY)

TEXTS = st.text(st.characters(), max_size=8)  # lone surrogates too
NUMBERS = st.integers() | st.floats() | st.integers(min_value=10**300, max_value=10**4200)
ATOMS = (
    st.none() | st.booleans() | NUMBERS | TEXTS | st.integers().map(str) | st.sampled_from(["1_0", " 3 ", "٣", "+4"])
)
VALUES = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
NAMES = st.sampled_from(sorted(REGISTRY.names))
KEYS = st.sampled_from(["event", "count", "batch_id", "events", "name"]) | TEXTS
EVENTS = st.fixed_dictionaries({"event": NAMES | VALUES}, optional={"count": VALUES, "extra": VALUES}) | VALUES
BATCHES = st.fixed_dictionaries(
    {"batch_id": st.uuids().map(str) | VALUES, "events": st.lists(EVENTS, max_size=4) | VALUES},
    optional={"extra": VALUES},
)


@st.composite
def json_texts(draw: st.DrawFn) -> bytes:
    """Objects written by hand: keys that repeat, numbers of any size, and bytes cut off or changed."""
    pairs = draw(st.lists(st.tuples(KEYS, NAMES.map(json.dumps) | VALUES.map(json.dumps) | RAW), max_size=4))
    text = "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in pairs) + "}"
    body = text.encode()
    cut = draw(st.integers(0, len(body)))
    return draw(st.sampled_from([body, body[:cut], body[:cut] + b"\xff" + body[cut:]]))


RAW = st.sampled_from(["1e999", "-1e999", "NaN", "-Infinity", "9" * 5000, "[" * 3000, "-0", "1E400", '"\\udfff"'])


def counted(value: object) -> int:
    """The rule of a count in other words: what int() makes of it if it makes anything, within 1..50."""
    if isinstance(value, float):
        number = math.trunc(value) if math.isfinite(value) else 1
    elif isinstance(value, int):
        number = value
    elif isinstance(value, str):
        try:
            number = int(value)
        except ValueError:
            number = 1
    else:
        number = 1
    return sorted((1, number, 50))[1]


def judged(item: object) -> tuple[str, int] | ErrorCode:
    """The rule of an event in other words."""
    match item:
        case {"event": str(event), **rest} if any(event == known.name for known in REGISTRY.events):
            count = rest.pop("count", 1)
            return ErrorCode.unexpected_field if rest else (event, counted(count))
        case _:
            return ErrorCode.invalid_event


def parsed(body: bytes) -> tuple[str, int] | ErrorCode:
    try:
        counts = PARSER.single(body)
        assert list(counts.reports.values()) == [1]
        ((event, count),) = counts.sums.items()
        return event, count
    except ApiError as error:
        return error.code


def parsed_batch(body: bytes) -> ParsedBatch | ErrorCode:
    try:
        return PARSER.batch(body)
    except ApiError as error:
        return error.code


@given(EVENTS)
@example({"event": "suggestion_shown", "\ud800": 1})
@example({"event": "\ud800"})
@example({"event": "suggestion_shown", "count": "\ud800"})
def test_a_single_body_is_judged_as_the_rules_say(item: object) -> None:
    assert parsed(json.dumps(item).encode()) == judged(json.loads(json.dumps(item)))


@given(BATCHES)
def test_a_batch_is_judged_event_by_event(item: dict[str, Any]) -> None:
    result = parsed_batch(json.dumps(item).encode())
    if isinstance(result, ErrorCode):
        assert result in {ErrorCode.invalid_batch, ErrorCode.unexpected_field}
        try:
            BatchBody.model_validate(item)
        except ValidationError:
            return
        raise AssertionError("the model would take it")
    verdicts = [judged(event) for event in item["events"]]
    good = [verdict for verdict in verdicts if not isinstance(verdict, ErrorCode)]
    assert result.counts == add_up(good)
    assert list(result.counts.sums) == list(result.counts.reports) == list(dict(good))
    assert result.accepted == len(good)
    assert list(result.rejected) == [
        (index, verdict) for index, verdict in enumerate(verdicts) if isinstance(verdict, ErrorCode)
    ]


SPELLED = st.builds(
    lambda event, more, gap: f'{{"event":{gap}"{event}"{more}}}',
    NAMES | st.sampled_from(["no", 'suggestion_shown","event":"suggestion_undo']),
    st.integers(-1, 52).map(lambda count: f',"count":{count}')
    | st.sampled_from(["", ',"count":3,"count":3', ',"x":[{},{}]']),
    st.sampled_from(["", " "]),
)
KNOWN = st.sampled_from(['{"event":"suggestion_undo","count":7}', '{"event":"suggestion_shown"}'])


@given(st.uuids(), st.lists(SPELLED, max_size=6) | st.lists(KNOWN, max_size=8), st.sampled_from([1, 70]))
def test_known_texts_give_the_same_result_as_parsing(batch_id: UUID, events: list[str], times: int) -> None:
    body = f'{{"batch_id":"{batch_id}","events":[{",".join(events * times)}]}}'.encode()
    known = PARSER._known_batch(body)
    if known is not None:
        assert known == PARSER._batch(body)
        assert list(known.counts.sums) == list(known.counts.reports)
    elif 0 < len(events) * times <= MAX_BATCH_EVENTS:
        assert not set(events) <= {text.decode() for text in PARSER._known_singles if b" " not in text}
    for event in events:
        if event.encode() in PARSER._known_singles:
            assert parsed(event.encode()) == judged(json.loads(event))


@given(EVENTS)
def test_the_parser_takes_what_the_model_takes(item: object) -> None:
    result = parsed(json.dumps(item).encode())
    try:
        body = MODEL.model_validate(item)
    except ValidationError:
        assert isinstance(result, ErrorCode)
    else:
        assert result == (body.event, body.count)


@given(st.binary(max_size=200) | json_texts())
def test_any_bytes_are_a_value_or_a_documented_code(body: bytes) -> None:
    single = parsed(body)
    if isinstance(single, ErrorCode):
        assert single in {ErrorCode.invalid_event, ErrorCode.unexpected_field}
    else:
        event, count = single
        assert event in REGISTRY.names
        assert type(count) is int
        assert 1 <= count <= 50
    batch = parsed_batch(body)
    if isinstance(batch, ErrorCode):
        assert batch in {ErrorCode.invalid_batch, ErrorCode.unexpected_field, ErrorCode.too_large}


@given(NAMES, VALUES, VALUES)
def test_a_key_that_stands_twice_is_never_guessed_at(event: str, first: object, second: object) -> None:
    body = f'{{"event":"{event}","count":{json.dumps(first)},"count":{json.dumps(second)}}}'.encode()
    assert parsed(body) is ErrorCode.invalid_event


@given(st.integers(1, 60_000), st.sampled_from(["[", '{"event":', '{"count":[']))
def test_depth_is_never_a_crash(depth: int, opening: str) -> None:
    body = (opening * depth)[:60_000].encode()
    assert parsed(body) is ErrorCode.invalid_event
    assert parsed_batch(body) is ErrorCode.invalid_batch
