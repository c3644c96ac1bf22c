"""`kanatui soak`: a short one loses nothing, and what is lost is told."""

import json
import os
import signal
import subprocess
import sys

import pytest

from kanatui import cli
from kanatui.cli.soak import laws, operations, world
from kanatui.core import storage
from kanatui.training.runs import Run
from tests.helpers.events import event, lines
from tests.helpers.processes import wait_until


def soak(tmp_path, *arguments):
    (tmp_path / "tmp").mkdir(exist_ok=True)
    command = [sys.executable, "-P", "-m", "kanatui", "soak", *arguments]
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def left(tmp_path):
    return list((tmp_path / "tmp").glob("kanatui-soak-*"))


def test_a_short_soak_loses_nothing_and_leaves_nothing(tmp_path, home):
    before = sorted(path for path in home.rglob("*") if "cache" not in path.parts)
    said, told = (process := soak(tmp_path, "--minutes", "0.15", "--seed", "14", "--json")).communicate()
    report = json.loads(said)
    assert report["losses"] == [] and process.returncode == 0, said + told
    assert report["seed"] == 14 and not report["interrupted"] and not report["kept"]
    assert report["operations"]["generate"] and report["operations"]["train"] and report["operations"]["runs"] > 1
    assert "Traceback" not in told and "soaking 14: " in told
    assert left(tmp_path) == [] and laws.processes_of(tmp_path) == []
    assert sorted(path for path in home.rglob("*") if "cache" not in path.parts) == before


def test_ctrl_c_ends_a_soak_with_its_report(tmp_path):
    process = soak(tmp_path, "--minutes", "60", "--seed", "1")
    (folder,) = wait_until(lambda: left(tmp_path))
    wait_until(lambda: laws.processes_of(folder / "home"))
    process.send_signal(signal.SIGINT)
    said, told = process.communicate()
    assert process.returncode == 130, told
    assert "losses: 0" in said and "generate" in said and "Traceback" not in told
    assert left(tmp_path) == [] and laws.processes_of(folder / "home") == []


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    storage.write_bytes(path, bytes(data))


def test_what_is_lost_is_told_with_what_to_look_at(capfd, tmp_path, monkeypatch):
    def prepare(scratch):
        for name in ("tiny", "tiny-1"):
            scratch.call("generate", "generate", *world.RECIPES["tiny"], "--name", name)
        scratch.begun.append("tiny-1")
        scratch.undisturbed["tiny"] = laws.digests(scratch.dataset("tiny"))
        flip(scratch.dataset("tiny-1") / "shard-00000.npy")
        storage.write_bytes(scratch.dataset("tiny-1") / ".recipe.toml.1.tmp", b"")
        (scratch.logs / "a.txt").write_text("Traceback (most recent call last):")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(operations, "prepare", prepare)
    assert cli.run(["soak", "--minutes", "0", "--seed", "3"]) == 1
    said = capfd.readouterr().out
    (kept,) = tmp_path.glob("kanatui-soak-*")
    shard = kept / "home" / "datasets" / "tiny-1" / "shard-00000.npy"
    assert f"LOST  tiny-1: shard-00000.npy is not what the manifest says\n      look at {shard}\n" in said
    assert "LOST  tiny-1: shard-00000.npy is not as an undisturbed generation makes it" in said
    assert "LOST  a.txt of logs has a traceback" in said
    assert "LOST  a temporary file is left: home/datasets/tiny-1/.recipe.toml.1.tmp" in said
    assert f"losses: 4; kept in {kept}" in said


def step(number, elapsed):
    return event("step", step=number, elapsed=elapsed)


def saved(number):
    return event("checkpoint", step=number)


FELL_BACK = event("warning", message="the last checkpoint is damaged; continuing from the one before it, step 3")
COURSES = {
    "undisturbed": ([event("start"), step(3, 1.0), saved(3), step(6, 2.0), saved(6)], ""),
    "continued": ([event("start"), step(3, 1.0), saved(3), step(6, 2.0), event("start", step=3), step(6, 2.0)], ""),
    "from the beginning": (
        [event("start"), step(3, 1.0), saved(3), event("start")],
        "although step 3 was saved",
    ),
    "from one before": (
        [event("start"), step(3, 1.0), saved(3), step(6, 2.0), saved(6), event("start", step=3)],
        "continued from step 3, although step 6 was saved",
    ),
    "much lost": (
        [event("start"), *(step(n, n) for n in range(30)), event("start")],
        "s of training were lost",
    ),
    "damaged": (
        [event("start"), step(3, 1.0), saved(3), step(6, 2.0), saved(6), FELL_BACK, event("start", step=3)],
        "its checkpoint of step 6 was found damaged",
    ),
}


@pytest.mark.parametrize("name", COURSES)
def test_a_course_that_loses_steps_is_told(name):
    events, told = COURSES[name]
    run = Run.create("some", {})
    (run.path / "events.jsonl").write_text(lines(*events))
    found = [what for what, _ in laws.of_run(run, None, damaged=False, interval=1.0)]
    assert len(found) == bool(told) and all(told in what for what in found)


def test_a_checkpoint_that_was_spoilt_on_purpose_is_no_loss():
    run = Run.create("some", {})
    (run.path / "events.jsonl").write_text(lines(*COURSES["damaged"][0]))
    assert list(laws.of_run(run, None, damaged=True, interval=1.0)) == []


def test_half_a_checkpoint_and_a_stop_without_one_are_told():
    run = Run.create("some", {})
    run.checkpoint("best").parent.mkdir()
    run.checkpoint("best").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    assert [what for what, _ in laws.of_run(run, None, False, 1.0)] == [
        f"run {run.id}: best.safetensors: it is cut off, or no safetensors file"
    ]
    (run.path / "events.jsonl").write_text(lines(event("start"), step(3, 1.0), saved(3), step(6, 2.0)))
    assert [what for what, _ in laws.of_stop(run)] == [f"run {run.id}: stopped at step 6, but saved at step 3"]


def test_a_run_that_is_not_listed_and_a_process_that_is_left_are_told(tmp_path, monkeypatch):
    Run.create("some", {})
    folder = Run.create("other", {}).path.parent
    ((what, _),) = laws.of_list('[{"id": "001-some"}]', folder)
    assert what == "kanatui runs does not list 002-other"
    monkeypatch.setenv("KANATUI_HOME", str(tmp_path / "strange"))
    monkeypatch.setattr(laws, "_ENDING", 0.1)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        wait_until(lambda: laws.processes_of(tmp_path / "strange"))
        (found,) = laws.of_the_end(tmp_path / "strange", folder / "none")
        assert found[0].startswith(f"process {process.pid} is left: ")
    finally:
        process.kill()
        process.wait()
