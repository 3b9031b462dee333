"""What the rotation functions weigh, as they are deployed: zip, cold import, memory of a warm step."""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

import boto3
import psutil

from contract.secrets import RotatingSecret
from sandbox.lifecycle import Sandbox
from tools.bench.measurement import Measurement
from tools.bench.throwaway import Harness, throwaway_sandbox

_MB, _MIB = 1e6, 2**20
_IMPORTS = 7
# What a new execution environment does: the handler, and what its kind of secret needs besides.
_COLD = """
import importlib, sys, time
began = time.perf_counter()
for name in sys.argv[1:]:
    importlib.import_module(name)
print(time.perf_counter() - began)
"""
_COLD_METHOD = (
    f"median of {_IMPORTS} new processes without compiled files, as in Lambda; "
    f"Python {sys.version_info.major}.{sys.version_info.minor}"
)
_MODULES = {secret: f"rotation.{secret.facts.module}" for secret in RotatingSecret}


def measure() -> Iterator[Measurement]:
    """Rotate each secret in a sandbox, and look at the functions that did it."""
    with throwaway_sandbox() as harness, tempfile.TemporaryDirectory(prefix="gantry-function-") as folder:
        harness.seconds("up", "--detach")
        for secret in _MODULES:
            harness.seconds("rotate", secret.value, "--wait")
        memory = _peak_memory(harness)
        zipped = _deployed_zip(harness)
        zipfile.ZipFile(BytesIO(zipped)).extractall(folder)
        yield Measurement(
            name="rotation function, zip", value=len(zipped) / _MB, unit="MB", target="≤ 5 MB",
            method="as deployed; one zip for all three",
        )  # fmt: skip
        for secret in _MODULES:
            yield Measurement(
                name=f"rotation of {secret.value}, cold import", value=_cold_import(Path(folder), secret),
                unit="s", target="", method=_COLD_METHOD,
            )  # fmt: skip
    for secret in _MODULES:
        yield Measurement(
            name=f"rotation of {secret.value}, warm", value=memory[secret] / _MIB, unit="MiB",
            target="≤ 128 MB", method="peak resident set of its process, after a whole rotation",
        )  # fmt: skip


def _deployed_zip(harness: Harness) -> bytes:
    variables = Sandbox(harness.state_dir).environment()
    client = boto3.client(
        "lambda",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        region_name=variables["AWS_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )
    name = next(
        function["FunctionName"]
        for page in client.get_paginator("list_functions").paginate()
        for function in page["Functions"]
        if "STRATEGY" in function.get("Environment", {}).get("Variables", {})
    )
    location = client.get_function(FunctionName=name)["Code"]["Location"]
    with urlopen(location) as answer:  # noqa: S310 - the sandbox's own address
        content: bytes = answer.read()
    return content


def _cold_import(folder: Path, secret: RotatingSecret) -> float:
    command = [sys.executable, "-c", _COLD, "rotation.handler", _MODULES[secret]]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return statistics.median(
        float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
        for _ in range(_IMPORTS)
    )


def _peak_memory(harness: Harness) -> dict[RotatingSecret, int]:
    """Return the most that a process of each function has held so far."""
    peaks = dict.fromkeys(_MODULES, 0)
    for pid in Sandbox(harness.state_dir).status().pids.values():
        for process in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):  # it has ended
                strategy = process.environ().get("STRATEGY")
                for secret in peaks:
                    if secret == strategy:
                        peaks[secret] = max(peaks[secret], _peak(process))
    return peaks


def _peak(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status")
    if status.exists():  # Linux
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
        if found is not None:
            return int(found.group(1)) * 1024
    return int(process.memory_info().rss)
