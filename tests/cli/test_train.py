"""The commands train, runs, attach, stop, pause, resume, as typed; detached trainings are processes of their own."""

import json
import os
import signal
import tomllib

import pytest

from kanatui import cli
from kanatui.training.runs import Run, find_run, list_runs
from tests.helpers.processes import wait_until

FACE = "noto-sans-cjk-jp-medium"
SMALL = [
    "--characters",
    "あいう",
    "--faces",
    FACE,
    "--image-size",
    "16",
    "--images-per-character",
    "60",
    "--threads",
    "1",
]
QUICK = ["train", "quick", *SMALL, "--model", "article_cnn", "--precision", "float32", "--batch-size", "16"]


@pytest.fixture
def type_in(capfd):
    """Carry out a command line and return its exit status, standard output and standard error."""

    def run(*arguments):
        capfd.readouterr()
        status = cli.run([str(argument) for argument in arguments])
        return (status, *capfd.readouterr())

    return run


@pytest.fixture
def ok(type_in):
    def run(*arguments):
        status, out, err = type_in(*arguments)
        assert status == 0, err
        return out + err

    return run


# ── wrong ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["train", "quikc"], 2, "unknown recipe 'quikc' (did you mean quick?)"),
        (["train", "quick", "--recipe", "quick"], 2, "give the recipe once"),
        (["train", "quick", "--data", "x"], 2, "give a recipe or --data, not both"),
        (["train", "--data", "nothing"], 1, "no data set 'nothing'"),
        (["train", "--data", "nothing", "--faces", "x"], 2, "--faces: cannot be combined with --data"),
        (["train", "--resume", "9"], 1, "no run '9'"),
        (["train", "--resume", "9", "--epochs", "3"], 2, "--epochs: cannot be combined with --resume"),
        (["train", "--epochs", "1", "--minutes", "2"], 2, "--epochs and --minutes cannot be combined"),
        (["train", "--learning-rate", "fast"], 2, "--learning-rate: 'fast' is not a number"),
        (["train", "--learning-rate", "-1"], 2, "--learning-rate: -1 is below the minimum"),
        (["train", "--seed", "-1"], 2, "--seed: -1 is below the minimum"),
        (["train", "--model", "nobody"], 1, "unknown model 'nobody'"),
        ([*QUICK, "--model-set", "dropout=2"], 2, "--model-set dropout=2: article_cnn.dropout: 2 is above"),
        ([*QUICK, "--model-set", "speed=2"], 2, "--model-set speed=2: article_cnn.speed: no such parameter"),
        ([*QUICK, "--model-set", "dropout"], 2, "--model-set dropout: not of the form param=value"),
        ([*QUICK, "--name", "a/b"], 1, "run name 'a/b'"),
        ([*QUICK, "--hold-out-faces", "nobody"], 1, "no face 'nobody' in the data"),
        ([*QUICK, "--hold-out-faces", FACE], 1, "nothing to train on for 3 characters (あいう)"),
        ([*QUICK, "--device", "mps"], 2, "--device mps: this machine has no Apple GPU"),
        (["train", "--replay", "9"], 1, "no run '9'"),
        (["train", "--replay", "9", "--seed", "3"], 2, "--seed: cannot be combined with --replay"),
        (["runs", "--rename", "9", "x"], 1, "no run '9'"),
        (["runs", "--delete", "9", "--note", "9", "x"], 2, "--rename, --note and --delete cannot be combined"),
        (["stop"], 1, "there are no runs yet"),
        (["pause", "7"], 1, "there are no runs yet"),
        (["resume", "x"], 1, "there are no runs yet"),
        (["attach"], 1, "there are no runs yet"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_run(type_in, arguments, status, words):
    got, out, err = type_in(*arguments)
    assert got == status, err
    assert words in err.strip().splitlines()[-1]
    assert "Traceback" not in err
    assert not out
    assert list_runs() == []


def test_a_recipe_with_a_wrong_train_table_is_named(type_in, tmp_path):
    for line, words in (("speed = 3", "train.speed: no such parameter"), ("epochs = -1", "train.epochs: -1 is below")):
        path = tmp_path / "r.toml"
        path.write_text(f'images_per_character = 10\n[train]\nmodel = "article_cnn"\n{line}\n')
        status, _, err = type_in("train", path, *SMALL)
        assert status == 1
        assert words in err.strip().splitlines()[-1]


# ── settling ────────────────────────────────────────────────────────────────────────────────────────────────────────


def settled(ok, tmp_path, *arguments):
    path = tmp_path / "mine.toml"
    path.write_text(
        'images_per_character = 10\n[train]\nmodel = "article_cnn"\nminutes = 3.0\nlearning_rate = 0.002\n'
        "[train.parameters]\ndropout = 0.25\n"
    )
    ok("train", path, *SMALL, "--images-per-character", "10", "--threads", "1", *arguments)
    return find_run("latest").config


def test_the_command_line_wins_over_the_recipe_and_that_over_the_defaults(ok, tmp_path):
    config = settled(
        ok,
        tmp_path,
        "--faces",
        "noto-sans-cjk-jp-med*",
        "--epochs",
        "1",
        "--weight-decay",
        "0.5",
        "--seed",
        "9",
        "--name",
        "other",
    )
    train = config["train"]
    assert (train["epochs"], train["minutes"]) == (1, 0.0)
    assert (train["learning_rate"], train["weight_decay"], train["batch_size"]) == (0.002, 0.5, 128)
    assert (train["seed"], config["source"]["recipe"]["seed"]) == (9, 9)
    assert config["source"]["recipe"]["faces"] == [FACE]  # as it was found: fonts may be installed later
    assert config["model"] == {"dropout": 0.25}
    assert (config["name"], config["recipe"]) == ("other", "mine")
    again = settled(ok, tmp_path, "--minutes", "0.001", "--model-set", "dropout=0.5", "--hold-out-faces", "")
    assert (again["train"]["epochs"], again["train"]["minutes"]) == (0, 0.001)
    assert again["model"] == {"dropout": 0.5}
    assert again["train"]["hold_out_faces"] == []


# ── training ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_train_shows_progress_and_lists_the_run(ok):
    told = ok(*QUICK, "--epochs", "2")
    assert "001-quick: " in told
    assert "weights on cpu, 1 thread, float32" in told
    assert "held-out images: strict" in told
    assert "evaluate it: kanatui evaluate 1" in told
    (listed,) = json.loads(ok("runs", "--json"))
    assert (listed["id"], listed["state"], listed["progress"], listed["epoch"]) == ("001-quick", "finished", 1.0, 2)
    listing = ok("runs")
    assert "001-quick  finished" in listing and "model" in listing.splitlines()[0]
    assert "run 001-quick: finished" in ok("attach", "1")


def test_a_finished_run_is_neither_steered_nor_resumed(ok, type_in):
    ok(*QUICK, "--epochs", "1")
    for arguments, words in (
        (["stop", "1"], "run 001-quick is not running (finished)"),
        (["pause"], "run 001-quick is not running (finished)"),
        (["train", "--resume", "latest"], "run 001-quick is finished; start a new one"),
    ):
        status, _, err = type_in(*arguments)
        assert status == 1
        assert words in err


def test_a_run_is_repeated_to_the_bit(ok, type_in):
    ok(*QUICK, "--minutes", "0.02")
    told = ok("train", "--replay", "1")
    assert "the weights are identical, bit for bit, to those of run 001-quick" in told
    again = find_run("002-quick")
    assert (again.status().state, again.status().step) == ("finished", find_run("1").status().step)
    assert "run 003-other trains in the background" in ok("train", "--replay", "2", "--name", "other", "--detach")
    wait_until(lambda: find_run("other").status().state == "finished")
    (find_run("1").path / "events.jsonl").write_text("")
    status, _, err = type_in("train", "--replay", "1")
    assert (status, "run 001-quick has no steps" in err) == (1, True)
    assert len(list_runs()) == 3


def test_what_differs_between_runs(ok, kanatui):
    for size in (64, 128, 64):
        run = Run.create("quick", {"recipe": "quick", "train": {"batch_size": size, "seed": 0}})
        (run.path / "status.json").write_text(json.dumps({"state": "finished"}))
    told = ok("runs", "diff", "1", "2")
    assert [line.split() for line in told.splitlines() if "train" in line] == [["train.batch_size", "64", "128"]]
    assert "train.seed" in ok("runs", "diff", "1", "2", "--all")
    assert "configurations are the same" in ok("runs", "diff", "1", "3")
    found = json.loads(ok("runs", "diff", "1", "2", "--json"))
    assert found["train.batch_size"] == {"001-quick": "64", "002-quick": "128"}
    assert "name at least two runs" in kanatui("runs", "diff", "1", check=2).stderr


def test_runs_are_labelled_and_deleted(ok, kanatui, monkeypatch):
    ok(*QUICK, "--epochs", "1")
    assert "run 001-quick is now called thick [bold] pens" in ok("runs", "--rename", "1", "thick [bold] pens")
    assert "run 001-quick: try blur next" in ok("runs", "--note", "thick", "try blur next")
    (listed,) = json.loads(ok("runs", "--json"))
    assert (listed["title"], listed["note"]) == ("thick [bold] pens", "try blur next")
    monkeypatch.setenv("COLUMNS", "120")
    assert "thick [bold] pens" in ok("runs")
    kanatui("runs", "--delete", "1", stdin="n\n", check=130)
    assert len(list_runs()) == 1
    assert "deleted run 001-quick" in ok("runs", "--delete", "1", "--yes")
    assert list_runs() == []


def test_a_written_data_set_is_trained_on(ok):
    ok("generate", "quick", *SMALL[:-2], "--name", "small", "--workers", "1")
    ok("train", "--data", "small", "--model", "article_cnn", "--epochs", "1", "--threads", "1")
    run = find_run("latest")
    assert run.id == "001-small"
    assert set(run.config["source"]) == {"dataset"}
    assert run.status().state == "finished"


def test_a_detached_run_is_paused_resumed_stopped_killed_and_continued(ok, type_in):
    told = ok(*QUICK, "--epochs", "4000", "--checkpoint-seconds", "1", "--detach")
    assert "run 001-quick trains in the background" in told
    run = find_run("1")
    assert run.status().state == "running"
    assert os.getsid(run.status().pid) == run.status().pid
    status, _, err = type_in("train", "--resume", "1")
    assert (status, "is still running" in err) == (1, True)

    assert "run 001-quick: pause at step" in ok("pause")
    wait_until(lambda: run.status().state == "paused")
    assert "already paused" in ok("pause", "1")
    status, _, err = type_in("runs", "--delete", "1", "--yes")
    assert (status, "run 001-quick is still paused" in err) == (1, True)
    assert "paused" in ok("runs")
    assert "run 001-quick: resume at step" in ok("resume")
    wait_until(lambda: run.status().state == "running")

    assert "continue with: kanatui train --resume 1" in ok("stop")
    wait_until(lambda: not run.alive())
    assert run.status().state == "stopped"
    stopped_at = run.status().step
    assert "run 001-quick: stopped as asked" in ok("attach")

    ok("train", "--resume", "1", "--detach")
    starts = [event["step"] for event in run.events().read() if event["event"] == "start"]
    assert starts == [0, stopped_at]
    wait_until(lambda: run.status().step > stopped_at + 1)
    os.kill(run.status().pid, signal.SIGKILL)
    wait_until(lambda: run.status().state == "crashed")
    assert "crashed: process" in ok("runs")
    status, _, err = type_in("stop")
    assert (status, "is not running (crashed); continue with: kanatui train --resume 1" in err) == (1, True)

    ok("train", "--resume", "1", "--detach")
    assert "run 001-quick: stop after epoch at step" in ok("stop", "--after-epoch")
    wait_until(lambda: run.status().state == "stopped", lambda: f"{run.status()}\n{run.log.read_text()[-2000:]}")
    assert "finished" not in run.log.read_text()
    assert [event["state"] for event in run.events().read() if event["event"] == "end"] == ["stopped", "stopped"]


def test_a_detached_run_that_cannot_start_says_why_and_leaves_nothing(type_in):
    status, _, err = type_in(*QUICK, "--hold-out-faces", "nobody", "--detach")
    assert status == 1
    assert "failed: train.hold_out_faces: no face 'nobody'" in err.strip().splitlines()[-1]
    assert list_runs() == []


def test_attach_follows_a_run_and_leaving_it_does_not_stop_it(ok, kanatui):
    ok(*QUICK, "--epochs", "4000", "--detach")
    run = find_run("latest")
    try:
        watching = kanatui_process("attach")
        assert "001-quick:" in watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        assert "continues; stop it" in watching.communicate(timeout=240)[1]
        assert watching.returncode == 0
        assert run.status().state == "running"
        watching = kanatui_process("attach", "1")
        watching.stderr.readline()
    finally:
        ok("stop")
    out, err = watching.communicate(timeout=240)
    assert watching.returncode == 0
    assert "stopped as asked" in err
    assert "continue with: kanatui train --resume 1" in out


def test_ctrl_c_stops_with_a_checkpoint_and_says_how_to_go_on(home):
    training = kanatui_process(*QUICK, "--epochs", "4000")
    shown = ""
    while "loss" not in shown:
        shown = training.stderr.readline()
    training.send_signal(signal.SIGINT)
    out, err = training.communicate(timeout=240)
    assert training.returncode == 130
    assert "stopping: writing a checkpoint" in err
    assert "continue with: kanatui train --resume 1" in out
    assert "Traceback" not in err
    assert find_run("1").checkpoint("state").exists()


def kanatui_process(*arguments):
    import subprocess
    import sys

    return subprocess.Popen(
        [sys.executable, "-m", "kanatui", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_help_lists_every_training_parameter(ok):
    from kanatui.training.options import TrainingOptions

    told = ok("train", "--help")
    assert all(f"--{name.replace('_', '-')}" in told for name in TrainingOptions.parameters())
    assert "--run-dir" not in told


def test_the_configuration_is_plain_toml(ok):
    ok(*QUICK, "--epochs", "1")
    config = tomllib.loads((find_run("latest").path / "config.toml").read_text())
    assert {"name", "created", "recipe", "train", "model", "source"} <= set(config)
