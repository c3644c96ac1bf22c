"""Hooks beyond augmentations, models and glyph sources: observers, metrics, commands, other formats."""

import io
import json
import struct
import subprocess
import sys
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

from kanatui.cli import run as run_command
from kanatui.core import paths
from kanatui.core.errors import ParameterError, PluginError
from kanatui.evaluation.scores import Scores
from kanatui.evaluation.store import list_evaluations
from kanatui.model.predictions import Predictions
from kanatui.plugins import registry as plugins
from kanatui.plugins import trust
from kanatui.testing import check_file, run_events, watch
from kanatui.training.config import make_config
from kanatui.training.control import Mailbox
from kanatui.training.options import TrainingOptions
from kanatui.training.previews import BatchPreview, write_batch
from kanatui.training.runs import Run
from kanatui.training.session import train_run
from tests.helpers.evaluated import evaluated_run
from tests.helpers.tiny import TinyModel, TinySource

COUNTER = '''
"""Count the events of a training."""

from pathlib import Path

from kanatui import Int, Observer, hookimpl


class Counter(Observer):
    id = "counter"
    first = Int(0, min=0, max=100, help="number to begin with")

    def started(self, run):
        self.count = self.first

    def event(self, run, event):
        self.count = getattr(self, "count", self.first) + 1
        if event["event"] == "validation":
            event["no such thing"]

    def finished(self, run):
        Path(run["path"], "count.txt").write_text(f"{self.count} {run['state']}")


@hookimpl
def kanatui_observers():
    return [Counter]
'''

FORMATS = '''
"""Two formats, a metric that fails, and a command."""

import click

from kanatui import Metric, hookimpl


class Rows:
    name = "rows"
    kind = "dataset"
    help = "one line of text for each image"

    def export(self, subject, out, params):
        lines = [subject.characters[label] for label in subject.labels(range(len(subject)))]
        out.write_text("\\n".join(lines))


class Bars:
    name = "bars"
    help = "a bar for each line of a text file"

    def read(self, path, params):
        import numpy as np

        for line in path.read_text().split():
            yield np.full((8, 8), 255, dtype=np.uint8), line


@click.command("greet")
@click.argument("name")
def greet(name):
    """Say hello."""
    click.echo(f"hello {name}")


@hookimpl
def kanatui_exporters():
    return [Rows()]


@hookimpl
def kanatui_importers():
    return [Bars()]


@hookimpl
def kanatui_metrics():
    return [Metric("broken", "broken", lambda predictions: 1 / 0)]


@hookimpl
def kanatui_commands(group):
    group.add_command(greet)
'''


@pytest.fixture
def use(tmp_path, monkeypatch):
    """Write plugin files, trust them, and load them with every registry of this process."""
    folder = tmp_path / "plugins"
    folder.mkdir()

    def write(**files):
        for name, text in files.items():
            path = folder / f"{name}.py"
            path.write_text(text)
            trust.trust(path)
        monkeypatch.setenv("KANATUI_PLUGINS", str(folder))
        plugins.reload()
        return plugins.load()

    yield write
    plugins.reload()


def predictions(truth="ああいう", read="あいいう"):
    made = Predictions("あいう")
    probabilities = np.eye(3)[["あいう".index(c) for c in read]] * 0.8 + 0.1
    made.add(probabilities, ["あいう".index(c) for c in truth], np.arange(len(truth)))
    return made


# ── observers ───────────────────────────────────────────────────────────────────────────────────────────────────────


def tiny_run(registry, **observers):
    registry.models["tiny_cnn"] = TinyModel
    options = TrainingOptions(model="tiny_cnn", epochs=1, batch_size=32, threads=1, workers=0, hold_out=0.2)
    source = TinySource()
    config = make_config(source.spec(), source.characters, source.face_ids, options, {}, "tiny", observers)
    return Run.create("tiny", config)


