"""Run directories, events, status: everything that another process may see of a training."""

import dataclasses
import fcntl
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kanatui.core import paths
from kanatui.core.errors import RunError, StorageError, WeightsError
from kanatui.training.control import Mailbox
from kanatui.training.events import EventReader, EventWriter
from kanatui.training.previews import BatchPreview, write_batch
from kanatui.training.recorder import Recorder
from kanatui.training.runs import SILENCE, Run, find_run, find_weights, list_runs, plain_run_name
from tests.helpers.events import event, lines

# ── finding ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_runs_are_numbered_and_listed_oldest_first():
    made = [Run.create(name, {"train": {}}) for name in ("quick", "article", "quick")]
    assert [run.id for run in made] == ["001-quick", "002-article", "003-quick"]
    assert [run.id for run in list_runs()] == [run.id for run in made]
    (paths.runs() / "1000-late").mkdir()
    (paths.runs() / "by-hand").mkdir()
    assert [run.id for run in list_runs()] == ["by-hand", *[run.id for run in made], "1000-late"]
    assert Run.create("next", {}).id == "1001-next"


def test_runs_made_at_once_get_different_numbers():
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: Run.create(f"run{i}", {}), range(16)))
    assert sorted(run.number for run in made) == list(range(1, 17))


@pytest.mark.parametrize("name", ["", "../x", " a", ".hidden", "-x", "a\nb", "x" * 81])
def test_names_are_plain(name):
    with pytest.raises(RunError, match="run name"):
        Run.create(name, {})
    assert list_runs() == []


@pytest.mark.parametrize("text", ["quick", "my recipe (2)", "あ", "-- ", "x" * 60])
def test_a_name_made_of_anything_is_plain(text):
    assert not paths.name_problem(plain_run_name(text))
    assert Run.create(plain_run_name(text), {}).name in ("quick", "my-recipe--2", "run", "x" * 40)


@pytest.mark.parametrize("name", ["my run (2)", "あ", "x" * 80])
def test_a_run_may_have_any_name_that_a_data_set_may_have(name):
    run = Run.create(name, {})
    assert find_run("1").name == find_run(run.id).name == find_run(name).name == name


def test_a_run_is_found_by_what_one_would_type():
    for name in ("quick", "article", "quick"):
        Run.create(name, {})
    found = {ref: find_run(ref).id for ref in ("001-quick", "1", "2", "002", "003", "002-a", "art", "latest")}
    assert found == {
        "001-quick": "001-quick",
        "1": "001-quick",
        "2": "002-article",
        "002": "002-article",
        "003": "003-quick",
        "002-a": "002-article",
        "art": "002-article",
        "latest": "003-quick",
    }
    assert find_run(str(paths.runs() / "002-article")).id == "002-article"


def test_a_run_that_is_not_found_names_the_nearest():
    with pytest.raises(RunError, match="there are no runs yet"):
        find_run("latest")
    for name in ("quick", "article", "quick"):
        Run.create(name, {})
    with pytest.raises(RunError, match="could be any of: 001-quick, 003-quick"):
        find_run("quick")
    with pytest.raises(RunError, match="nearest: 002-article"):
        find_run("002-artikel")
    for strange in ("", "9", "../001-quick", "\x00"):
        with pytest.raises(RunError, match="no run"):
            find_run(strange)


def test_weights_are_the_best_else_the_last(tmp_path):
    run = Run.create("quick", {})
    with pytest.raises(RunError, match="no weights yet"):
        find_weights("latest")
    run.checkpoint("last").parent.mkdir()
    run.checkpoint("last").write_bytes(b"")
    assert find_weights("1") == run.checkpoint("last")
    run.checkpoint("best").write_bytes(b"")
    assert find_weights("1") == run.checkpoint("best")
    assert find_weights(str(run.checkpoint("last"))) == run.checkpoint("last")
    with pytest.raises(WeightsError, match="no such file"):
        find_weights(str(tmp_path / "none.safetensors"))


def test_configuration_is_kept_and_a_broken_one_is_named():
    run = Run.create(
        "quick", {"recipe": "quick", "source": {"recipe": {"faces": ["*"], "seed": 3}}, "train": {"epochs": 2}}
    )
    assert run.config["source"]["recipe"] == {"faces": ["*"], "seed": 3}
    assert time.time() - run.created < 60
    (run.path / "config.toml").write_text("train = [")
    with pytest.raises(RunError, match=r"config\.toml: not valid TOML"):
        _ = run.config


def test_a_home_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KANATUI_HOME", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="file/runs"):
        Run.create("quick", {})


# ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_events_are_read_as_they_come(tmp_path):
    log = tmp_path / "events.jsonl"
    reader = EventReader(log)
    assert reader.read() == []
    writer = EventWriter(log)
    writer.write("resumed", step=1, loss=2.5)
    assert [event["step"] for event in reader.read()] == [1]
    assert reader.read() == []
    writer.write("resumed", step=2)
    writer.write("note", text="ひらがな\n")
    later = EventReader(log, reader.offset)
    assert [event["event"] for event in later.read()] == ["resumed", "note"]
    assert [event["event"] for event in EventReader(log).read()] == ["resumed", "resumed", "note"]
    writer.close()


def test_a_torn_last_line_is_ignored_and_closed_off(tmp_path):
    log = tmp_path / "events.jsonl"
    log.write_bytes(b'{"event":"paused","step":1}\n{"event":"pa')
    reader = EventReader(log)
    assert [event["step"] for event in reader.read()] == [1]
    assert reader.read() == []
    writer = EventWriter(log)
    writer.write("resumed", step=2)
    assert [event["step"] for event in reader.read()] == [2]
    writer.close()


def test_lines_that_are_no_events_are_passed_over(tmp_path):
    log = tmp_path / "events.jsonl"
    log.write_bytes(b'[]\n"x"\n\xff\xfe\n{"step":1}\n' + b"[" * 100_000 + b'\n{"event":7}\n{"event":"later"}\n\n')
    assert [event["event"] for event in EventReader(log).read()] == ["later"]


def test_events_that_lack_a_field_are_left_out_and_counted(tmp_path):
    log = tmp_path / "events.jsonl"
    log.write_text(lines(event("step", step="3"), event("end"), {"event": "start", "step": 0}, event("step", step=4)))
    reader = EventReader(log)
    assert [event["event"] for event in reader.read()] == ["end", "step"]
    assert reader.invalid == 2


def test_a_long_log_is_read_in_bites(tmp_path):
    log = tmp_path / "events.jsonl"
    log.write_text(lines(*(event("paused", step=step) for step in range(1000))))
    reader, seen = EventReader(log), []
    while events := reader.read(300):
        assert len(events) < 20
        seen += [event["step"] for event in events]
    assert seen == list(range(1000))


# ── status ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_status_follows_the_recorder():
    run = Run.create("quick", {})
    assert run.status().state == "starting"
    recorder = Recorder(run)
    assert run.alive()
    recorder.update(state="running", progress=0.25, step=10, best={"strict": 0.5})
    assert (run.status().state, run.status().progress, run.status().step) == ("running", 0.25, 10)
    assert run.status().pid == os.getpid()
    recorder.update(state="paused")
    assert run.status().state == "paused"
    assert run.status().active
    recorder.finish("stopped", "as asked")
    recorder.close()
    assert not run.alive()
    assert (run.status().state, run.status().reason, run.status().best) == ("stopped", "as asked", {"strict": 0.5})
    assert run.events().read()[-1]["state"] == "stopped"
    Recorder(run).close()
    assert (run.status().progress, run.status().step, run.status().best) == (0.25, 10, {"strict": 0.5})


def test_a_process_that_is_gone_has_crashed():
    run = Run.create("quick", {})
    recorder = Recorder(run)
    recorder.update(state="running")
    recorder.close()  # as the system does when a process is killed
    status = run.status()
    assert status.state == "crashed"
    assert "is gone" in status.reason


def test_a_process_that_is_silent_has_crashed():
    run = Run.create("quick", {})
    recorder = Recorder(run)
    for state, seen in (("running", "crashed"), ("starting", "starting"), ("finished", "finished")):
        recorder.update(state=state)
        status = json.loads((run.path / "status.json").read_text())
        (run.path / "status.json").write_text(json.dumps(status | {"heartbeat": time.time() - SILENCE - 1}))
        assert run.status().state == seen
    recorder.close()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"state": {}}'])
def test_a_status_that_makes_no_sense_is_no_traceback(text):
    run = Run.create("quick", {})
    (run.path / "status.json").write_text(text)
    status = run.status()
    assert status.state == "damaged" and "status.json" in status.reason


def test_a_run_belongs_to_one_process():
    run = Run.create("quick", {})
    recorder = Recorder(run)
    with pytest.raises(RunError, match=r"is still starting \(process \d+\); stop it first"):
        Recorder(run)
    with pytest.raises(RunError, match="is still starting"):
        run.require_idle()
    run.discard()
    assert run.path.exists()
    recorder.close()
    run.require_idle()
    run.discard()
    assert not run.path.exists()


