"""Whatever the environment holds, the settings are read or every wrong one is named, and none is quoted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from aiokafka.conn import collect_hosts
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from siddes_telemetry.backends.clickhouse.server_address import parse_server_url
from siddes_telemetry.cli.endpoints import broker_list, clickhouse_url, http_url, origin
from siddes_telemetry.cli.settings import PATHS, PREFIX, Settings, SettingsError
from siddes_telemetry.cli.settings_loader import load_settings

CANARY = "canary1f6f0f9d"
PIECES = st.sampled_from(
    [
        *(
            "http://",
            "https://",
            "HTTPS://",
            "://",
            "//",
            "/",
            "?",
            "#",
            "@",
            ":",
            "[",
            "]",
            "::1",
            "[::1]",
            "%",
            "%41",
        ),
        *(
            "%zz",
            "%ff",
            "%0a",
            ",",
            " ",
            "\t",
            "\n",
            "\x7f",
            "\u2028",
            "\ufeff",
            "0",
            "443",
            "9092",
            "70000",
            "٣",
            "..",
        ),
        *(".", "-", "_", "*", "null", "kafka", "App.Example", "counts", "user:pass@", "x" * 64, "ä", "\udcff", "nan"),
        *("1e9", "inf", "true", "HS256", "{}", "[1]", '"', "'", "\\", CANARY),
    ]
)
WRITTEN = st.one_of(
    st.lists(PIECES, max_size=8).map("".join),
    st.binary(max_size=40).map(lambda data: os.fsdecode(data.replace(b"\0", b""))),
)
URLS = st.builds("{}{}{}{}{}".format, st.sampled_from(["http://", "https://"]), *([PIECES] * 4))
NAMES = sorted(Settings.model_fields)
# One may need another.
FAMILIES = [{name for name in NAMES if name.startswith(family)} for family in ("kafka_", "clickhouse_")]


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    ours = {PREFIX + name.upper(): value for name, value in values.items()}
    with patch.dict(os.environ, others | ours, clear=True):
        yield


def what_is_wrong() -> tuple[str, ...]:
    try:
        load_settings()
    except SettingsError as error:
        return error.problems
    return ()


def outcome(accept: Callable[[str], str], text: str) -> tuple[str | None, str]:
    """(the value, or None where it is refused; what is said then)."""
    try:
        return accept(text), ""
    except ValueError as error:
        return None, str(error)


@settings(max_examples=400)
@given(st.dictionaries(st.sampled_from(NAMES), WRITTEN, min_size=1, max_size=4))
def test_settings_are_read_or_named(values: dict[str, str]) -> None:
    with environment(values):
        problems = what_is_wrong()
    named = {problem.partition(":")[0] for problem in problems}
    nameable = values.keys() | {name for family in FAMILIES if family & values.keys() for name in family}
    assert named <= {PREFIX + name.upper() for name in nameable}
    assert all(CANARY not in problem and "\n" not in problem for problem in problems)


@given(st.one_of(WRITTEN, st.lists(st.sampled_from(["kafka", "[::1]", ":", "9092", ",", " ", "70000"])).map("".join)))
def test_the_driver_can_use_every_list_of_brokers(text: str) -> None:
    brokers, _ = outcome(broker_list, text)
    if brokers is None:
        return
    assert broker_list(brokers) == brokers
    for host, port, _ in collect_hosts(brokers):
        assert host
        assert 1 <= port <= 65535


@given(st.one_of(WRITTEN, URLS))
def test_the_driver_can_use_every_url(text: str) -> None:
    url, said = outcome(http_url, text)
    assert CANARY not in said
    if url is not None:
        assert URL(url).host
        assert 1 <= (URL(url).port or 0) <= 65535


@given(st.one_of(WRITTEN, URLS, URLS.map("{}/counts".format)))
def test_every_url_of_a_server_names_one(text: str) -> None:
    url, said = outcome(clickhouse_url, text)
    assert CANARY not in said
    if url is not None:
        address = parse_server_url(url)
        assert address.database
        for host in address.hosts:
            there = URL.build(scheme=address.scheme, host=host.name, port=host.port)
            assert there.host
            assert 1 <= host.port <= 65535


@given(st.one_of(WRITTEN, URLS))
def test_an_origin_stays_as_it_is_once_it_is_as_browsers_send_it(text: str) -> None:
    sent, said = outcome(origin, text)
    assert CANARY not in said
    if sent is not None:
        assert origin(sent) == sent
        assert sent == sent.lower()


@pytest.mark.parametrize("name", NAMES)
def test_bytes_that_are_no_text_are_named_where_they_are_no_path(name: str) -> None:
    with environment({name: "\udcff"}):
        problems = what_is_wrong()
    if name in PATHS:
        assert not any("UTF-8" in problem for problem in problems)
    else:
        assert problems == (f"{PREFIX}{name.upper()}: must be UTF-8",)
