"""Days of a cron expression, as "Cron expressions reference" (Amazon EventBridge User Guide) reads it."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from itertools import pairwise

from stacks.settings.values import DAYS, MONTHS, schedule_expression

# Eight years have every length of a month, every weekday of its first day that matters, and two leap days.
_YEARS = (date(2027, 1, 1), date(2035, 1, 1))
# What Secrets Manager allows between two rotations: "RotationRulesType" (AWS Secrets Manager API Reference).
_MOST_DAYS = 1000


def rotation_schedule(value: str) -> str:
    """Return a schedule; refuse one that never comes, or so seldom that Secrets Manager does not take it."""
    days = longest_pause_days(schedule_expression(value))
    if days is None or days > _MOST_DAYS:
        raise ValueError(f"must come at least every {_MOST_DAYS} days")
    return value


@cache
def longest_pause_days(value: str) -> int | None:
    """Return the most days between two days of a schedule that has no year; None if it never comes."""
    _, _, day_field, month_field, weekday_field, _ = value.removeprefix("cron(").removesuffix(")").split()
    first, end = _YEARS
    every = (first + timedelta(number) for number in range((end - first).days))
    months = _numbers(month_field, MONTHS, 1, 12)
    found = [
        day
        for day in every
        if day.month in months
        and any(_is_day(day, each) for each in day_field.split(","))
        and any(_is_weekday(day, each) for each in weekday_field.split(","))
    ]
    return max(((after - before).days for before, after in pairwise(found)), default=None)


def _is_day(day: date, element: str) -> bool:
    """Return whether an element of the field of days of the month names a day."""
    last = _last_of_month(day)
    if element in ("L", "LW"):
        return day == (_nearest_weekday(last) if element == "LW" else last)
    if element.endswith("W"):
        number = int(element[:-1])
        return number <= last.day and day == _nearest_weekday(day.replace(day=number))
    return element == "?" or day.day in _numbers(element, (), 1, 31)


def _is_weekday(day: date, element: str) -> bool:
    """Return whether an element of the field of days of the week names a day; Sunday is 1."""
    weekday = day.isoweekday() % 7 + 1
    name, _, nth = element.partition("#")
    if nth:
        return weekday in _numbers(name, DAYS, 1, 7) and (day.day - 1) // 7 + 1 == int(nth)
    if element.endswith("L") and element != "L":
        in_last_week = day.day > _last_of_month(day).day - 7
        return weekday in _numbers(element[:-1], DAYS, 1, 7) and in_last_week
    return element == "?" or weekday in _numbers(element.replace("L", "7"), DAYS, 1, 7)


def _last_of_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(4)).replace(day=1) - timedelta(1)


def _nearest_weekday(day: date) -> date:
    """Return the working day that is nearest, in the same month."""
    if day.isoweekday() == 6:
        return day - timedelta(1) if day.day > 1 else day + timedelta(2)
    if day.isoweekday() == 7:
        return day + timedelta(1) if day != _last_of_month(day) else day - timedelta(2)
    return day


@cache
def _numbers(field: str, words: Sequence[str], low: int, high: int) -> frozenset[int]:
    """Return the numbers that a field of words, numbers, ranges and steps means."""
    found: set[int] = set()
    for element in field.split(","):
        span, slash, step = element.partition("/")
        start, dash, stop = span.partition("-")
        begin = low if start == "*" else _number(start, words, low)
        end = _number(stop, words, low) if dash else high if slash or start == "*" else begin
        numbers = range(begin, end + 1) if begin <= end else (*range(begin, high + 1), *range(low, end + 1))
        found.update(tuple(numbers)[:: int(step) if slash else 1])
    return frozenset(found)


def _number(text: str, words: Sequence[str], low: int) -> int:
    return words.index(text) + low if text in words else int(text)
