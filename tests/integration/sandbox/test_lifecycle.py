"""Starting, stopping and killing a sandbox."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.lifecycle import Sandbox, SandboxError
from sandbox.ports import Ports
from tests.integration.sandbox.emulator import Emulator, template, wait_until


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    sandbox = Sandbox(tmp_path / "sandbox")
    sandbox.start()
    try:
        yield Emulator(sandbox, tmp_path / "sandbox")
    finally:
        sandbox.wipe()


def kill(emulator: Emulator, name: str) -> int:
    """Kill a process by its recorded id, which is returned; the supervisor starts it again."""
    pid = emulator.sandbox.status().pids[name]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: emulator.sandbox.status().pids.get(name) != pid)
    return pid


def saved(emulator: Emulator, service: str) -> str:
    file = emulator.state_dir / "aws" / f"{service}.json"
    return file.read_text() if file.exists() else ""


def test_stop_leaves_no_process_and_start_brings_everything_back(emulator: Emulator) -> None:
    secrets = emulator.client("secretsmanager")
    secrets.create_secret(Name="kept", SecretString="one")
    before = emulator.sandbox.status()
    assert emulator.sandbox.stop()
    assert emulator.processes() == []
    assert not emulator.sandbox.status().running
    assert not emulator.sandbox.stop()
    emulator.sandbox.start()
    assert before.ports.items() <= emulator.sandbox.status().ports.items()  # spare ones come
    assert secrets.get_secret_value(SecretId="kept")["SecretString"] == "one"


def test_wipe_removes_the_data(emulator: Emulator) -> None:
    emulator.sandbox.wipe()
    assert not emulator.state_dir.exists()
    assert not emulator.sandbox.status().running


def test_what_was_done_survives_the_death_of_every_process(emulator: Emulator) -> None:
    queue = template({"Queue": {"Type": "AWS::SQS::Queue"}}, Name={"Fn::GetAtt": ["Queue", "QueueName"]})
    secrets = emulator.client("secretsmanager")
    secrets.create_secret(Name="kept", SecretString="one")
    pids = emulator.sandbox.status().pids
    assert emulator.create("kept", queue) == "CREATE_COMPLETE"
    secrets.put_secret_value(SecretId="kept", SecretString="two")
    for name in ("server", "supervisor", "load_balancer"):  # at once: what was answered is on disk
        os.kill(pids[name], signal.SIGKILL)
    wait_until(lambda: not emulator.sandbox.status().pids)
    emulator.sandbox.start()
    outputs = emulator.outputs("kept")
    assert emulator.stack("kept")["StackStatus"] == "CREATE_COMPLETE"
    assert secrets.get_secret_value(SecretId="kept")["SecretString"] == "two"
    assert emulator.client("sqs").get_queue_url(QueueName=outputs["Name"])


def test_what_dies_again_and_again_is_named_with_what_it_says(emulator: Emulator) -> None:
    (emulator.state_dir / "aws" / "ssm.json").write_text("no JSON")
    kill(emulator, "server")
    log = emulator.state_dir / "logs" / "supervisor.log"
    wait_until(lambda: log.read_text().count("The embedded AWS had ended") > 1)
    wait_until(lambda: "ssm.json cannot be read" in " ".join(map(str, emulator.sandbox.problems())))
    starts = log.read_text().count("had ended")
    time.sleep(1)
    assert log.read_text().count("had ended") <= starts + 1  # there are pauses
    # It does not fight the end.
    assert emulator.sandbox.stop()
    assert emulator.processes() == []
    assert emulator.sandbox.problems() == []


def test_a_sandbox_whose_folder_is_gone_ends(emulator: Emulator) -> None:
    processes = emulator.sandbox.processes()
    wait_until(lambda: "watching" in (emulator.state_dir / "logs" / "supervisor.log").read_text())
    emulator.state_dir.rename(emulator.state_dir.with_name("away"))
    wait_until(lambda: not any(each.is_running() for each in processes))
    wait_until(lambda: emulator.processes() == [])


@pytest.mark.parametrize("killed", [False, True])
def test_a_function_in_the_middle_of_something_ends_with_the_sandbox(
    emulator: Emulator, killed: bool
) -> None:
    function = emulator.function("sleeper", "import time\ndef handler(event, context): time.sleep(60)")
    emulator.client("lambda").invoke(FunctionName=function, InvocationType="Event")

    def workers() -> list[int]:
        return [pid for pid in emulator.processes() if "ministack-lambda" in " ".join(command_of(pid))]

    wait_until(workers)
    if killed:
        kill(emulator, "server")
    emulator.sandbox.stop()
    assert workers() == []


def test_test_of_a_rotation_that_ended_with_the_sandbox_leaves_no_version(emulator: Emulator) -> None:
    function = emulator.function("tester", "import time\ndef handler(event, context): time.sleep(60)")
    emulator.client("secretsmanager").create_secret(Name="key", SecretString="first")
    emulator.client("secretsmanager").rotate_secret(
        SecretId="key",
        RotationLambdaARN=function,
        RotationRules={"AutomaticallyAfterDays": 30},
        RotateImmediately=False,
    )

    def labels() -> list[list[str]]:
        secret = emulator.client("secretsmanager").describe_secret(SecretId="key")
        return sorted(secret["VersionIdsToStages"].values())

    assert labels() == [["AWSCURRENT"], ["AWSPENDING"]]
    emulator.sandbox.stop()
    emulator.sandbox.start()
    assert labels() == [["AWSCURRENT"]]


_ROTATES_THE_SECOND_TIME = """
import json, pathlib, time, boto3
begun = pathlib.Path(%r)
def handler(event, context):
    if not begun.exists():
        begun.touch()
        time.sleep(60)
    client, token = boto3.client("secretsmanager"), event["ClientRequestToken"]
    if event["Step"] == "finishSecret":
        before = client.get_secret_value(SecretId="turned")["VersionId"]
        client.put_secret_value(
            SecretId="turned", ClientRequestToken=token, SecretString="next", VersionStages=["AWSPENDING"])
        client.update_secret_version_stage(
            SecretId="turned", VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=before)
