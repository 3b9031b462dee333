"""Traefik's two files, and the command that runs it.

Where it listens is in its static file, which it reads at its start: also spare ports, so that a load balancer
or a cache that is deployed later restarts nothing. What is served there is in its dynamic file, which it
obeys within milliseconds of a change ("Configuration Introduction" in Traefik's documentation).
"""

import json
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sandbox.files import write_atomically
from sandbox.layout import Layout
from sandbox.load_balancer.config import Listener, LoadBalancerConfig
from sandbox.ports import HOST, LOAD_BALANCER_PORTS, Ports
from sandbox.tls import Authority

Document = dict[str, Any]

# Where it says which version of its dynamic file it obeys; it takes no orders there.
STATUS = LOAD_BALANCER_PORTS + "status"
VERSION_HEADER, FOLDER_HEADER = "X-Version", "X-Folder"

# Go, in which Traefik is written, adds 4 KiB to the limit: together 64 KiB, an Application Load Balancer's
# ("Quotas for your Application Load Balancers" in AWS's documentation).
_HEADER_BYTES = 60 * 1024
# For a whole request, and for a client between two: an Application Load Balancer's idle timeout by default.
CLIENT_SECONDS = 60
_CONNECT_SECONDS = 10  # an Application Load Balancer's
# Shorter than any server keeps an idle connection, so that none is closed on a request that comes just then.
_IDLE_SECONDS = 1
# Of a request that no target has read: by the time that all were asked, a target that is gone is known to be.
_CONNECT_ATTEMPTS = 20
# Of an idempotent request whose target broke off before its answer.
_ANSWER_ATTEMPTS = 3
_REPEATED_BYTES = 65536
_ENCODED = ("Slash", "BackSlash", "NullCharacter", "Semicolon", "Percent", "QuestionMark", "Hash")


def _longer_than(length: int) -> str:
    """Return a regular expression for what is longer; Go allows a thousand repetitions of one thing."""
    return "^" + ".{1000}" * (length // 1000) + f".{{{length % 1000}}}."


# What AWS's core rule set refuses with 403, and above what size ("AWS Managed Rules baseline rule groups" in
# the AWS WAF developer guide).
_REFUSED = {
    "NoUserAgent_HEADER": "!HeaderRegexp(`User-Agent`, `.*`)",
    "SizeRestrictions_URIPATH": f"PathRegexp(`{_longer_than(1024)}`)",
    "SizeRestrictions_Cookie_HEADER": f"HeaderRegexp(`Cookie`, `{_longer_than(10240)}`)",
}
_BODY_RULE = "SizeRestrictions_BODY"
# The rules of AWS's core rule set that Traefik can follow.
BLOCKING_RULES = tuple(sorted((*_REFUSED, _BODY_RULE)))
_BODY_BYTES = 8192


def command(layout: Layout, ports: Ports) -> list[str]:
    """Write the static file and return the command line that runs Traefik.

    Raises
    ------
    RuntimeError
        When it is not installed.
    """
    own = Path(sys.executable).parent
    program = shutil.which("traefik", path=os.pathsep.join((str(own), os.environ.get("PATH", os.defpath))))
    if program is None:
        raise RuntimeError(f"the load balancer's program, traefik, is neither in {own} nor on PATH")
    ports.get(STATUS)
    known = {name: port for name, port in ports.known().items() if name.startswith(LOAD_BALANCER_PORTS)}
    dynamic_file(layout).parent.mkdir(parents=True, exist_ok=True)
    file = layout.load_balancer / "static.json"
    write_atomically(file, json.dumps(_static(layout, known.values()), indent=1))
    return [program, f"--configFile={file}"]


def dynamic_file(layout: Layout) -> Path:
    """Return the file that Traefik watches."""
    return layout.load_balancer / "served" / "dynamic.yaml"  # JSON is YAML, and of the two it takes YAML


def _entry_point(port: int) -> str:
    return f"port-{port}"


def _static(layout: Layout, ports: Iterable[int]) -> Document:
    """Return where Traefik listens, on the loopback interface alone, and what it accepts of a client."""
    entry_point: Document = {
        "forwardedHeaders": {"insecure": True},  # as "append", an Application Load Balancer's default
        "http": {
            # A path reaches the target as the client wrote it.
            "sanitizePath": False,
            "encodedCharacters": {f"allowEncoded{each}": True for each in _ENCODED},
            # `drop_invalid_header_fields` drops X_Name, too: to CGI it is the same as X-Name.
            "aliasHeadersStrategy": "delete",
            "maxHeaderBytes": _HEADER_BYTES,
        },
        "transport": {
            "respondingTimeouts": {"readTimeout": f"{CLIENT_SECONDS}s", "idleTimeout": f"{CLIENT_SECONDS}s"}
        },
    }
    return {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "ERROR", "noColor": True},
        "entryPoints": {_entry_point(port): {"address": f"{HOST}:{port}", **entry_point} for port in ports},
        "providers": {
            # Every change is obeyed at once: the default gathers those of two seconds.
            "providersThrottleDuration": "1ms",
            "file": {"directory": str(dynamic_file(layout).parent), "watch": True},
        },
    }


