"""The newest values of metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ops import aws_errors
from ops.status.look import Look

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef, MetricTypeDef

# RDS and ElastiCache publish every minute, and some minutes late.
_WINDOW = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of one dimension, of which the largest value within a minute counts."""

    namespace: str
    name: str
    dimension: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Values:
    """The newest values of metrics by name; none where a metric has no data.

    Attributes
    ----------
    reason
        Why they could not be read; empty when they were.
    """

    reason: str = ""
    newest: Mapping[str, float] = field(default_factory=dict)


def newest(look: Look, metrics: Mapping[str, Metric]) -> Values:
    """Return the newest value of each metric within the last minutes."""
    names = dict(enumerate(metrics))
    queries = [_query(f"m{number}", metrics[name]) for number, name in names.items()]
    try:
        pages = look.environment.cloudwatch.get_paginator("get_metric_data").paginate(
            StartTime=look.now - _WINDOW, EndTime=look.now, MetricDataQueries=queries
        )
        results = [result for page in pages for result in page["MetricDataResults"]]
    except (BotoCoreError, ClientError) as error:
        return Values(reason=aws_errors.reason(error))
    found = [
        (names[int(result["Id"][1:])], max(zip(result["Timestamps"], result["Values"], strict=True))[1])
        for result in results
        if result["Values"]
    ]
    return Values(newest=dict(found))


def _query(name: str, metric: Metric) -> "MetricDataQueryTypeDef":
    of: MetricTypeDef = {
        "Namespace": metric.namespace,
        "MetricName": metric.name,
        "Dimensions": [{"Name": metric.dimension, "Value": metric.value}],
    }
    return {"Id": name, "MetricStat": {"Metric": of, "Period": 60, "Stat": "Maximum"}}