"""


def test_rotation_that_ended_with_the_sandbox_goes_on(emulator: Emulator, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    function = emulator.function("turner", _ROTATES_THE_SECOND_TIME % str(begun))
    emulator.client("secretsmanager").create_secret(Name="turned", SecretString="first")
    emulator.client("secretsmanager").rotate_secret(
        SecretId="turned", RotationLambdaARN=function, RotationRules={"AutomaticallyAfterDays": 30}
    )
    wait_until(begun.exists)
    emulator.sandbox.stop()
    emulator.sandbox.start()
    wait_until(
        lambda: (
            emulator.client("secretsmanager").get_secret_value(SecretId="turned")["SecretString"] == "next"
        )
    )


def command_of(pid: int) -> list[str]:
    try:
        return psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        return []


def test_a_taken_port_is_replaced_unless_it_is_the_services_address(emulator: Emulator) -> None:
    emulator.client("sqs").create_queue(QueueName="kept")
    emulator.sandbox.stop()
    port = emulator.sandbox.status().ports["aws"]
    with listening(port):
        emulator.sandbox.start()
        assert emulator.sandbox.status().running
        assert emulator.sandbox.status().ports["aws"] != port
        (url,) = emulator.client("sqs").list_queues()["QueueUrls"]
        emulator.client("sqs").send_message(QueueUrl=url, MessageBody="one")
    emulator.sandbox.stop()
    address = Ports(emulator.state_dir / "ports.json").get("load-balancer/loadbalancer/app/web/1")
    with (
        listening(address),
        pytest.raises(SandboxError, match=rf"Port {address}, the service's address, .*gantry down --wipe"),
    ):
        emulator.sandbox.start()
    emulator.sandbox.start()
    assert emulator.sandbox.status().running


@contextlib.contextmanager
def listening(port: int) -> Iterator[None]:
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        yield


def test_a_moved_sandbox_goes_on_and_a_copy_of_one_that_runs_leaves_it_alone(
    emulator: Emulator, tmp_path: Path
) -> None:
    emulator.client("secretsmanager").create_secret(Name="kept", SecretString="one")
    before = emulator.sandbox.status()
    shutil.copytree(emulator.state_dir, tmp_path / "copy")
    copy = Emulator(Sandbox(tmp_path / "copy"), tmp_path / "copy")
    assert not copy.sandbox.stop()
    copy.sandbox.start()
    try:
        assert copy.client("secretsmanager").get_secret_value(SecretId="kept")["SecretString"] == "one"
        assert not set(copy.sandbox.status().ports.values()) & set(before.ports.values())
        assert copy.sandbox.stop()
        copy.state_dir.rename(tmp_path / "moved")
        moved = Emulator(Sandbox(tmp_path / "moved"), tmp_path / "moved")
        ports = moved.sandbox.status().ports
        moved.sandbox.start()
        assert moved.sandbox.status().ports == ports
        assert moved.client("secretsmanager").get_secret_value(SecretId="kept")["SecretString"] == "one"
        moved.sandbox.stop()
    finally:
        for name in ("copy", "moved"):
            Sandbox(tmp_path / name).wipe()
    assert emulator.sandbox.status() == before


def test_a_control_plane_that_cannot_start_shows_the_end_of_its_log(emulator: Emulator) -> None:
    emulator.sandbox.stop()
    (emulator.state_dir / "aws" / "ssm.json").write_text("no JSON")
    with pytest.raises(SandboxError, match=r"embedded AWS ended at its start: .*ssm.json cannot be read"):
        emulator.sandbox.start()
    assert emulator.processes() == []


SLOW = """
import json, time, urllib.request
def handler(event, context):
    properties = event["ResourceProperties"]
    if event["RequestType"] != "Delete" and properties["Value"] == "slow":
        time.sleep(60)
    answer = {"Status": "SUCCESS", "PhysicalResourceId": "thing", "StackId": event["StackId"],
              "RequestId": event["RequestId"], "LogicalResourceId": event["LogicalResourceId"]}
    request = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT")
    urllib.request.urlopen(request)
