"""Names and links that lead out of a folder, and files that others may not write or see."""

import json
import os
import stat

import pytest

from kanatui.cli import run as command
from kanatui.core import paths, storage
from kanatui.core.errors import DatasetError, KanatuiError, RunError, StorageError
from kanatui.dataset import generation
from kanatui.dataset.catalogue import Catalogue
from kanatui.dataset.read import find_dataset, open_dataset
from kanatui.plugins import trust
from kanatui.training.commands import CommandHandler
from kanatui.training.control import Mailbox, is_watched, watch
from kanatui.training.recorder import Recorder
from kanatui.training.runs import Run, find_run, list_runs
from tests.faults.files import MANIFEST, STATUS

OUTSIDE = [
    "../outside",
    "../../outside",
    "/outside",
    "a/b",
    ".",
    "..",
    ".hidden",
    "-rf",
    "a\nb",
    "a\0b",
    "a\u202eb",
    "",
]


def finished(folder):
    (folder / "status.json").write_text(json.dumps(STATUS))


@pytest.fixture
def outside(tmp_path):
    """A folder of the user's that happens to look like a run and a data set."""
    folder = tmp_path / "outside"
    (folder / "inner").mkdir(parents=True)
    (folder / "config.toml").write_text("[train]\n")
    (folder / "letter.txt").write_text("dear")
    finished(folder)
    MANIFEST.files(folder)
    return folder


def intact(folder):
    return (folder / "letter.txt").read_text() == "dear" and (folder / "inner").is_dir()


@pytest.mark.parametrize("name", OUTSIDE)
def test_names_that_lead_elsewhere_are_refused(name, home, capfd):
    with pytest.raises(RunError, match="not a plain name"):
        Run.create(name, {})
    assert "not a plain name" in generation.new_name_problem(name)
    if name and "\0" not in name:
        assert command(("recipes", "save", "--", name)) == 2
        assert command(("generate", "--recipe", "quick", "--name", name)) in (1, 2)
    assert list_runs() == [] and not paths.datasets().exists()


@pytest.mark.parametrize("name", ["../../outside", "OUTSIDE", "."])
def test_nothing_outside_is_deleted(name, home, outside, capfd):
    name = name.replace("OUTSIDE", str(outside))
    MANIFEST.files(storage.make_folder(paths.datasets() / "mine"))
    Run.create("mine", {})
    for arguments in (("datasets", "--delete", name, "--yes"), ("runs", "--delete", name, "--yes")):
        assert command(arguments) in (1, 2)
    with pytest.raises(KanatuiError):
        generation.delete(name)
    assert intact(outside) and len(list_runs()) == len(Catalogue().look()) == 1


def test_a_run_elsewhere_is_read_but_not_deleted(home, outside, capfd):
    assert find_run(str(outside)).path == outside
    with pytest.raises(StorageError, match="remove it by other means"):
        find_run(str(outside)).delete()
    assert intact(outside)


def test_a_link_among_runs_and_data_sets_is_not_deleted(home, outside):
    for folder in (paths.runs(), paths.datasets()):
        folder.mkdir()
        (folder / "001-link").symlink_to(outside)
    with pytest.raises(StorageError, match="a link or elsewhere"):
        find_run("1").delete()
    with pytest.raises(StorageError, match="a link or elsewhere"):
        generation.delete("001-link")
    assert intact(outside) and find_dataset("001-link") == outside


def test_deleting_leaves_alone_what_links_lead_to(home, outside):
    run = Run.create("mine", {})
    finished(run.path)
    (run.path / "checkpoints").symlink_to(outside)
    run.delete()
    assert intact(outside) and list_runs() == [] and list(paths.runs().glob(".*.deleted")) == []


@pytest.mark.parametrize("name", ["shard-00000.npy", "glyphs.npy", "more"])
def test_a_data_set_with_a_link_out_of_it_is_refused(name, home, outside):
    folder = storage.make_folder(paths.datasets() / "strange")
    MANIFEST.files(folder)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(outside / name)
    with pytest.raises(StorageError, match=f"{name}: a link that leads out of its folder"):
        open_dataset(folder)


@pytest.mark.parametrize("name", ["lock", "train.log", "events.jsonl", "control", "checkpoints", "previews"])
def test_a_run_with_a_link_out_of_it_is_not_trained(name, home, outside):
    run = Run.create("strange", {})
    (run.path / name).symlink_to(outside / "letter.txt" if "." in name or name == "lock" else outside)
    with pytest.raises(KanatuiError, match="link"):
        Recorder(run)
    assert intact(outside)
    assert [path.name for path in outside.iterdir() if path.name.endswith(".safetensors")] == []


@pytest.mark.parametrize("name", ["manifest.json", "shard-00000.npy"])
def test_a_pipe_is_no_file_of_a_data_set(name, home):
    folder = storage.make_folder(paths.datasets() / "strange")
    MANIFEST.files(folder)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(DatasetError, match="not a regular file"):
        open_dataset(folder)


@pytest.mark.parametrize("name", ["config.toml", "status.json", "about.toml", "events.jsonl", "lock"])
def test_a_pipe_in_a_run_does_not_stop_lists(name, home, capfd):
    run = Run.create("strange", {})
    (run.path / name).unlink(missing_ok=True)
    os.mkfifo(run.path / name)
    assert command(["runs", "--json"]) == 0
    assert [told["id"] for told in json.loads(capfd.readouterr().out)] == [run.id]


# ── who may see and write ───────────────────────────────────────────────────────────────────────────────────────────


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_home_runs_and_commands_are_the_users_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("KANATUI_HOME", str(tmp_path / "new" / "home"))
    before = os.umask(0)
    try:
        run = Run.create("mine", {})
        recorder = Recorder(run)
        sent = Mailbox(run.control)
        sequence = sent.send("pause")
        (tmp_path / "some.py").write_text("")
        trust.trust(tmp_path / "some.py")
        recorder.close()
    finally:
        os.umask(before)
    for folder in (paths.home(), paths.runs(), run.path, run.control, run.previews, run.path / "checkpoints"):
        assert mode(folder) == 0o700, folder
    for file in (run.control / f"{sequence}.json", run.path / "events.jsonl", run.lock, run.log):
        assert mode(file) == 0o600, file
    assert mode(paths.config()) == 0o700


def test_a_control_folder_that_was_open_to_others_is_closed(home):
    run = Run.create("mine", {})
    run.control.mkdir(mode=0o777)
    run.control.chmod(0o777)
    Recorder(run).close()
    assert mode(run.control) == 0o700


class Sink(list):
    def event(self, kind, **fields):
        self.append(fields)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_commands_of_others_are_refused(home):
    run = Run.create("mine", {})
    box, sink = Mailbox(run.control), Sink()
    sequence = box.send("stop")
    os.chown(run.control / f"{sequence}.json", 65534, 65534)
    handler = CommandHandler(sink)
    handler.obey(box.take(), 3)
    assert handler.ending is None and list(run.control.iterdir()) == []
    assert sink[0]["accepted"] is False and "written by another user" in sink[0]["note"]
    watch(run.control)
    assert is_watched(run.control)
    os.chown(run.control / "watching", 65534, 65534)
    assert not is_watched(run.control)


def test_what_is_no_file_is_no_command(home, outside):
    box = Mailbox(Run.create("mine", {}).control)
    storage.make_folder(box.folder)
    (box.folder / "1.json").mkdir()
    os.mkfifo(box.folder / "2.json")
    (box.folder / "3.json").symlink_to(outside / "letter.txt")
    assert box.take() == [] and intact(outside)
