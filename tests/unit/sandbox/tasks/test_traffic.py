"""The steps of a deployment that moves the traffic."""

from typing import Any

import pytest

from sandbox.tasks.traffic import Stage, Step, TrafficShift, steps_of


def steps(configuration: dict[str, Any]) -> list[tuple[int, float]]:
    return [(each.percent, each.minutes) for each in steps_of(configuration)]


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ({}, []),
        ({"strategy": "ROLLING", "bakeTimeInMinutes": 5}, []),
        ({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5}, [(100, 5)]),
        (
            {"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 5, "canaryBakeTimeInMinutes": 3}},
            [(5, 3), (100, 0)],
        ),
        (
            {
                "strategy": "LINEAR",
                "linearConfiguration": {"stepPercent": 30, "stepBakeTimeInMinutes": 2},
                "bakeTimeInMinutes": 7,
            },
            [(30, 2), (60, 2), (90, 2), (100, 7)],
        ),
    ],
)
def test_each_strategy_has_its_steps(
    configuration: dict[str, Any], expected: list[tuple[int, float]]
) -> None:
    assert steps(configuration) == expected


def test_a_step_lasts_its_minutes_and_the_last_one_is_the_bake_time() -> None:
    shift = TrafficShift([Step(percent=10, minutes=2), Step(percent=100, minutes=1)], minute=60)
    seen = []
    for now in (0, 119, 120, 179, 180):
        moved = shift.advance(now)
        seen.append((now, moved, shift.percent, shift.stage))
    assert seen == [
        (0, True, 10, Stage.PRODUCTION_TRAFFIC_SHIFT),
        (119, False, 10, Stage.PRODUCTION_TRAFFIC_SHIFT),
        (120, True, 100, Stage.BAKE_TIME),
        (179, False, 100, Stage.BAKE_TIME),
        (180, False, 100, Stage.CLEAN_UP),
    ]


def test_a_strategy_without_steps_is_over_at_once() -> None:
    assert (TrafficShift((), minute=1).percent, TrafficShift((), minute=1).stage) == (100, Stage.CLEAN_UP)
