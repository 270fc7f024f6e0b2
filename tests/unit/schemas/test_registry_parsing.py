"""Invalid registries: each problem is said with its line, its entry and a remedy, and all of them at once."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siddes_telemetry.schemas.registry_parsing import MAX_PROBLEMS, MAX_RATES, RegistryError, parse_registry
from tests.unit.schemas.registry_texts import ONE, RATE, TWO

WITH_RATE = TWO + RATE


def problems(text: str) -> list[str]:
    with pytest.raises(RegistryError) as raised:
        parse_registry(text)
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("revision = ", "line 1: not TOML"),
        (ONE + "x = [", "line 7: not TOML"),
        ("a = " + "[" * 5000, "not TOML"),
        (ONE.replace("revision = 1", ""), "write `revision = 1`"),
        (ONE.replace("revision = 1", "revision = 0"), "line 2: revision must"),
        (ONE.replace("revision = 1", "revision = true"), "line 2: revision must"),
        (ONE.replace("revision = 1", "revision = 65536"), "line 2: revision must"),
        ("revision = 1", "at least one"),
        ("revision = 1\nevent = []", "at least one"),
        ("revision = 1\nevent = 5", "line 2: write each event"),
        ("revision = 1\nevent = [5]", "line 2: write each event"),
        (ONE.replace("[[event]]", "[event]"), "write each event as a table that begins with [[event]]"),
        ("more = 1\n" + ONE, "line 1: unknown key 'more'"),
        (ONE + "more = 1", "line 7: event a: unknown key 'more'"),
        (ONE + 'part = "shown"', "line 7: event a: `part` is no longer a key"),
        (ONE.replace('meaning = "m"\n', ""), "line 3: event a: meaning is missing"),
        (ONE.replace('"a"', '"A"'), "line 4: event 1: name must"),
        (ONE.replace('"a"', '"a\\n"'), "line 4: event 1: name must"),
        (ONE.replace('"a"', '"\u0661"'), "line 4: event 1: name must"),
        (ONE.replace('"a"', f'"{"a" * 65}"'), "line 4: event 1: name must"),
        (ONE.replace('"a"', "1"), "line 4: event 1: name must"),
        (ONE.replace("id = 1", "id = 0"), "line 5: event a: id must"),
        (ONE.replace("id = 1", "id = 128"), "line 5: event a: id must"),
        (ONE.replace("id = 1", "id = true"), "line 5: event a: id must"),
        (ONE.replace("id = 1", "id = 1.0"), "line 5: event a: id must"),
        (ONE.replace('"m"', '" "'), "line 6: event a: meaning must"),
        (ONE.replace('"m"', "1"), "line 6: event a: meaning must"),
        (ONE.replace('"m"', '"""m\nn"""'), "line 6: event a: meaning must be one line"),
        (ONE.replace('"m"', f'"{"m" * 401}"'), "line 6: event a: meaning must be at most 400 characters, and has 401"),
        (ONE + 'label = ""', "line 7: event a: label must"),
        (ONE + f'label = "{"m" * 65}"', "line 7: event a: label must be at most 64"),
        (ONE + 'label = "\\u001b[2J"', "line 7: event a: label must be one line"),
        (ONE + 'retired = "true"', "line 7: event a: retired must be true or false"),
        (ONE + "retired = true", "every event is retired"),
        (TWO.replace('"b"', '"a"'), "line 10: event a: the name stands twice"),
        (TWO.replace("id = 2", "id = 1"), "line 11: event b: id 1 is the id of event a already: give it one"),
        (TWO.replace("id = 2", "id = 1"), "such as 2"),
        (
            WITH_RATE.replace('numerator = "a"', 'numerator = "x"'),
            "line 16: rate r: numerator x is no event of this file",
        ),
        (
            WITH_RATE.replace('"a"', '"photo_opened"').replace('r = "photo_opened"', 'r = "photo_opend"'),
            "numerator photo_opend is no event of this file: is it photo_opened?",
        ),
        (WITH_RATE.replace('denominator = "b"', 'denominator = "a"'), "line 17: rate r: numerator and denominator"),
        (WITH_RATE.replace('denominator = "b"\n', ""), "line 14: rate r: denominator is missing"),
        (WITH_RATE + RATE, "line 20: rate r: the name stands twice"),
        (WITH_RATE + "x = 1", "line 18: rate r: unknown key 'x'"),
        (TWO + "".join(RATE.replace('"r"', f'"r{n}"') for n in range(MAX_RATES + 1)), "there are 65 rates"),
    ],
)
def test_a_problem_is_said_with_its_place(text: str, says: str) -> None:
    assert any(says in problem for problem in problems(text)), problems(text)


def test_every_problem_is_said_at_once_in_the_order_of_the_file() -> None:
    text = WITH_RATE.replace("id = 1", "id = 0").replace('meaning = "m"\n', "", 1).replace('r = "a"', 'r = "x"')
    assert [problem.split(":")[0] for problem in problems(text)] == ["line 3", "line 5", "line 15"]


def test_lines_are_not_guessed_where_the_text_is_written_in_another_way() -> None:
    (problem,) = problems('revision = 1\nevent = [{name = "A", id = 1, meaning = "m"}]')
    assert problem.startswith("event 1: name must")


def test_what_is_quoted_shows_no_control_characters() -> None:
    escape = '"a\\u001b[31m"'
    twice = TWO.replace('"a"', escape).replace("id = 2", "id = 1") + RATE.replace('"a"', '"a31m"')
    name, *others = problems(twice)
    assert name.startswith("line 4: event 1: name must")
    assert others == [
        "line 11: event b: id 1 is the id of event 1 already: give it one that was never used, such as 2",
        "line 16: rate r: numerator a31m is no event of this file",
    ]


def test_a_long_default_label_is_not_called_wrong_beside_the_long_name() -> None:
    assert len(problems(ONE.replace('"a"', f'"{"a" * 65}"'))) == 1


def test_a_huge_registry_is_refused_in_a_few_lines() -> None:
    many = "revision = 1\n" + "".join(f'[[event]]\nname = "e{number}"\n' for number in range(2000))
    found = problems(many)
    assert found[0] == "line 2: event e0: id is missing: add it"
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1] == f"and {2 * 127 + 1 - MAX_PROBLEMS} more problems"
    full = "revision = 1\n" + "".join(f'[[event]]\nname = "e{n}"\nid = {n}\nmeaning = "m"\n' for n in range(1, 129))
    assert problems(full) == ["line 510: there are 128 events: there may be 127"]


def test_lines_end_where_toml_ends_them() -> None:
    assert problems(ONE.replace('"m"', '"m\u2028\x85"') + "x = 1")[1].startswith("line 7: event a: unknown key")


def test_the_corrected_texts_are_registries() -> None:
    assert [event.name for event in parse_registry(TWO).events] == ["a", "b"]
    assert [rate.name for rate in parse_registry(WITH_RATE).rates] == ["r"]


@given(st.text(max_size=200) | st.lists(st.sampled_from(WITH_RATE.splitlines()), max_size=30).map("\n".join))
def test_any_text_is_a_registry_or_has_problems(text: str) -> None:
    with suppress(RegistryError):
        assert parse_registry(text).in_use
