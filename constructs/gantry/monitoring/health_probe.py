"""Asks a service how it is, from outside; what a canary of CloudWatch Synthetics runs.

The whole file is the canary's script, so that it may use nothing but the standard library.
"""

import os
import urllib.request

_SECONDS = 10


def handler(_event: object, _context: object) -> str:
    """Return what was found; raise when the service is not well, which fails the run."""
    url = os.environ["URL"]
    # The address is the environment's own setting.
    request = urllib.request.Request(url, headers={"User-Agent": "gantry-health-probe"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310
        found = f"{url} answered {response.status}"
        if response.status != 200:
            raise RuntimeError(found)
    return found
