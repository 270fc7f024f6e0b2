"""The clients have copies of some of the server's rules: the copies equal the originals."""

from __future__ import annotations

import re
from pathlib import Path

from siddes_telemetry.consumer.retry_window.window import WINDOW_MS
from siddes_telemetry.schemas.api_models import MAX_BATCH_EVENTS
from siddes_telemetry.schemas.clamping import MAX_COUNT
from siddes_telemetry.schemas.registry import RatePart
from siddes_telemetry.schemas.request_bodies import MAX_BATCH_BYTES, MAX_SINGLE_BYTES
from siddes_telemetry.schemas.viewer import VIEWER_ID
from siddes_telemetry_client import batch, validation
from siddes_telemetry_client.client import MAX_REQUEST_TIMEOUT_S
from siddes_telemetry_client.retry import MAX_AGE_S

CLIENTS = Path(__file__).parents[2] / "clients"


def constant(file: str, name: str) -> str:
    """The text of a constant in a TypeScript file."""
    found = re.search(rf"^(?:export )?const {name}(?:: [^=]+)? = (.+?);", (CLIENTS / file).read_text(), re.MULTILINE)
    assert found, f"{file} has no {name} any more"
    return found[1]


def product(text: str) -> int:
    """The product of a text like `64 * 1024`."""
    value = 1
    for factor in text.replace("_", "").split("*"):
        value *= int(factor)
    return value


def test_the_pages_know_a_viewer_and_every_part_of_a_rate() -> None:
    assert constant("pages/src/dev-viewer.ts", "VIEWER_ID") == f"/^{VIEWER_ID.pattern}$/"
    assert re.findall(r'"([a-z]+)"', constant("pages/src/api.ts", "EVENT_PARTS")) == [part.value for part in RatePart]


def test_clients_clamp_counts_and_limit_batches_as_the_server_does() -> None:
    assert product(constant("typescript/src/limits.ts", "MAX_COUNT")) == validation.MAX_COUNT == MAX_COUNT
    assert product(constant("typescript/src/limits.ts", "MAX_CALLS")) <= MAX_BATCH_EVENTS
    assert batch.MAX_CALLS == MAX_BATCH_EVENTS


def test_the_proxy_lets_through_what_the_gateway_takes() -> None:
    assert product(constant("proxy/src/routes.ts", "MAX_SINGLE_BYTES")) == MAX_SINGLE_BYTES
    assert product(constant("proxy/src/routes.ts", "MAX_BATCH_BYTES")) == MAX_BATCH_BYTES


def test_no_client_sends_a_batch_again_that_the_server_may_have_forgotten() -> None:
    assert product(constant("typescript/src/limits.ts", "MAX_AGE_MS")) < WINDOW_MS
    assert (MAX_AGE_S + MAX_REQUEST_TIMEOUT_S) * 1000 < WINDOW_MS
