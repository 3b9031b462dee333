"""Starting, stopping and killing a sandbox."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.lifecycle import Sandbox, SandboxError
from tests.integration.sandbox.emulator import Emulator, template, wait_until


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    sandbox = Sandbox(tmp_path / "sandbox")
    sandbox.start()
    try:
        yield Emulator(sandbox, tmp_path / "sandbox")
    finally:
        sandbox.wipe()


def kill(emulator: Emulator, name: str) -> None:
    pid = emulator.sandbox.status().pids[name]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: name not in emulator.sandbox.status().pids)


def kill_everything(emulator: Emulator) -> None:
    for pid in emulator.processes():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not emulator.sandbox.status().pids)


def saved(emulator: Emulator, service: str) -> str:
    file = emulator.state_dir / "aws" / f"{service}.json"
    return file.read_text() if file.exists() else ""


def test_stop_leaves_no_process_and_start_brings_everything_back(emulator: Emulator) -> None:
    secrets = emulator.client("secretsmanager")
    secrets.create_secret(Name="kept", SecretString="one")
    before = emulator.sandbox.status()
    emulator.sandbox.stop()
    assert emulator.processes() == []
    assert not emulator.sandbox.status().running
    emulator.sandbox.start()
    assert emulator.sandbox.status().ports == before.ports
    assert secrets.get_secret_value(SecretId="kept")["SecretString"] == "one"


def test_wipe_removes_the_data(emulator: Emulator) -> None:
    emulator.sandbox.wipe()
    assert not emulator.state_dir.exists()
    assert not emulator.sandbox.status().running


def test_what_was_done_survives_the_death_of_every_process(emulator: Emulator) -> None:
    queue = template({"Queue": {"Type": "AWS::SQS::Queue"}}, Name={"Fn::GetAtt": ["Queue", "QueueName"]})
    assert emulator.create("kept", queue) == "CREATE_COMPLETE"
    secrets = emulator.client("secretsmanager")
    secrets.create_secret(Name="kept", SecretString="one")
    secrets.put_secret_value(SecretId="kept", SecretString="two")
    outputs = emulator.outputs("kept")
    wait_until(lambda: "two" in saved(emulator, "secretsmanager"))
    wait_until(lambda: "CREATE_COMPLETE" in saved(emulator, "cloudformation"))
    kill_everything(emulator)
    emulator.sandbox.start()
    assert emulator.outputs("kept") == outputs
    assert secrets.get_secret_value(SecretId="kept")["SecretString"] == "two"
    assert emulator.client("sqs").get_queue_url(QueueName=outputs["Name"])


@pytest.mark.parametrize("name", ["server", "edge"])
def test_only_what_died_is_started_again(emulator: Emulator, name: str) -> None:
    (survivor,) = {"server", "edge"} - {name}
    before = emulator.sandbox.status().pids
    kill(emulator, name)
    assert not emulator.sandbox.status().running
    emulator.sandbox.start()
    after = emulator.sandbox.status()
    assert after.running
    assert after.pids[survivor] == before[survivor]
    assert after.pids[name] != before[name]


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


def command_of(pid: int) -> list[str]:
    try:
        return psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        return []


def test_a_taken_port_is_named_with_the_remedy(emulator: Emulator) -> None:
    emulator.sandbox.stop()
    port = emulator.sandbox.status().ports["aws"]
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        with pytest.raises(SandboxError, match=rf"Port {port}.* aws, .*gantry down --wipe"):
            emulator.sandbox.start()
    emulator.sandbox.start()
    assert emulator.sandbox.status().running


def test_a_control_plane_that_cannot_start_shows_the_end_of_its_log(emulator: Emulator) -> None:
    emulator.sandbox.stop()
    (emulator.state_dir / "aws" / "ssm.json").write_text("no JSON")
    with pytest.raises(SandboxError, match=r"server ended at its start(.|\n)*ssm.json cannot be read"):
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
    assert emulator.settled("new") == "ROLLBACK_COMPLETE"
    assert not emulator.client("sqs").list_queues(QueueNamePrefix="before-slow").get("QueueUrls")


def test_an_interrupted_update_is_rolled_back_at_the_next_start(emulator: Emulator) -> None:
    function = emulator.function("slow", SLOW)
    assert emulator.create("old", with_thing(function, "quick")) == "CREATE_COMPLETE"
    emulator.client("cloudformation").update_stack(
        StackName="old", TemplateBody=json.dumps(with_thing(function, "slow"))
    )
    interrupt(emulator, "old", "UPDATE_IN_PROGRESS")
    assert emulator.settled("old") == "UPDATE_ROLLBACK_COMPLETE"
    assert emulator.outputs("old") == {"Value": "quick"}
    names = emulator.client("sqs").list_queues(QueueNamePrefix="before-")["QueueUrls"]
    assert [name.rpartition("/")[2] for name in names] == ["before-quick"]
    assert emulator.update("old", with_thing(function, "quicker")) == "UPDATE_COMPLETE"
