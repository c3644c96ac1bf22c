"""What changes behind kanatui's back: clocks, copies of runs, fonts."""

import shutil
import signal
import subprocess
import sys
import time

from kanatui import cli
from kanatui.cli.runs import told_of
from kanatui.fonts.faces import load_faces
from kanatui.training import runs
from kanatui.training.recorder import Recorder
from kanatui.training.runs import Run, list_runs
from tests.helpers.events import event, lines
from tests.helpers.processes import wait_until


def test_a_clock_that_jumps_makes_a_run_look_silent_until_its_next_word(monkeypatch):
    recorder = Recorder(Run.create("some", {}))
    recorder.update(state="running")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 86_400.0)
    assert recorder.run.status().state == "crashed" and "silent for 86400 s" in recorder.run.status().reason
    recorder.update(state="paused")
    assert recorder.run.status().state == "paused"
    monkeypatch.setattr(time, "time", now)
    assert recorder.run.status().state == "paused"  # its last word is of tomorrow
    recorder.update(state="running")
    assert recorder.run.status().state == "running"
    recorder.close()


HELD = """
import sys, time
from kanatui.training.recorder import Recorder
from kanatui.training.runs import find_run
recorder = Recorder(find_run("1"))
while True:
    recorder.update(state="running")
    time.sleep(0.05)
"""


def test_a_training_that_is_held_is_silent_and_then_well_again(monkeypatch):
    run = Run.create("some", {})
    process = subprocess.Popen([sys.executable, "-c", HELD])
    try:
        wait_until(lambda: run.status().state == "running")
        monkeypatch.setattr(runs, "SILENCE", 2.5)  # it writes once a second
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: run.status().state == "crashed")
        assert f"process {process.pid} has been silent" in run.status().reason
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: run.status().state == "running")
    finally:
        process.kill()
        process.wait()
    assert "is gone" in run.status().reason


def test_a_copy_of_a_run_that_trains_is_not_taken_for_it():
    recorder = Recorder(Run.create("some", {}))
    recorder.update(state="running")
    (recorder.run.path / "events.jsonl").write_text(lines(event("start"), event("step")))
    copied = shutil.copytree(recorder.run.path, recorder.run.path.with_name("from-another-machine"))
    assert [run.path for run in list_runs()] == [copied, recorder.run.path]
    assert recorder.run.status().state == "running"
    assert told_of(Run(copied))["state"] == "crashed"
    Run(copied).require_idle()
    assert [each["event"] for each in Run(copied).events().read()] == ["start", "step"]
    recorder.close()


def test_a_font_replaced_before_a_generation_is_continued_is_told(home, tmp_path, capfd):
    fonts = {face.id: face.path for face in load_faces()}
    file = tmp_path / "mine.ttf"
    shutil.copyfile(fonts["klee-regular"], file)
    (home / "config").mkdir()
    entry = f'[[face]]\nid = "mine"\nfile = "{file}"\nstyle = "pen"\nweight = "regular"\n'
    (home / "config" / "fonts.toml").write_text(entry)
    small = ("quick", "--characters", "あ", "--faces", "mine", "--image-size", "16", "-n", "20", "--name", "some")
    assert cli.run(["generate", *small]) == 0
    before = {path: path.read_bytes() for path in (home / "datasets" / "some").glob("*")}
    shutil.copyfile(fonts["klee-semibold"], file)
    capfd.readouterr()
    assert cli.run(["generate", "--resume", "--name", "some"]) == 1
    assert "some: was begun with other fonts; generate it under another --name" in capfd.readouterr().err
    assert {path: path.read_bytes() for path in (home / "datasets" / "some").glob("*")} == before
