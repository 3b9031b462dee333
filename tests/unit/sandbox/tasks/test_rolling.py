"""Steps of a rolling update that are easy to get wrong."""

import dataclasses
from typing import Literal

from sandbox.tasks.rolling import Bounds, Plan, plan

State = Literal["starting", "healthy", "unhealthy"]


@dataclasses.dataclass(eq=False)
class FakeTask:
    state: State

    @property
    def healthy(self) -> bool:
        return self.state == "healthy"

    @property
    def unhealthy(self) -> bool:
        return self.state == "unhealthy"


def step(
    current: str, older: str, *, desired: int = 2, fewest: int = 2, most: int = 4, may_start: bool = True
) -> Plan[FakeTask]:
    """Plan for tasks written as letters: s(tarting), h(ealthy), u(nhealthy)."""
    states: dict[str, State] = {"s": "starting", "h": "healthy", "u": "unhealthy"}
    return plan(
        Bounds(desired=desired, minimum_healthy=fewest, maximum_running=most),
        current=[FakeTask(states[letter]) for letter in current],
        older=[FakeTask(states[letter]) for letter in older],
        may_start=may_start,
    )


def counts(made: Plan[FakeTask]) -> tuple[int, int]:
    return made.start, len(made.stop)


def test_new_tasks_start_next_to_the_old_ones() -> None:
    assert counts(step("", "hh")) == (2, 0)


def test_old_tasks_stay_until_new_ones_are_healthy() -> None:
    assert counts(step("ss", "hh")) == (0, 0)
    assert counts(step("hs", "hh")) == (0, 1)
    assert counts(step("hh", "h")) == (0, 1)


def test_old_tasks_make_way_when_there_is_no_room_next_to_them() -> None:
    assert counts(step("", "hh", fewest=1, most=2)) == (0, 1)
    assert counts(step("", "h", fewest=1, most=2)) == (1, 0)
    assert counts(step("s", "h", fewest=1, most=2)) == (0, 0)


def test_old_tasks_do_not_make_way_for_tasks_that_may_not_start() -> None:
    assert counts(step("", "hh", fewest=1, most=2, may_start=False)) == (0, 0)


def test_old_tasks_that_never_got_healthy_go_at_once() -> None:
    assert counts(step("", "sshh")) == (0, 2)
    assert counts(step("s", "uh", fewest=1)) == (1, 1)


def test_an_unhealthy_task_is_replaced_before_it_is_stopped() -> None:
    assert counts(step("hu", "")) == (1, 0)
    assert counts(step("hus", "")) == (0, 0)
    assert counts(step("huh", "")) == (0, 1)


def test_an_unhealthy_task_is_stopped_first_when_there_is_no_room_next_to_it() -> None:
    assert counts(step("hu", "", most=2)) == (0, 1)


def test_a_smaller_desired_count_stops_first_what_is_not_healthy() -> None:
    made = step("hsh", "", desired=2)
    assert [task.state for task in made.stop] == ["starting"]
    assert counts(step("hhhh", "", desired=0, fewest=0, most=0)) == (0, 4)


def test_bounds_that_let_nothing_happen_are_noticed() -> None:
    assert step("", "hh", fewest=2, most=2).stuck
    assert not step("s", "h", fewest=1, most=2).stuck
    assert not step("", "hh", fewest=1, most=2).stuck