"""


def with_thing(function: str, value: str) -> dict[str, Any]:
    thing = {"Type": "Custom::Thing", "Properties": {"ServiceToken": function, "Value": value}}
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"before-{value}"}}
    return template({"Queue": queue, "Thing": thing | {"DependsOn": "Queue"}}, Value=value)


def interrupt(emulator: Emulator, name: str, in_progress: str) -> None:
    """Kill the control plane while the custom resource of a stack is waited for."""

    def waits() -> bool:
        events = emulator.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
        return any(
            each["LogicalResourceId"] == "Thing" and each["ResourceStatus"] == in_progress for each in events
        )

    wait_until(waits)
    event = re.compile(rf'"LogicalResourceId": "Thing"[^{{}}]*"ResourceStatus": "{in_progress}"')
    wait_until(lambda: event.search(saved(emulator, "cloudformation")))
    wait_until(lambda: "before-slow" in saved(emulator, "sqs"))
    kill(emulator, "server")
    emulator.sandbox.start()


def test_an_interrupted_creation_is_rolled_back_at_the_next_start(emulator: Emulator) -> None:
    function = emulator.function("slow", SLOW)
    emulator.client("cloudformation").create_stack(
        StackName="new", TemplateBody=json.dumps(with_thing(function, "slow"))
    )
    interrupt(emulator, "new", "CREATE_IN_PROGRESS")
    assert emulator.stable_status("new") == "ROLLBACK_COMPLETE"
    assert not emulator.client("sqs").list_queues(QueueNamePrefix="before-slow").get("QueueUrls")


def test_an_interrupted_update_is_rolled_back_at_the_next_start(emulator: Emulator) -> None:
    function = emulator.function("slow", SLOW)
    assert emulator.create("old", with_thing(function, "quick")) == "CREATE_COMPLETE"
    emulator.client("cloudformation").update_stack(
        StackName="old", TemplateBody=json.dumps(with_thing(function, "slow"))
    )
    interrupt(emulator, "old", "UPDATE_IN_PROGRESS")
    assert emulator.stable_status("old") == "UPDATE_ROLLBACK_COMPLETE"
    assert emulator.outputs("old") == {"Value": "quick"}
    names = emulator.client("sqs").list_queues(QueueNamePrefix="before-")["QueueUrls"]
    assert [name.rpartition("/")[2] for name in names] == ["before-quick"]
    assert emulator.update("old", with_thing(function, "quicker")) == "UPDATE_COMPLETE"