def test_asking_whether_it_lives_does_not_keep_it_from_starting():
    run = Run.create("quick", {})
    (run.path / "lock").touch()
    with open(run.path / "lock", "rb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        threading.Timer(0.1, lambda: fcntl.flock(asking, fcntl.LOCK_UN)).start()
        Recorder(run).close()


def test_commands_from_before_the_start_are_dropped():
    run = Run.create("quick", {})
    Mailbox(run.control).send("stop")
    Recorder(run).close()
    assert Mailbox(run.control).take() == []


def test_an_observer_that_raises_is_dropped_and_noted():
    run = Run.create("quick", {})
    seen = []

    def broken(event):
        raise ZeroDivisionError("half-baked")

    recorder = Recorder(run, [broken, seen.append])
    recorder.event("paused", step=1)
    recorder.event("resumed", step=2)
    recorder.close()
    assert [event["step"] for event in seen] == [1, 2]
    events = run.events().read()
    assert [event["event"] for event in events] == ["paused", "warning", "resumed"]
    assert "half-baked" in events[1]["message"]
    assert "ZeroDivisionError" in run.log.read_text()


# ── labels ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_runs_are_called_what_people_call_them():
    run, other = Run.create("quick", {}), Run.create("quick", {})
    assert (run.title, run.note, run.name) == ("quick", "", "quick")
    recorder = Recorder(run)  # labels change while it trains
    run.rename("  筆ペン, first try ")
    run.annotate("blur off\nat step 300")
    recorder.close()
    assert (Run(run.path).title, Run(run.path).note) == ("筆ペン, first try", "blur off\nat step 300")
    assert run.id == "001-quick"
    assert find_run("筆ペン").id == run.id
    assert find_run("筆ペン, FIRST try").id == run.id
    other.rename("筆ペン, second try")
    with pytest.raises(RunError, match="could be any of"):
        find_run("筆ペン")
    run.rename("")
    assert (run.title, run.note) == ("quick", "blur off\nat step 300")
    (run.path / "about.toml").write_text('title = 3\nnote = "x"\n[')
    assert (run.title, run.note) == ("quick", "")
    run.annotate("")
    assert run.note == ""


@pytest.mark.parametrize("title", ["x" * 81, "two\nlines", "bell\x07"])
def test_titles_are_one_plain_line(title):
    with pytest.raises(RunError, match="use one line of up to 80 characters"):
        Run.create("quick", {}).rename(title)
    with pytest.raises(RunError, match=r"4,001 characters"):
        find_run("latest").annotate("x" * 4001)


def test_a_run_is_deleted_unless_it_is_at_work():
    run = Run.create("quick", {})
    with pytest.raises(RunError, match="is still starting"):
        run.delete()
    recorder = Recorder(run)
    recorder.update(state="running")
    with pytest.raises(RunError, match=r"is still running \(process \d+\); stop it first"):
        run.delete()
    recorder.finish("stopped")
    recorder.close()
    run.delete()
    assert list_runs() == []
    assert not any(paths.runs().glob("**/*quick*"))


# ── the images of the current batch ─────────────────────────────────────────────────────────────────────────────────


def preview(step=7):
    images = np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8)
    return BatchPreview(step, images, "あいう", "あゐう", np.array([0.5, 0.25, 1.0], dtype=np.float32))


def test_batches_are_written_only_while_somebody_watches():
    run = Run.create("quick", {})
    recorder = Recorder(run)
    made = []

    def make():
        made.append(1)
        return preview()

    recorder.show(make)
    assert run.batch() is None
    run.watch()
    recorder.show(make)
    batch = run.batch()
    assert (batch.step, batch.truths, batch.readings) == (7, "あいう", "あゐう")
    assert (batch.images == preview().images).all()
    assert batch.probabilities.tolist() == [0.5, 0.25, 1.0]
    os.utime(run.control / "watching", (time.time() - 60, time.time() - 60))
    recorder.show(make)
    assert len(made) == 1
    assert Mailbox(run.control).take() == []
    recorder.close()


def test_a_batch_that_makes_no_sense_is_none():
    run = Run.create("quick", {})
    run.previews.mkdir()
    file = run.previews / "batch.npz"
    write_batch(run.previews, preview())
    whole = file.read_bytes()
    for content in (b"", b"PK", whole[: len(whole) // 2], whole.replace(b"images", b"imagos")):
        file.write_bytes(content)
        assert run.batch() is None
    write_batch(run.previews, dataclasses.replace(preview(), truths="あ"))
    assert run.batch() is None
    np.savez(file, step=1, images=np.array([{}], dtype=object))
    assert run.batch() is None
