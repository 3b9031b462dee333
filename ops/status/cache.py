"""The cache."""

from collections.abc import Iterator
from dataclasses import dataclass

from ops.status.look import Look
from ops.status.metrics import Metric, newest
from ops.status.part import Part

# It serves while it is modified.
_SERVING = frozenset({"available", "modifying"})
_STORED = "BytesUsedForCache"


@dataclass(frozen=True, kw_only=True)
class Cache(Part):
    """The serverless cache.

    Attributes
    ----------
    stored_bytes
        None where CloudWatch has no data.
    metrics_unknown
        Why they could not be read; empty when they were.
    """

    cache: str
    status: str
    engine: str
    version: str
    stored_bytes: float | None
    max_data_gb: int
    metrics_unknown: str

    def problems(self) -> Iterator[str]:
        """Yield that it does not serve."""
        if self.status not in _SERVING:
            yield f"the cache {self.cache} is {self.status}"

    def unknown(self) -> Iterator[str]:
        """Yield why the metrics are missing."""
        if self.metrics_unknown:
            yield f"what it stores is unknown: {self.metrics_unknown}"

    def lines(self) -> Iterator[str]:
        """Yield how it is and what it stores."""
        stored = (
            "stored: no data"
            if self.stored_bytes is None
            else f"{self.stored_bytes / 1e6:.1f} MB of {self.max_data_gb} GB stored"
        )
        stored = "" if self.metrics_unknown else f", {stored}"
        yield f"{self.cache} {self.status}, {self.engine} {self.version}{stored}"
        yield from self.unknown()


def read(look: Look) -> Cache:
    """Return the environment's cache."""
    look.outputs("data")  # there is none before this layer
    name = look.settings.full_name
    cache = look.environment.caches.describe_serverless_caches(ServerlessCacheName=name)["ServerlessCaches"][
        0
    ]
    values = newest(
        look,
        {_STORED: Metric(namespace="AWS/ElastiCache", name=_STORED, dimension="clusterId", value=name)},
    )
    return Cache(
        cache=name,
        status=cache["Status"],
        engine=cache["Engine"],
        version=cache["FullEngineVersion"],
        stored_bytes=values.newest.get(_STORED),
        max_data_gb=look.settings.valkey.max_data_gb,
        metrics_unknown=values.reason,
    )
