"""boto3 sessions that reach a sandbox and obey nothing of the user's: no variable, file, profile or proxy."""

import os
from collections.abc import Mapping

import boto3
import botocore.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES

_FILES = {"config_file": os.devnull, "credentials_file": os.devnull}


def session(variables: Mapping[str, str]) -> boto3.Session:
    """Return a session for the sandbox; its clients take `endpoint_url` from the same variables.

    Parameters
    ----------
    variables
        What `Sandbox.environment` returns.
    """
    # botocore looks every setting up in a variable, then in the user's files, unless it gets other places.
    settings = {
        name: (None, None, _FILES.get(name, default), convert)
        for name, (_, _, default, convert) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
    }
    core = botocore.session.Session(session_vars=settings)
    core.set_default_client_config(Config(proxies={}))  # none, where None would be the user's
    return boto3.Session(
        botocore_session=core,
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_REGION"],
    )
