"""Lambda functions in Python, built without Docker and reproducibly."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from gantry.nag import acknowledge

_RUNTIME = lambda_.Runtime.PYTHON_3_14
_PYTHON_VERSION = "3.14"
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
_NETWORK_INTERFACE = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
]
_NOT_SOURCE = shutil.ignore_patterns("__pycache__", "*.pyc", "requirements.*", ".*")


class BundlingError(Exception):
    """The asset of a function cannot be built; the message says why."""


@dataclass(frozen=True, kw_only=True)
class PythonSource:
    """What the assets of functions are made of.

    Attributes
    ----------
    root
        Folder that holds one folder a function, ``shared/`` with what every asset gets, and
        ``requirements.txt``, locked with hashes.
    build_dir
        Where built assets are kept; they are found again by a hash of what they were made of.
    """

    root: Path
    build_dir: Path

    def build(self, name: str) -> Path:
        """Return the folder of a function's asset, building it when its inputs changed.

        Raises
        ------
        BundlingError
            When there is no such function or its packages cannot be installed.
        """
        if not (self.root / name).is_dir():
            raise BundlingError(f"there is no function {name!r} in {self.root}")
        target = self.build_dir / f"{name}-{self._digest(name)[:16]}"
        if not target.exists():
            self.build_dir.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.build_dir, prefix=".new-") as folder:
                asset = Path(folder) / "asset"
                shutil.copytree(self._packages(), asset)
                shutil.copytree(self.root / "shared", asset, ignore=_NOT_SOURCE, dirs_exist_ok=True)
                shutil.copytree(self.root / name, asset / name, ignore=_NOT_SOURCE)
                _put(asset, target)
        return target

    def _packages(self) -> Path:
        """Return the folder with the locked packages, which all assets share."""
        lock = self.root / "requirements.txt"
        target = self.build_dir / f"packages-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=self.build_dir, prefix=".new-") as folder:
                packages = Path(folder) / "packages"
                _install(lock, packages)
                _put(packages, target)
        return target

    def _digest(self, name: str) -> str:
        digest = hashlib.sha256()
        for file in self._inputs(name):
            digest.update(str(file.relative_to(self.root)).encode() + b"\0" + file.read_bytes() + b"\0")
        return digest.hexdigest()

    def _inputs(self, name: str) -> Iterator[Path]:
        yield self.root / "requirements.txt"
        for folder in (self.root / "shared", self.root / name):
            for file in sorted(folder.rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    yield file


def _install(lock: Path, target: Path) -> None:
    # Wheels for any platform, so that an asset built on a laptop is the one that runs on Graviton.
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
               "--require-hashes", "--no-deps", "--no-compile", "--only-binary", ":all:", "--platform", "any",
               "--implementation", "py", "--python-version", _PYTHON_VERSION, "--abi", "none",
               "--target", str(target), "-r", str(lock)]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise BundlingError(f"the packages of {lock} cannot be installed:\n{result.stderr[-2000:]}")
    # What differs from machine to machine or is of no use at run time.
    shutil.rmtree(target / "bin", ignore_errors=True)
    for folder in target.glob("*.dist-info"):
        for name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"):
            (folder / name).unlink(missing_ok=True)


def _put(source: Path, target: Path) -> None:
    """Move a finished folder into place; one that another process put there first is as good."""
    try:
        os.replace(source, target)  # noqa: PTH105 - Path.replace is the same
    except OSError:
        if not target.exists():
            raise


class PythonFunction(lambda_.Function):
    """A function in the VPC with its own encrypted log group and nothing allowed that is not granted.

    Parameters
    ----------
    source, asset
        Where the code is, and which function's folder it is.
    description
        What the function does.
    vpc, security_group
        Where it runs: in private subnets, behind this group alone.
    environment
        Variables.
    log_group_name, logs_key, log_retention
        Where and how long its log is kept.
    timeout, memory_mib
        Limits of one invocation.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        source: PythonSource,
        asset: str,
        description: str,
        vpc: ec2.IVpc,
        security_group: ec2.ISecurityGroup,
        log_group_name: str,
        logs_key: kms.IKey,
        log_retention: logs.RetentionDays,
        environment: Mapping[str, str] | None = None,
        timeout: Duration | None = None,
        memory_mib: int = 256,
        statements: Sequence[iam.PolicyStatement] = (),
    ) -> None:
        log_group = logs.LogGroup(
            scope,
            f"{construct_id}LogGroup",
            log_group_name=log_group_name,
            encryption_key=logs_key,
            retention=log_retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        super().__init__(
            scope,
            construct_id,
            runtime=_RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            code=lambda_.Code.from_asset(str(source.build(asset))),
            handler=f"{asset}.handler.handler",
            description=description,
            role=_execution_role(scope, f"{construct_id}Role", log_group, statements),
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            security_groups=[security_group],
            environment=dict(environment or {}),
            timeout=timeout or Duration.minutes(1),
            memory_size=memory_mib,
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
        )


def _execution_role(
    scope: Construct, construct_id: str, log_group: logs.ILogGroup, statements: Sequence[iam.PolicyStatement]
) -> iam.Role:
    """Return a role of its own for a function: AWS's managed policies allow writing to every log group."""
    role = iam.Role(scope, construct_id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    log_group.grant_write(role)
    for statement in [iam.PolicyStatement(actions=_NETWORK_INTERFACE, resources=["*"]), *statements]:
        role.add_to_policy(statement)
    acknowledge(
        role,
        "Lambda attaches functions to a VPC with these actions on network interfaces that do not exist yet; "
        "it refuses a role that has them on less than every resource.",
        "AwsSolutions-IAM5[Resource::*]",
    )
    return role
