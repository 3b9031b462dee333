"""Values of settings: what names look like, and functions that return a value or say what is allowed."""

import ipaddress
import re
import zoneinfo
from collections.abc import Collection
from datetime import datetime
from urllib.parse import urlsplit

NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
# The shortest limit of what is made of a name and an environment: a load balancer's or a target group's, and
# that of a bucket when account and region follow.
NAME_LIMIT = 32
ACCOUNT = r"^\d{12}$"
REGION = r"^[a-z]{2}(-[a-z]+)+-\d$"


# Public, private and isolated subnets in each of three zones, of equal size, make 16 parts of the range.
SUBNET_BITS = 4
# "CIDR blocks for your VPC" (Amazon VPC User Guide), and /27 with eight free addresses for each subnet of a
# load balancer ("Application Load Balancers", Elastic Load Balancing).
_VPC_PREFIXES = range(16, 27 - SUBNET_BITS + 1)
_NOT_FOR_VPC = tuple(
    map(ipaddress.IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"))
)
HOST_NAME = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"

# "Cron expressions reference" in the Amazon EventBridge User Guide: names, least, most, words for numbers.
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_CRON_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minutes", 0, 59, ()),
    ("hours", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("day of week", 1, 7, DAYS),
    ("year", 1970, 2199, ()),
)


def vpc_range(value: str) -> str:
    """Return the address range of a VPC; refuse what EC2 or a load balancer cannot use."""
    try:
        network = ipaddress.IPv4Network(value, strict=False)
    except ValueError:
        raise ValueError("must be a range of IPv4 addresses such as 10.0.0.0/16") from None
    if str(network) != value:
        raise ValueError(f"must begin at the range's first address and end in its length: {network}")
    if network.prefixlen not in _VPC_PREFIXES:
        raise ValueError(
            f"must be from /{_VPC_PREFIXES[0]} to /{_VPC_PREFIXES[-1]}: no VPC is larger, and a smaller one "
            "has no subnet of the /27 that a load balancer needs"
        )
    if any(network.overlaps(other) for other in _NOT_FOR_VPC):
        raise ValueError("must not be of what a VPC cannot have: " + ", ".join(map(str, _NOT_FOR_VPC)))
    return value


def addresses_of_subnet(vpc_cidr: str) -> int:
    """Return how many addresses a subnet has; AWS keeps five of each."""
    return int(2 ** (32 - ipaddress.IPv4Network(vpc_cidr).prefixlen - SUBNET_BITS)) - 5


def web_address(value: str) -> str:
    """Return an address of the web; refuse one without a possible host or port."""
    try:
        parts = urlsplit(value)
        port, host = parts.port, parts.hostname or ""
    except ValueError as error:
        raise ValueError(f"must be an address of the web: {error}") from None
    if port == 0 or not (re.match(HOST_NAME, host, re.ASCII) or _is_ip_address(host)):
        raise ValueError("must be an address of the web with a host name such as https://www.example.com/")
    return value


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def schedule_expression(value: str) -> str:
    """Return a schedule, ``cron(…)`` or ``at(…)``; refuse what never comes or is none."""
    kind, _, inner = value.removesuffix(")").partition("(")
    if kind == "at":
        try:
            datetime.strptime(inner, "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007 - its zone is a setting of its own
        except ValueError:
            raise ValueError("must be a date and time such as at(2030-12-24T18:00:00)") from None
        return value
    fields = inner.split()
    if len(fields) != len(_CRON_FIELDS):
        raise ValueError(f"must have six fields ({', '.join(name for name, *_ in _CRON_FIELDS)})")
    for field, (name, low, high, words) in zip(fields, _CRON_FIELDS, strict=True):
        if not all(_is_cron_element(each, name, range(low, high + 1), words) for each in field.split(",")):
            raise ValueError(f"must have {name} from {low} to {high}, not {field}")
    if (fields[2] == "?") == (fields[4] == "?"):
        raise ValueError("must have ? as day of month or as day of week, and not as both")
    return value


def _is_cron_element(text: str, field: str, numbers: Collection[int], words: tuple[str, ...]) -> bool:
    """Return whether a part of a cron field is a number, word, range, step, or what its field has besides."""
    known = {str(number) for number in numbers} | {f"0{n}" for n in numbers if n < 10} | set(words)
    first, slash, step = text.partition("/")
    if slash and not (step.isascii() and step.isdigit() and 0 < int(step) <= max(numbers)):
        return False
    if field == "day of month" and text in ("?", "L", "LW"):
        return True
    if field == "day of week" and text in ("?", "L"):
        return True
    if field == "day of month" and text.endswith("W"):
        return text[:-1] in known
    if field == "day of week" and (found := re.fullmatch(r"(\w+)(L|#[1-5])", text, re.ASCII)):
        return found[1] in known
    low, dash, high = first.partition("-")
    return first == "*" or (low in known and (not dash or high in known))


def mountable_path(value: str) -> str:
    """Return an absolute path of a container, unless a volume there would hide what the kernel keeps.

    Raises
    ------
    ValueError
        When it is below /proc, /sys or /dev.
    """
    if value.split("/")[1] in {"proc", "sys", "dev"}:
        raise ValueError(f"{value} is the kernel's: a volume would hide it")
    return value


def known_time_zone(value: str) -> str:
    """Return the name of a time zone; refuse one that the system's list of zones does not have."""
    if (known := zoneinfo.available_timezones()) and value not in known:
        raise ValueError("must be the name of a time zone such as Europe/Berlin")
    return value
