"""Schedules: how long they pause, held against dates that the calendar has."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.settings.schedules import longest_pause_days


@pytest.mark.parametrize(
    ("schedule", "days"),
    [
        ("0 3 1 * ? *", 31),
        ("0 3 21 1,4,7,10 ? *", 92),
        ("0 3 * * ? *", 1),
        ("0 3 ? * SUN *", 7),
        ("0 3 ? * MON-FRI *", 3),
        ("0 3 ? * FRI-MON *", 4),
        ("0 3 1/10 * ? *", 10),
        ("0 3 31 * ? *", 61),
        ("0 3 L * ? *", 31),
        ("0 3 LW * ? *", 33),
        ("0 3 15W * ? *", 32),
        ("0 3 1W * ? *", 33),
        ("0 3 ? * 2#1 *", 35),
        ("0 3 ? * 6L *", 35),
        ("0 3 ? * L *", 7),
        ("0 3 1 JAN ? *", 366),
        ("0 3 29 2 ? *", 1461),
        ("0 3 30 2 ? *", None),
    ],
)
def test_longest_pause_is_the_calendars(schedule: str, days: int | None) -> None:
    assert longest_pause_days(f"cron({schedule})") == days


@given(st.sets(st.integers(1, 28), min_size=1), st.sets(st.integers(1, 12), min_size=1))
def test_longest_pause_of_days_in_months(days: set[int], months: set[int]) -> None:
    field = ",".join(map(str, sorted(days))), ",".join(map(str, sorted(months)))
    first = date(2027, 1, 1)
    every = [first + timedelta(number) for number in range(8 * 365 + 2)]
    comes = [day for day in every if day.day in days and day.month in months]
    expected = max((after - before).days for before, after in pairwise(comes))
    assert longest_pause_days(f"cron(0 3 {field[0]} {field[1]} ? *)") == expected
