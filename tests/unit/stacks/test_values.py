"""Values are read as what they are: what AWS documents is accepted, and what is none is refused."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.settings.values import (
    SUBNET_BITS,
    addresses_of_subnet,
    known_time_zone,
    schedule_expression,
    vpc_range,
    web_address,
)


# Of "Cron expressions reference" in the Amazon EventBridge User Guide, and its page on rates and dates.
@pytest.mark.parametrize(
    "value",
    [
        "cron(0 10 * * ? *)",
        "cron(15 12 * * ? *)",
        "cron(0 18 ? * MON-FRI *)",
        "cron(0 8 1 * ? *)",
        "cron(0/15 * * * ? *)",
        "cron(0/10 * ? * MON-FRI *)",
        "cron(0/5 8-17 ? * MON-FRI *)",
        "cron(0/30 20-2 ? * MON-FRI *)",
        "cron(0 9 ? * 2#1 *)",
        "cron(0 9 ? * 6L 2022-2023)",
        "cron(0 9 L * ? *)",
        "cron(0 9 3W JAN,FEB ? *)",
        "at(2030-12-24T18:00:00)",
    ],
)
def test_schedules_of_the_documentation_are_read(value: str) -> None:
    assert schedule_expression(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "cron(60 1 * * ? *)",
        "cron(0 1 * 13 ? *)",
        "cron(0 1 ? * ? *)",
        "cron(0 1 * * ? 1969)",
        "cron(1-x 1 * * ? *)",
        "cron(0/0 1 * * ? *)",
        "cron(0 1 ? * 8#1 *)",
        "cron(0 1 40W * ? *)",
        "cron()",
        "at(tomorrow)",
    ],
)
def test_what_never_comes_is_no_schedule(value: str) -> None:
    with pytest.raises(ValueError, match="must"):
        schedule_expression(value)


@given(st.integers(10 << 24, (11 << 24) - 1), st.integers(0, 32))
def test_range_in_use_has_subnets_that_serve_a_load_balancer(address: int, length: int) -> None:
    network = ipaddress.IPv4Network((address, length), strict=False)
    if length not in range(16, 24):
        with pytest.raises(ValueError, match="must be from /16 to /23"):
            vpc_range(str(network))
        return
    assert vpc_range(str(network)) == str(network)
    assert next(network.subnets(prefixlen_diff=SUBNET_BITS)).num_addresses - 5 == addresses_of_subnet(
        str(network)
    )
    assert addresses_of_subnet(str(network)) >= 8


@pytest.mark.parametrize(
    "value",
    [
        "https://www.example.com",
        "http://10.0.0.1:8080/healthz",
        "https://[2001:db8::1]/",
        "https://A.example/",
    ],
)
def test_addresses_of_the_web_are_read(value: str) -> None:
    assert web_address(value) == value


@pytest.mark.parametrize("value", ["Etc/UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_time_zones_are_read(value: str) -> None:
    assert known_time_zone(value) == value