def test_an_observer_has_settings_and_a_failing_one_is_named_and_dropped(use):
    fine = COUNTER.replace('event["no such thing"]', "pass").replace("counter", "fine").replace("count.txt", "fine.txt")
    registry = use(counter=COUNTER, fine=fine)
    run = tiny_run(registry, counter={"first": 40}, fine={"first": 50})
    assert train_run(run, source=TinySource()).state == "finished"
    events = run.events().read()
    (warning,) = [event["message"] for event in events if event["event"] == "warning"]
    assert "observer counter failed at the event 'validation': KeyError: 'no such thing'" in warning
    assert "internal" not in warning and not (run.path / "count.txt").exists()
    shown = [event for event in events if event["event"] != "warning"]
    started = next(place for place, event in enumerate(shown) if event["event"] == "start")
    assert (run.path / "fine.txt").read_text() == f"{50 + len(shown) - started} finished"


def test_wrong_settings_of_an_observer_are_told_before_a_training(use, capsys):
    run = tiny_run(use(counter=COUNTER), counter={"first": 1000})
    with pytest.raises(ParameterError, match=r"counter\.first: 1000 is above the maximum, 100"):
        train_run(run, source=TinySource())
    for typed, words in (
        ("counter.first=x", "--observer-set counter.first=x: counter.first: 'x' is not a number"),
        ("counter=3", "not of the form id.param=value"),
        ("other.first=3", "unknown observer 'other' (there are: counter, tensorboard, wandb)"),
    ):
        assert run_command(["train", "quick", "--observer-set", typed]) == 2
        assert words in " ".join(capsys.readouterr().err.split())


def test_observers_are_in_the_table_of_plugins_with_and_without_a_class(use, capsys):
    functions = (
        '"""Watch with functions."""\nfrom kanatui import hookimpl\n@hookimpl\ndef kanatui_run_finished(run): ...\n'
    )
    use(counter=COUNTER, plain=functions, formats=FORMATS)
    assert run_command(["plugins", "--json"]) == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)["plugins"]}
    assert rows["counter"]["kind"] == rows["plain"]["kind"] == "observer"
    assert rows["counter"]["parameters"]["first"]["default"] == 0
    assert rows["plain"]["description"] == "Watch with functions."
    assert (rows["rows"]["kind"], rows["bars"]["kind"], rows["broken"]["kind"]) == ("exporter", "importer", "metric")
    assert run_command(["plugins"]) == 0
    assert "first=0" in capsys.readouterr().out


