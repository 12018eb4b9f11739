"""What a launcher costs that has nothing to do: as a script, it prints the figures."""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from conftest import TOOLS, Launcher, make_role, wait_for


@dataclass
class Idle:
    """Figures of one process, for each second."""

    # A busy machine makes it smaller, never larger.
    wake_ups: float
    # A busy machine makes it larger.
    processor_seconds: float

    def __str__(self) -> str:
        return f"{self.wake_ups:.1f} wake-ups a second, {self.processor_seconds:.1%} of a processor"


def park_executions(launcher: Launcher, count: int) -> None:
    """Start executions that wait for an answer that nobody gives."""
    queue = launcher.client("sqs", TOOLS).create_queue(QueueName="parked")["QueueUrl"]
    task = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "TimeoutSeconds": 600,
            "Parameters": {"QueueUrl": queue, "MessageBody.$": "$$.Task.Token"}, "End": True}
    states = launcher.client("stepfunctions", TOOLS)
    machine = states.create_state_machine(
        name="parked", roleArn=make_role(launcher, TOOLS, "parked", "states.amazonaws.com"),
        definition=json.dumps({"StartAt": "Parked", "States": {"Parked": task}}),
    )["stateMachineArn"]
    for _ in range(count):
        states.start_execution(stateMachineArn=machine)

    def sent() -> int:
        asked = launcher.client("sqs", TOOLS).get_queue_attributes(
            QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(asked["Attributes"]["ApproximateNumberOfMessages"])

    wait_for(lambda: sent() == count)


def measure(pid: int, seconds: float) -> Idle:
    """Watch a process that is asked for nothing meanwhile."""
    began, woken, used = time.monotonic(), _wake_ups(pid), _processor_seconds(pid)
    time.sleep(seconds)
    woken, used, took = _wake_ups(pid) - woken, _processor_seconds(pid) - used, time.monotonic() - began
    return Idle(woken / took, used / took)


def _wake_ups(pid: int) -> int:
    """How often any of its threads has waited for something: each time, it is woken once."""
    statuses = (task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/status"))
    lines = (line for status in statuses for line in status.splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def _processor_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        launcher = Launcher(Path(folder))
        try:
            print("nothing to do:", measure(launcher.process.pid, 10))
            park_executions(launcher, 20)
            print("20 executions wait:", measure(launcher.process.pid, 10))
        finally:
            launcher.stop()


if __name__ == "__main__":
    main()
