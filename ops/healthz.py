"""How the service answers at its health path, as its users reach it."""

import http.client
import ipaddress
import ssl
import urllib.error
import urllib.request
from contextlib import suppress
from urllib.parse import urlsplit

from contract.service import HEALTH_PATH

OK = "HTTP 200"


def answer(url: str, *, named: bool) -> str:
    """Return the status that the service answers with, ``HTTP 200``, or why it does not.

    Parameters
    ----------
    url
        The service's.
    named
        Whether the service has a name of its own; for one of AWS's no certificate can be.
    """
    # A proxy connects to the internet, which has no route back to this machine.
    handlers: list[urllib.request.BaseHandler] = (
        [urllib.request.ProxyHandler({})] if _is_this_machine(urlsplit(url).hostname or "") else []
    )
    context = ssl.create_default_context()
    context.check_hostname = named
    handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(f"{url}{HEALTH_PATH}", timeout=5) as response:
            return f"HTTP {response.status}"
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except (OSError, http.client.HTTPException) as error:
        return f"unreachable: {error}"


def _is_this_machine(host: str) -> bool:
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        return address.is_loopback or address.is_unspecified
    return False
