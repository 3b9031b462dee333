"""What can go wrong when tasks are run."""


class TaskError(Exception):
    """A task or service cannot be run; the message says which and why."""
