"""Lambda: functions whose failure no log would show, and processes that no one needs any more."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import cloudwatch_logs, lambda_svc
from ministack.services.cloudformation import custom_resource

from sandbox.plugin.patching import wrap


def install() -> None:
    """Correct what ministack does differently."""
    _fail_custom_resources_at_once()
    _end_idle_processes()
    _leave_log_groups_to_their_stacks()


def _fail_custom_resources_at_once() -> None:
    # A function that raises answers nothing, and CloudFormation waits for the resource's ServiceTimeout, an
    # hour by default. AWS does too; here the reason is known, so the resource fails with it.
    @wrap(lambda_svc, "_execute_function_with_config_scope")
    def execute(
        original: Callable[..., dict[str, Any]], func: dict[str, Any], event: dict[str, Any]
    ) -> dict[str, Any]:
        result = original(func, event)
        if result.get("error") and isinstance(event, dict) and "ResponseURL" in event:
            token = event["ResponseURL"].rpartition("/")[2]
            name = func["config"]["FunctionName"]
            reason = f"The function {name} failed: {json.dumps(result.get('body'))}"
            custom_resource.deliver_response(token, {"Status": "FAILED", "Reason": reason})
        return result


def _end_idle_processes() -> None:
    # ministack keeps one process of each function permanently, some 50 MiB each; Lambda ends what is idle.
    # https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
    @wrap(lambda_svc, "reap_idle_workers")
    def reap_idle_workers(original: Callable[..., int], ttl: float | None = None) -> int:
        ended = original(ttl)
        idle_since = time.time() - (lambda_runtime._LOCAL_WORKER_TTL if ttl is None else ttl)
        with lambda_runtime._lock:
            idle = [
                (key, worker)
                for key, workers in lambda_runtime._workers.items()
                for worker in workers
                if not worker.in_use and worker.last_used < idle_since
            ]
            for key, worker in idle:
                lambda_runtime._workers[key].remove(worker)
        lambda_runtime.kill_workers([worker for _, worker in idle])
        return ended + len(idle)


def _leave_log_groups_to_their_stacks() -> None:
    # The role of a function that names its log group may write into it, and not make it: what is logged while
    # its stack goes is lost. ministack makes the group again, which no stack owns then.
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-loggroups.html
    @wrap(lambda_svc, "_emit_lambda_logs")
    def emit_logs(
        original: Callable[..., None], func: dict[str, Any], *rest: object, **options: object
    ) -> None:
        named = (func.get("config") or func).get("LoggingConfig", {}).get("LogGroup")
        if not named or named in cloudwatch_logs._log_groups:
            original(func, *rest, **options)
            _give_ids(cloudwatch_logs._log_groups.get(named) or {})


def _give_ids(group: dict[str, Any]) -> None:
    # At AWS every event has one ("FilteredLogEvent" in the CloudWatch Logs API Reference): 56 digits.
    for stream in group.get("streams", {}).values():
        for event in stream["events"]:
            event.setdefault("eventId", f"{uuid.uuid4().int:056}")
