"""Commands to a training: they arrive whole, in order, and are answered."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kanatui.core.errors import RunError
from kanatui.training.control import Mailbox, send_and_wait
from kanatui.training.recorder import Recorder
from kanatui.training.runs import Run
from tests.helpers.processes import LONGEST, wait_until


def test_commands_arrive_whole_in_order_and_once(tmp_path):
    box = Mailbox(tmp_path / "control")
    assert box.take() == []
    sequences = [box.send("pause"), box.send("augment", plugin="blur", values={"sigma": [0, 1]}), box.send("resume")]
    assert sequences == sorted(set(sequences))
    taken = box.take()
    assert [(command.sequence, command.command) for command in taken] == list(
        zip(sequences, ("pause", "augment", "resume"), strict=True)
    )
    assert taken[1].arguments == {"plugin": "blur", "values": {"sigma": [0, 1]}}
    assert box.take() == []
    assert list((tmp_path / "control").iterdir()) == []


def test_commands_sent_at_once_all_arrive(tmp_path):
    box = Mailbox(tmp_path / "control")
    with ThreadPoolExecutor(8) as pool:
        sequences = list(pool.map(lambda _: box.send("pause"), range(64)))
    assert len(set(sequences)) == 64
    assert [command.sequence for command in box.take()] == sorted(sequences)


NONSENSE = {
    "empty": "",
    "torn": "{",
    "list": "[]",
    "number": "7",
    "no command": "{}",
    "deep": "[" * 60_000,
    "huge": '{"command": "stop"' + " " * 70_000 + "}",
}


@pytest.mark.parametrize("text", NONSENSE.values(), ids=NONSENSE)
def test_command_files_that_make_no_sense_are_taken_away(tmp_path, text):
    folder = tmp_path / "control"
    folder.mkdir()
    (folder / "12.json").write_text(text)
    taken = Mailbox(folder).take()
    assert [(command.sequence, command.command) for command in taken] == [(12, "")]
    assert taken[0].arguments["problem"].startswith("12.json: ")
    assert list(folder.iterdir()) == []


def test_whoever_sends_a_command_hears_the_answer():
    run = Run.create("quick", {})
    recorder = Recorder(run)
    box = Mailbox(run.control)

    def obey():
        commands = wait_until(box.take)
        accepted = commands[0].command == "pause"
        recorder.event("command", sequence=commands[0].sequence, command="pause", accepted=accepted, note="no", step=3)

    for command in ("pause", "dance"):
        thread = threading.Thread(target=obey)
        thread.start()
        if command == "pause":
            assert send_and_wait(run.path, command, LONGEST, run.alive)["step"] == 3
        else:
            with pytest.raises(RunError, match="001-quick: no"):
                send_and_wait(run.path, command, LONGEST, run.alive)
        thread.join()
    assert send_and_wait(run.path, "pause", 0.1, run.alive) is None
    recorder.close()
    with pytest.raises(RunError, match="ended before it could stop after epoch"):
        send_and_wait(run.path, "stop_after_epoch", LONGEST, run.alive)
