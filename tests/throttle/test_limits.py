"""The table of limits, and the one setting that changes them."""

from datetime import timedelta

import pytest

from tests.throttle.counting import HOUR, take
from vestibule import Settings, Vestibule
from vestibule.audit.events import Event
from vestibule.kernel.clock import MovableClock
from vestibule.kernel.errors import CannotStart
from vestibule.kernel.limits import LETTERS, LOG_IN_CLIENT, REQUESTS, TABLE, Limit


def refused(limits: str) -> str:
    with pytest.raises(CannotStart) as caught:
        Settings.load(limits=limits)
    [problem] = caught.value.problems
    return problem


def test_what_is_not_set_stands_in_the_table() -> None:
    settings = Settings.load()
    assert [settings.limit(each) for each in TABLE.values()] == list(TABLE.values())
    for limit in TABLE.values():
        assert limit.most
        assert limit.counts


@pytest.mark.parametrize(
    "written,most,within",
    [
        ("letters=1/1s", 1, timedelta(seconds=1)),
        ("letters=20/90m", 20, timedelta(minutes=90)),
        (" letters = 7/2h , log_in_client=off,", 7, timedelta(hours=2)),
        ("letters=9999999/9999d", 9_999_999, timedelta(days=9999)),
        ("letters=off", None, LETTERS.within),
    ],
)
def test_a_limit_is_set_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, written: str, most: int | None, within: timedelta
) -> None:
    monkeypatch.setenv("VESTIBULE_LIMITS", written)
    limit = Settings.load().limit(LETTERS)
    assert (limit.most, limit.within) == (most, within)


def test_each_limit_that_is_kept_for_a_key_has_its_event() -> None:
    reached = {each.removesuffix(".reached") for each in Event if each.endswith(".reached")}
    assert reached == set(TABLE) - {REQUESTS.name}


def test_each_limit_of_the_table_can_be_set_and_reads_as_it_was_written() -> None:
    written = ", ".join(f"{name}=3/36h" for name in TABLE)
    assert ", ".join(map(str, Settings.load(limits=written).limits)) == written
    off = ", ".join(f"{name}=off" for name in TABLE)
    assert ", ".join(map(str, Settings.load(limits=off).limits)) == off


def test_a_name_that_there_is_not_is_refused_with_the_names_that_there_are() -> None:
    problem = refused("letters=5/1h, leters=5/1h")
    assert problem.startswith("VESTIBULE_LIMITS: part 2 names no limit; there are ")
    assert all(name in problem for name in TABLE)


@pytest.mark.parametrize(
    "value",
    ["", "5", "5/h", "0/1h", "5/0h", "-1/1h", "5/1w", "5/1h 2", "OFF", "1e3/1h", "\u0665/1h"],
)
def test_a_value_that_is_none_is_refused_with_one_that_is(value: str) -> None:
    assert refused(f"letters={value}") == "VESTIBULE_LIMITS: letters must be such as 5/1h, or off"


def test_a_limit_that_stands_twice_is_refused() -> None:
    assert refused("letters=5/1h, letters=off") == "VESTIBULE_LIMITS: letters stands twice"


@pytest.fixture
def settings_given() -> dict[str, str]:
    return {"limits": "letters=2/1h, log_in_client=off"}


async def test_the_counters_hold_what_is_set(vestibule: Vestibule) -> None:
    assert [await take(vestibule, LETTERS) for _ in range(3)] == [True, True, False]


async def test_a_limit_that_is_off_counts_nothing(vestibule: Vestibule) -> None:
    assert all([await take(vestibule, LOG_IN_CLIENT) for _ in range(120)])


async def test_a_span_from_the_first_count_ends_however_many_follow(
    vestibule: Vestibule, clock: MovableClock
) -> None:
    """Many people share such a key, and together they never rest."""
    shared = Limit("shared", most=4, within=HOUR, from_first=True)
    counted = []
    for _ in range(12):
        counted.append(await take(vestibule, shared))
        clock.move(HOUR / 5)
    assert counted == ([True] * 4 + [False]) * 2 + [True] * 2
