"""Waiting on conditions with deadlines. Nothing in these tests sleeps for a guessed time."""

import time

_POLL_SECONDS = 0.02


class Timeout(AssertionError):
    """The condition did not come true in time."""


def wait_until(condition, seconds, what):
    """Returns the first true value of `condition()`; fails with `what` after `seconds`.

    `what` is a text, or a function that composes one when it is needed.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            text = what() if callable(what) else what
            raise Timeout(f"not within {seconds} s: {text}")
        time.sleep(_POLL_SECONDS)


class Deadline:
    """What is left of a time span."""

    def __init__(self, seconds):
        self._end = time.monotonic() + seconds

    def left(self):
        return max(0.0, self._end - time.monotonic())

    def passed(self):
        return self.left() == 0.0
