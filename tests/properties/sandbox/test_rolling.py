"""The rolling update, played through with tasks that start, get healthy, fall ill and die in any order."""

import dataclasses
import random

from hypothesis import given
from hypothesis import strategies as st

from sandbox.tasks.rolling import Bounds, plan


@dataclasses.dataclass(eq=False)
class FakeTask:
    healthy: bool = False
    unhealthy: bool = False


@st.composite
def bounds(draw: st.DrawFn) -> Bounds:
    desired = draw(st.integers(0, 8))
    minimum = draw(st.integers(0, desired))
    maximum = draw(st.integers(max(desired, 1), 2 * desired + 1))
    return Bounds(desired=desired, minimum_healthy=minimum, maximum_running=maximum)


def tasks(size: int = 8) -> st.SearchStrategy[list[FakeTask]]:
    states = st.sampled_from([(False, False), (True, False), (False, True)])
    return st.lists(states.map(lambda state: FakeTask(*state)), max_size=size)


@given(bounds(), tasks(), tasks(), st.booleans())
def test_no_step_leaves_the_bounds(
    limits: Bounds, current: list[FakeTask], older: list[FakeTask], may_start: bool
) -> None:
    step = plan(limits, current=current, older=older, may_start=may_start)
    everything = current + older
    assert len(set(map(id, step.stop))) == len(step.stop)
    assert all(task in everything for task in step.stop)
    assert step.start >= 0
    assert step.start == 0 or len(everything) + step.start <= limits.maximum_running
    assert step.start == 0 or may_start
    healthy = sum(task.healthy for task in everything)
    lost = sum(task.healthy for task in step.stop)
    # A smaller desired count is the one reason to stop healthy tasks of the current deployment.
    surplus = max(0, sum(not task.unhealthy for task in current) - limits.desired)
    assert lost <= max(surplus, healthy - limits.minimum_healthy, 0)
    assert not (step.stuck and (step.start or step.stop))


@given(bounds(), tasks(), tasks())
def test_a_step_is_not_taken_twice(limits: Bounds, current: list[FakeTask], older: list[FakeTask]) -> None:
    step = plan(limits, current=current, older=older)
    current = [task for task in current if task not in step.stop]
    current += [FakeTask() for _ in range(step.start)]
    older = [task for task in older if task not in step.stop]
    again = plan(limits, current=current, older=older)
    # What was in the way is gone, so that others may start in its place; but nothing new is stopped for them.
    if not step.stop:
        assert (again.start, list(again.stop)) == (0, [])


@given(bounds(), st.integers(0, 8), st.randoms(use_true_random=False), st.data())
def test_every_deployment_ends_with_the_desired_tasks_and_no_others(
    limits: Bounds, before: int, chance: random.Random, data: st.DataObject
) -> None:
    if limits.maximum_running == limits.minimum_healthy:
        limits = dataclasses.replace(limits, maximum_running=limits.maximum_running + 1)
    older = [FakeTask(healthy=True) for _ in range(before)]
    current: list[FakeTask] = []
    mishaps = data.draw(st.integers(0, 6))
    for _ in range(200):
        step = plan(limits, current=current, older=older)
        assert not step.stuck
        current = [task for task in current if task not in step.stop]
        current += [FakeTask() for _ in range(step.start)]
        older = [task for task in older if task not in step.stop]
        if len(current) == limits.desired and not older and all(task.healthy for task in current):
            return
        starting = [task for task in current if not task.healthy and not task.unhealthy]
        if mishaps and current and chance.random() < 0.3:
            mishaps -= 1
            victim = chance.choice(current)
            if chance.random() < 0.5:
                current.remove(victim)
            else:
                victim.healthy, victim.unhealthy = False, True
        elif starting:
            chance.choice(starting).healthy = True
    raise AssertionError("the deployment does not end")