def dynamic(config: LoadBalancerConfig, *, folder: Path, status_port: int, authority: Authority) -> Document:
    """Return what Traefik serves.

    Parameters
    ----------
    config
        Listeners, target groups and TLS proxies.
    folder, status_port
        The sandbox's folder, and where Traefik says that it serves this one, and which version.
    authority
        Signed the one certificate that it presents.
    """
    answer = {VERSION_HEADER: str(config.version), FOLDER_HEADER: str(folder)}
    http: Document = {
        "routers": {"status": _router(status_port, "noop@internal", "status")},
        "middlewares": {
            "status": {"headers": {"customResponseHeaders": answer}},
            "ask-again": {
                "retry": {
                    "attempts": _ANSWER_ATTEMPTS,
                    "status": ["502"],
                    "disableRetryOnNetworkError": True,
                    "maxRequestBodyBytes": _REPEATED_BYTES,
                }
            },
            "refuse": {"ipAllowList": {"sourceRange": ["255.255.255.255/32"]}},  # no one: 403
            "small-body": {"buffering": {"maxRequestBodyBytes": _BODY_BYTES}},
            "connect-again": {"retry": {"attempts": _CONNECT_ATTEMPTS}},
        },
    }
    # Traefik refuses a section that is empty.
    if config.listeners:
        http |= {"services": {}, "serversTransports": {}}
    for listener in config.listeners.values():
        _add_listener(http, config, listener)
    certificate = {"certFile": str(authority.server_certificate), "keyFile": str(authority.server_key)}
    document: Document = {
        "http": http,
        "tls": {
            "stores": {"default": {"defaultCertificate": certificate}},
            "options": {"default": {"minVersion": "VersionTLS12"}},
        },
    }
    if config.tls_proxies:
        document["tcp"] = _tls_proxies(config)
    return document


def _add_listener(http: Document, config: LoadBalancerConfig, listener: Listener) -> None:
    name = _entry_point(listener.port)
    forwarded = {
        "X-Forwarded-Proto": "https" if listener.secure else "http",
        "X-Forwarded-Port": str(listener.port),
        # An Application Load Balancer sends no others.
        **dict.fromkeys(("X-Forwarded-Host", "X-Forwarded-Server", "X-Real-Ip"), ""),
    }
    http["middlewares"][name] = {"headers": {"customRequestHeaders": forwarded}}
    small = ["small-body"] if _BODY_RULE in listener.blocking_rules else []
    routers = {name: _router(listener.port, name, name, *small, "ask-again", "connect-again")}
    for each in listener.blocking_rules:
        if each in _REFUSED:  # a longer rule goes first, as Traefik has it
            routers[f"{name}/{each}"] = _router(listener.port, name, "refuse") | {"rule": _REFUSED[each]}
    secured: Document = {"tls": {}} if listener.secure else {}
    http["routers"] |= {each: router | secured for each, router in routers.items()}
    http["serversTransports"][name] = {
        "forwardingTimeouts": {
            "dialTimeout": f"{_CONNECT_SECONDS}s",
            "responseHeaderTimeout": f"{listener.idle_timeout}s",
            "idleConnTimeout": f"{_IDLE_SECONDS}s",
        }
    }
    shares = []
    for group, weight in config.shares(listener).items():
        service = f"{name}/{group}"
        servers = [{"url": f"http://{target.address}"} for target in config.serving(group)]
        http["services"][service] = {"loadBalancer": {"servers": servers, "serversTransport": name}}
        shares.append({"name": service, "weight": weight})
    http["services"][name] = {"weighted": {"services": shares}}


def _router(port: int, service: str, *middlewares: str) -> Document:
    return {
        "entryPoints": [_entry_point(port)],
        "rule": "PathPrefix(`/`)",
        "service": service,
        "middlewares": list(middlewares),
    }


def _tls_proxies(config: LoadBalancerConfig) -> Document:
    routers, services = {}, {}
    for proxy in config.tls_proxies.values():
        name = _entry_point(proxy.port)
        upstream = f"{HOST}:{proxy.upstream_port}"
        routers[name] = {"entryPoints": [name], "rule": "HostSNI(`*`)", "service": name, "tls": {}}
        services[name] = {"loadBalancer": {"servers": [{"address": upstream}]}}
    return {"routers": routers, "services": services}
