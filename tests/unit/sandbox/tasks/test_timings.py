from sandbox.tasks.timings import Backoff, Timings

TIMINGS = Timings(first_backoff=1, longest_backoff=8, stable_after=10)


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(TIMINGS)
    pauses = []
    for _ in range(6):
        backoff.failed(100, healthy_since=None)
        pauses.append(backoff.not_before - 100)
    assert pauses == [1, 2, 4, 8, 8, 8]
    for _ in range(5000):
        backoff.failed(100, healthy_since=None)
    assert backoff.not_before == 108


def test_a_task_that_was_healthy_for_long_ends_the_row_and_is_replaced_at_once() -> None:
    backoff = Backoff(TIMINGS)
    backoff.failed(100, healthy_since=None)
    backoff.failed(100, healthy_since=95)
    assert backoff.failures == 2
    backoff.failed(100, healthy_since=90)
    assert (backoff.failures, backoff.not_before) == (0, 0)
