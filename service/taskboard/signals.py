"""The signals that the first process waits for."""

import signal

STOP = frozenset({signal.SIGTERM, signal.SIGINT})
AWAITED = STOP | {signal.SIGCHLD, signal.SIGALRM}