def test_a_file_that_provides_nothing_is_in_the_table_of_plugins(use, capsys):
    use(idle='"""Forgot the hook."""', empty=COUNTER.replace("[Counter]", "[]"), counter=COUNTER)
    assert run_command(["plugins"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "no function is marked @hookimpl" in shown and "its hooks return nothing" in shown
    assert shown.count("counter ") == 1


def test_tensorboard_writes_nothing_unless_it_is_asked_to(tmp_path):
    (tmp_path / "run").mkdir()
    watch(plugins.load().observer("tensorboard")(), tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())


def logged(folder):
    """What TensorBoard's log in a folder holds, by tag: the step and the value."""
    from tensorboardX.proto.event_pb2 import Event

    (file,) = folder.iterdir()
    found = {}
    data = file.read_bytes()
    while data:  # TFRecord: the length, its checksum, the record, its checksum
        (length,) = struct.unpack("<Q", data[:8])
        event, data = Event.FromString(data[12 : 12 + length]), data[16 + length :]
        found |= {value.tag: (event.step, value) for value in event.summary.value}
    return found


def test_tensorboard_gets_the_numbers_of_each_event(tmp_path):
    pytest.importorskip("tensorboardX")
    watch(plugins.load().observer("tensorboard")(write=True), tmp_path)
    found = logged(tmp_path / "tensorboard")
    step = next(event for event in run_events() if event["event"] == "step")
    assert found["training/loss"][0] == step["step"]
    assert found["training/loss"][1].simple_value == pytest.approx(step["loss"])
    assert found["held_out/strict"][0] == 5
    assert found["held_out/strict"][1].simple_value == pytest.approx(0.5)


def test_tensorboard_gets_images_of_batches_and_confusions(capsys):
    pytest.importorskip("tensorboardX")
    pytest.importorskip("matplotlib")
    run = evaluated_run()
    images = np.zeros((3, 16, 16), np.uint8)
    run.previews.mkdir()
    write_batch(run.previews, BatchPreview(7, images, "あいう", "あいえ", np.full(3, 0.9, np.float32)))
    assert run_command(["tensorboard", run.id]) == 0
    assert "confusions of 1 evaluation written" in " ".join(capsys.readouterr().out.split())
    found = logged(run.path / "tensorboard")
    step, batch = found["training/batch"]
    assert step == 7
    assert Image.open(io.BytesIO(batch.image.encoded_image_string)).size[0] >= 3 * 16
    (confusions,) = (value for tag, (_, value) in found.items() if tag.startswith("confusions/"))
    assert confusions.image.width > 100


TOO_LARGE = "needs wandb, of the extra wandb, which CI installs apart"


def logged_for_wandb():
    """What W&B's own program reads from its logs: the records by their kind, log by log."""
    found = []
    for log in sorted(paths.home().glob("wandb/offline-run-*/run-*.wandb"), key=lambda log: log.stat().st_mtime_ns):
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(log)]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        kinds = defaultdict(list)
        for record in map(json.loads, lines):
            kinds[record["type"]].append(record[record["type"]])
        found.append(kinds)
    return found


def test_wandb_joins_the_parts_of_a_training_and_nothing_is_sent(use, monkeypatch, capfd):
    pytest.importorskip("wandb", reason=TOO_LARGE)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # where nobody listens
    run = tiny_run(use(), wandb={"write": True, "project": "letters"})

    def stop(event):
        if event["event"] == "step":
            Mailbox(run.control).send("stop")

    assert train_run(run, [stop], source=TinySource()).state == "stopped"
    assert train_run(run, source=TinySource()).state == "finished"
    assert not [event for event in run.events().read() if event["event"] == "warning"]
    first, second = logged_for_wandb()
    assert first["run"][0]["run_id"] == second["run"][0]["run_id"]
    assert first["run"][0]["project"] == "letters"
    assert second["run"][0]["config"]["update"]["train"]["batch_size"] == 32
    rows = [row["item"] for log in (first, second) for row in log["history"]]
    assert [row["_step"] for row in rows] == sorted({row["_step"] for row in rows})
    events = run.events().read()
    for name, of in (("loss", "step"), ("rate", "step"), ("images_per_second", "step")):
        shown = [row[f"training/{name}"] for row in rows if f"training/{name}" in row]
        assert shown == pytest.approx([event[name] for event in events if event["event"] == of])
    (validation, *_) = [event for event in events if event["event"] == "validation"]
    row = next(row for row in rows if row["_step"] == validation["step"])
    assert {name: row[f"held_out/{name}"] for name in ("strict", "folded", "loss")} == pytest.approx(
        {name: validation["held_out"][name] for name in ("strict", "folded", "loss")}
    )
    states = [entry["update"].get("state") for entry in first["summary"] + second["summary"]]
    assert list(filter(None, states)) == ["stopped", "finished"]
    assert capfd.readouterr() == ("", "")


def test_wandb_gets_the_figures_of_a_run_and_of_its_evaluations(capsys):
    pytest.importorskip("wandb", reason=TOO_LARGE)
    run = evaluated_run()
    for events in (68, 0):  # the second time they are there
        assert run_command(["wandb", run.id, "--project", "letters"]) == 0
        assert f"{events} events and the scores of 1 evaluation" in " ".join(capsys.readouterr().out.split())
    first, second = logged_for_wandb()
    assert {row["item"]["_step"] for row in first["history"]} >= {1, 225}
    (row,) = second["history"]
    (evaluation,) = list_evaluations(run.path / "evaluations")
    assert row["item"][f"confusions/{evaluation.name}.width"] > 100
    assert row["item"][f"evaluation/{evaluation.name}/strict"] == pytest.approx(57 / 60)


def test_an_observer_that_lacks_a_package_is_refused_before_a_training(monkeypatch, capsys):
    monkeypatch.setattr(plugins.load().observer("tensorboard"), "problem", classmethod(lambda cls: "needs a package"))
    assert run_command(["train", "quick", "--observer-set", "tensorboard.write=on"]) == 2
    assert "--observer-set tensorboard.write=on: needs a package" in " ".join(capsys.readouterr().err.split())


# ── metrics ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_shipped_plugin_adds_a_metric_to_every_evaluation():
    scores = Scores.of(predictions())
    assert scores.total["balanced"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert scores.total["strict"] == pytest.approx(3 / 4)
    assert scores.to_dict()["balanced"] == scores.total["balanced"]
    assert "balanced" not in scores.per_character["あ"].values


def test_a_metric_that_fails_is_named(use):
    use(formats=FORMATS)
    with pytest.raises(PluginError, match=r"metric 'broken' failed on 4 images: Zero.* \(formats\.py, line "):
        Scores.of(predictions())


@pytest.mark.parametrize(
    ("value", "words"), [("float('nan')", "returned nan, not a share"), ("3", "it gave 3, not a share"), ("0.5", "")]
)
def test_a_metric_that_is_no_share_is_found_by_the_check(tmp_path, value, words):
    path = tmp_path / "share.py"
    path.write_text(
        "from kanatui import Metric, hookimpl\n@hookimpl\ndef kanatui_metrics():\n"
        f"    return [Metric('share', 'share', lambda predictions: {value})]\n"
    )
    *_, finding = check_file(path)
    assert finding.plugin == "share" and finding.ok == (not words) and words in finding.detail


# ── commands and formats ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_plugin_adds_a_command(use, capsys):
    use(formats=FORMATS)
    assert run_command(["greet", "kana"]) == 0
    assert capsys.readouterr().out == "hello kana\n"
    assert run_command(["--help"]) == 0
    shown = capsys.readouterr()
    assert "greet" in shown.out and "tensorboard" in shown.out and not shown.err
    assert run_command(["greets"]) == 2


def test_a_command_whose_name_is_taken_or_that_is_not_trusted_is_not_added(use, tmp_path, capsys):
    use(formats=FORMATS.replace('"greet"', '"train"'))
    assert run_command(["--help"]) == 0
    shown = capsys.readouterr()
    assert "there is already a command 'train'" in " ".join(shown.err.split()) and "formats.py" in shown.err
    (tmp_path / "plugins" / "formats.py").write_text(FORMATS)
    assert run_command(["greet", "kana"]) == 2


def test_formats_of_plugins_are_used_by_the_command_line(use, tmp_path, capsys):
    use(formats=FORMATS)
    lines = tmp_path / "lines.txt"
    lines.write_text("か\nが\nか\n")
    assert run_command(["import", str(lines), "--format", "bars", "--name", "barred", "--image-size", "16"]) == 0
    assert run_command(["export", "dataset", "barred", "rows", "-o", str(tmp_path / "rows.txt")]) == 0
    assert sorted((tmp_path / "rows.txt").read_text().splitlines()) == ["か", "か", "が"]
    assert run_command(["export", "dataset", "barred", "rows", "-o", str(tmp_path / "rows.txt")]) == 1
    assert run_command(["import", str(lines), "--format", "lines"]) == 2
    assert "no importer 'lines' (there are: bars)" in capsys.readouterr().err
    lines.unlink()
    assert run_command(["import", str(lines), "--format", "bars", "--name", "other"]) == 1
    assert "importer bars: " in capsys.readouterr().err


def test_formats_are_collected_and_an_incomplete_one_is_refused(use, tmp_path):
    registry = use(formats=FORMATS, lacks=FORMATS.replace('name = "rows"', 'called = "rows"'))
    registry.exporters["rows"].export(TinySource(counts=1, characters="かが"), tmp_path / "rows.txt", {})
    assert (tmp_path / "rows.txt").read_text() == "か\nが"
    ((image, label), *_) = registry.importers["bars"].read(tmp_path / "rows.txt", {})
    assert image.shape == (8, 8) and label == "か"
    broken = next(module for module in registry.modules if module.name == "lacks")
    assert broken.state == "failed" and "which has no name" in broken.error
    registry = use(kinds=FORMATS.replace('kind = "dataset"', 'kind = "images"'))
    broken = next(module for module in registry.modules if module.name == "kinds")
    assert "the kind of 'rows' is 'images', neither 'dataset' nor 'model'" in broken.error
