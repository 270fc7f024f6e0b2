"""What is posted: files of requests for requests.lua and paced.py, of a fixed seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from tests.product.client import token

EVENTS = ("suggestion_shown", "suggestion_accepted", "suggestion_skipped", "suggestion_edited", "suggestion_undo")
VIEWERS = 1000
SINGLES = 1000  # different requests in a file; batches are fewer, as they are longer
BATCHES = 100


def singles(file: Path, viewers: int = VIEWERS) -> Path:
    """One event a request, of many viewers."""
    rng = random.Random(1)
    return _written(
        file,
        (
            (
                "/api/telemetry/ingest",
                token(f"viewer-{number % viewers}"),
                json.dumps(_event(rng), separators=(",", ":")),
            )
            for number in range(max(SINGLES, viewers))
        ),
    )


def batches(file: Path, events: int = 100, viewers: int = BATCHES) -> Path:
    """Batches as the SDK spells them, each under an id of its own."""
    rng = random.Random(2)
    return _written(
        file,
        (
            (
                "/api/telemetry/batch",
                token(f"viewer-{number}"),
                _compact({"batch_id": "BATCH_ID", "events": [_event(rng) for _ in range(events)]}),
            )
            for number in range(viewers)
        ),
    )


def otlp_logs(file: Path, records: int) -> Path:
    """The same counts as OpenTelemetry log records (OTLP/HTTP JSON), `records` of them a request, with no token."""
    rng = random.Random(3)
    return _written(
        file,
        (
            ("/v1/logs", "", _compact(_otlp([_log_record(rng) for _ in range(records)])))
            for _ in range(SINGLES if records == 1 else BATCHES)
        ),
    )


def _event(rng: random.Random) -> dict[str, object]:
    return {"event": rng.choice(EVENTS), "count": rng.randint(1, 50)}


def _log_record(rng: random.Random) -> dict[str, object]:
    return {
        "timeUnixNano": "1764115200000000000",
        "body": {"stringValue": rng.choice(EVENTS)},
        "attributes": [
            {"key": "viewer_id", "value": {"stringValue": f"viewer-{rng.randrange(VIEWERS)}"}},
            {"key": "count", "value": {"intValue": str(rng.randint(1, 50))}},
        ],
    }


def _otlp(records: list[dict[str, object]]) -> dict[str, object]:
    return {"resourceLogs": [{"resource": {}, "scopeLogs": [{"scope": {}, "logRecords": records}]}]}


def _compact(body: object) -> str:
    """As JSON.stringify writes it."""
    return json.dumps(body, separators=(",", ":"))


def _written(file: Path, requests: Iterator[tuple[str, str, str]]) -> Path:
    with file.open("w") as out:
        for request in requests:
            out.writelines(f"{line}\n" for line in request)
    return file
