"""PostgreSQL's log, which RDS exports to CloudWatch Logs where its cluster's stack has made a log group."""

import logging
import threading
import time
from pathlib import Path
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import cloudwatch_logs, rds

from contract import log_groups
from sandbox.layout import Layout
from sandbox.plugin.ecs_tasks import put_log_events
from sandbox.tasks import LogEvent

_logger = logging.getLogger(__name__)

_SECONDS = 1.0
_CHUNK = 256 * 1024  # bytes at a time

Cluster = dict[str, Any]


class DatabaseLogs:
    """Copies what the servers write from now on.

    Parameters
    ----------
    layout
        Where their logs are.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._positions: dict[Path, int] = {}

    def watch(self) -> None:
        """Copy on a thread."""
        for file in self._layout.logs.glob("postgres.*.log"):
            self._positions[file] = file.stat().st_size
        threading.Thread(target=self._watch, name="database-logs", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(_SECONDS)
            for (account, region, name), cluster in rds._clusters.all_items():
                try:
                    with request_scope(account, region):
                        self._copy(name, region, cluster)
                except Exception:
                    _logger.exception("the log of %s is not copied", name)

    def _copy(self, name: str, region: str, cluster: Cluster) -> None:
        file, group = self._layout.logs / f"postgres.{region}.{name}.log", log_groups.database(name)
        members = cluster.get("DBClusterMembers")
        if not members or group not in cloudwatch_logs._log_groups or not file.exists():
            return
        position = self._positions.get(file, 0)
        if file.stat().st_size < position:  # it began again
            position = 0
        with file.open("rb") as source:
            source.seek(position)
            whole, newline, _ = source.read(_CHUNK).rpartition(b"\n")
        self._positions[file] = position + len(whole) + len(newline)
        now = time.time_ns() // 1_000_000
        lines = [line for line in whole.decode(errors="replace").splitlines() if line]
        if lines:
            events = [LogEvent(timestamp=now, message=line) for line in lines]
            put_log_events(group, f"{members[0]['DBInstanceIdentifier']}.0", events)
