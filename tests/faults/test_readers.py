"""Files that are damaged or hostile: whatever is in them, their readers return or raise one declared error.

Each reader gets a few hundred mutated files here, and 10,000 with ``-m slow``.
"""

import json
import random
import re
import resource

import numpy as np
import pytest
import safetensors.numpy
import tomlkit
import torch
from PIL import Image, PngImagePlugin

from kanatui.core import paths
from kanatui.core.errors import KanatuiError
from kanatui.core.harmless import harmless
from kanatui.dataset import generation
from kanatui.dataset.catalogue import Catalogue
from kanatui.dataset.mixed import Pictures
from kanatui.dataset.read import open_dataset
from kanatui.dataset.recipe import read_recipe
from kanatui.evaluation.modelcard import model_card
from kanatui.evaluation.samples import Sample
from kanatui.evaluation.store import list_evaluations, look_at, read_evaluation
from kanatui.fonts import archive, faces
from kanatui.fonts.candidates import candidates, font_files
from kanatui.model.card import read_card
from kanatui.pictures.arrays import labelled_arrays, open_member
from kanatui.pictures.files import read_image
from kanatui.pictures.labelled import read_table
from kanatui.plugins import trust
from kanatui.training import columns, event_text
from kanatui.training.checkpoints import Progress, load_state, save_state
from kanatui.training.control import Mailbox
from kanatui.training.distributed import Alone
from kanatui.training.events import EventReader
from kanatui.training.learner import Learner
from kanatui.training.options import TrainingOptions
from kanatui.training.previews import BatchPreview, read_batch, write_batch
from kanatui.training.replay import read_replay, replay_of
from kanatui.training.runs import Run, list_runs
from kanatui.tui.settings import Settings
from kanatui.tui.train.follow import History
from tests.faults.files import (
    ABOUT,
    CARD,
    CONFIG,
    EVALUATION,
    FACES,
    LOG,
    MANIFEST,
    NOTES,
    PROCESS,
    RECIPE,
    REPLAY,
    SETTINGS,
    STATUS,
    weights_file,
    write_evaluation,
)  # fmt: skip
from tests.faults.mutate import damaged, json_lines_of, json_of, toml_of
from tests.helpers.own_fonts import build_design, build_variable, pack
from tests.helpers.tiny import TinyModel

SHORT = 60
"""Mutations of each reader in the usual run; slow readers get fewer."""


class Reader:
    """A reader under test: makes sound files in a folder, names those to damage and how, and reads."""

    each = SHORT
    named = True
    """Whether its errors name a file."""

    def make(self, folder):
        raise NotImplementedError

    def damage(self, folder, rng):
        """Damage one file."""
        file = rng.choice(self.files(folder))
        file.write_bytes(damaged(self.sound[file], rng))

    def files(self, folder):
        return [file for file in folder.rglob("*") if file.is_file()]

    def read(self, folder):
        raise NotImplementedError


class OfData(Reader):
    """A reader of one file of plain data."""

    file = ""
    data = None
    mutate = staticmethod(json_of)
    sound_text = staticmethod(lambda data: json.dumps(data).encode())

    def place(self, folder):
        return folder / self.file

    def make(self, folder):
        self.place(folder).parent.mkdir(parents=True, exist_ok=True)
        self.place(folder).write_bytes(self.sound_text(self.data))

    def damage(self, folder, rng):
        self.place(folder).write_bytes(self.mutate(self.data, rng))


class OfToml(OfData):
    mutate = staticmethod(toml_of)
    sound_text = staticmethod(lambda data: tomlkit.dumps(data).encode())


class TheManifest(OfData):
    file, data = "manifest.json", MANIFEST.data

    def make(self, folder):
        MANIFEST.files(folder)

    def read(self, folder):
        opened = open_dataset(folder)
        opened.images(range(len(opened)))
        return opened


class ShardsAndTables(Reader):
    def make(self, folder):
        MANIFEST.files(folder)

    def files(self, folder):
        return [folder / "glyphs.npy", folder / "shard-00000.npy"]

    def read(self, folder):
        opened = open_dataset(folder)
        return len(opened.images(range(len(opened))))


class TheListOfDataSets(TheManifest):
    def place(self, folder):
        return paths.datasets() / "some" / "manifest.json"

    def make(self, folder):
        self.place(folder).parent.mkdir(parents=True)
        MANIFEST.files(self.place(folder).parent)

    def read(self, folder):
        assert [entry.name for entry in Catalogue().look()] == ["some"]
        return generation.process_of("some") is None and generation.last_words("some") == ""


class TheProcessOfAGeneration(OfData):
    data = PROCESS

    def place(self, folder):
        return generation._process_file("some")

    def read(self, folder):
        return generation.process_of("some") is None and generation.last_words("some") == ""


class TheTrustList(OfData):
    def make(self, folder):
        plugin = folder / "some.py"
        plugin.write_text("")
        trust.trust(plugin)
        self.data = json.loads(trust._record().read_bytes()) | {"/other.py": "1" * 64}

    def place(self, folder):
        return trust._record()

    def read(self, folder):
        return trust.is_trusted(folder / "some.py")


class OfARun(OfData):
    def make(self, folder):
        self.run = Run.create("some", {"train": {"batch_size": 8}})
        super().make(folder)

    def place(self, folder):
        return self.run.path / self.file


class Listed(OfARun):
    """A file of a run that lists read: nothing in it takes the list away."""

    def read(self, folder):
        found = list(map(look_at, list_runs()))
        for facts in found:
            columns.plain(facts)
            for column in columns.COLUMNS:
                column.text(facts), column.order(facts)
        columns.table(found)
        return [facts.run.id for facts in found] == [self.run.id]


class TheStatus(Listed):
    file, data = "status.json", STATUS


class TheTitleAndNote(Listed, OfToml):
    file, data = "about.toml", ABOUT


class TheConfiguration(Listed, OfToml):
    file, data = "config.toml", CONFIG


class Events(Listed):
    file, data, mutate = "events.jsonl", LOG, staticmethod(json_lines_of)
    sound_text = staticmethod(lambda data: "".join(json.dumps(line) + "\n" for line in data).encode())

    def read(self, folder):
        found, history = EventReader(self.place(folder)).read(), History()
        history.add(found)
        for event in found:
            event_text.describe(event)
            if event["event"] == "step":
                event_text.figures(event)
            if event["event"] == "preparing":
                event_text.preparing(event)
        super().read(folder)
        return replay_of(self.run)


class TheReplay(OfARun):
    file, data = "replay.json", REPLAY

    def read(self, folder):
        replay = read_replay(self.run.path)
        if replay is not None and replay.rates:
            replay.rate(3)
            replay.augments_at(3)
        return replay


class Commands(OfARun):
    file, data = "control/12.json", {"sequence": 12, "command": "augment", "augments": [{"plugin": "blur"}]}

    def read(self, folder):
        return Mailbox(self.run.control).take()


class Previews(Reader):
    def make(self, folder):
        images = np.zeros((3, 8, 8), dtype=np.uint8)
        write_batch(folder, BatchPreview(4, images, "あいう", "あいえ", np.ones(3, dtype=np.float32)))

    def read(self, folder):
        return read_batch(folder)


class Evaluations(Reader):
    def make(self, folder):
        self.path = write_evaluation(folder)
        self.data = EVALUATION(self.path)

    def damage(self, folder, rng):
        if rng.random() < 0.7:
            self.path.write_bytes(json_of(self.data, rng))
        else:
            file = self.path.with_suffix(".npz")
            file.write_bytes(damaged(self.sound[file], rng))

    def read(self, folder):
        list_evaluations(folder)
        found = read_evaluation(self.path)
        found.total.texts()
        assert isinstance(found.of_outliers + found.skipped.in_words() + found.source, str)
        return found.load()


class Cards(Reader):
    def make(self, folder):
        (folder / "model.safetensors").write_bytes(weights_file(json.dumps(CARD).encode()))

    def damage(self, folder, rng):
        file = folder / "model.safetensors"
        file.write_bytes(weights_file(json_of(CARD, rng)) if rng.random() < 0.8 else damaged(self.sound[file], rng))

    def read(self, folder):
        return model_card("a stranger's", read_card(folder / "model.safetensors"))


class States(Reader):
    """The state of a training whose seal is right, but not what it says."""

    def make(self, folder):
        options = TrainingOptions(threads=1)
        self.learner = Learner(TinyModel(width=1).build(8, 9), options, torch.device("cpu"), Alone())
        best = {"step": 1, "strict": 0.5, "folded": 0.5}
        self.file = folder / "state.safetensors"
        save_state(self.file, Progress(3, 1.5, best, "float32", {"images": 3}, [{"plugin": "blur"}]), self.learner)
        with safetensors.safe_open(self.file, "numpy") as opened:
            self.about = json.loads(opened.metadata()["kanatui.state"])
        self.tensors = safetensors.numpy.load_file(self.file)

    def damage(self, folder, rng):
        if rng.random() < 0.5:
            tensors = {name: array for name, array in self.tensors.items() if rng.random() < 0.98}
            about = {"kanatui.state": json_of(self.about, rng).decode(errors="replace")}
            self.file.write_bytes(safetensors.numpy.save(tensors, about))
        else:
            self.file.write_bytes(damaged(self.sound[self.file], rng))

    def read(self, folder):
        return load_state(self.file, self.learner)


class PicturesOfAPerson(Reader):
    def make(self, folder):
        Pictures(np.zeros((3, 8, 8), np.uint8), "あいう", np.arange(3, dtype=np.uint64)).save(folder / "pictures.npz")

    def read(self, folder):
        return Pictures.load(folder / "pictures.npz")


class Recipes(OfToml):
    file, data = "some.toml", RECIPE

    def read(self, folder):
        return read_recipe(folder / "some.toml")


class ListsOfFaces(OfToml):
    data = FACES

    def place(self, folder):
        return faces.user_file()

    def read(self, folder):
        return faces.load_faces()


class TheSettings(OfToml):
    data = SETTINGS

    def place(self, folder):
        return paths.config() / "ui.toml"

    def read(self, folder):
        return Settings.load()


class Images(Reader):
    def make(self, folder):
        image = Image.fromarray(np.pad(np.zeros((8, 8), np.uint8), 8, constant_values=255))
        image.save(folder / "a.png")
        image.save(folder / "a.jpg")
        image.convert("P").save(folder / "a.gif")
        image.convert("1").save(folder / "a.tiff", compression="group4")
        image.save(folder / "a.webp")
        image.save(folder / "a.bmp")

    def damage(self, folder, rng):
        self.file = rng.choice(self.files(folder))
        self.file.write_bytes(damaged(self.sound[self.file], rng))

    def read(self, folder):
        return read_image(getattr(self, "file", folder / "a.png"), 16)


class NotesOfSamples(Reader):
    named = False

    def make(self, folder):
        self.write(folder, json.dumps(NOTES))

    def write(self, folder, text):
        about = PngImagePlugin.PngInfo()
        about.add_itxt("kanatui", text)
        Image.new("L", (8, 8)).save(folder / "a.png", pnginfo=about)

    def damage(self, folder, rng):
        if rng.random() < 0.8:
            self.write(folder, json_of(NOTES, rng).decode(errors="replace"))
        else:
            (folder / "a.png").write_bytes(damaged(self.sound[folder / "a.png"], rng))

    def read(self, folder):
        return Sample(folder / "a.png", "あ").notes().readings


class FilesOfArrays(Reader):
    def make(self, folder):
        values, labels = np.zeros((3, 4, 4), np.uint8), np.arange(3, dtype=np.uint8)
        np.savez_compressed(folder / "some-imgs.npz", values)
        np.savez_compressed(folder / "some-labels.npz", labels)
        (folder / "x-images-idx3-ubyte").write_bytes(b"\0\0\x08\3" + b"".join(
            number.to_bytes(4, "big") for number in values.shape) + values.tobytes())  # fmt: skip
        (folder / "x-labels-idx1-ubyte").write_bytes(b"\0\0\x08\1\0\0\0\3" + labels.tobytes())

    def read(self, folder):
        return [
            (labelled_arrays(folder / name), open_member(folder / name / "0"))
            for name in ("some-imgs.npz", "x-images-idx3-ubyte")
        ]


class TablesOfLabels(Reader):
    def make(self, folder):
        (folder / "labels.csv").write_text('file,label\na.png,あ\n"b,c.png",い\n')

    def read(self, folder):
        return read_table(folder / "labels.csv")


class Fonts(Reader):
    def make(self, folder):
        build_design(folder / "a.ttf", "one", "A", characters="あい")
        build_variable(folder / "b.ttf", "two", "B", characters="あい")

    def damage(self, folder, rng):
        self.file = rng.choice(self.files(folder))
        self.file.write_bytes(damaged(self.sound[self.file], rng))

    def read(self, folder):
        given = getattr(self, "file", folder)
        return candidates(font_files(given, folder, self._said), "あい", lambda: None, self._said)

    def _said(self, name, reason):
        assert isinstance(reason, str) and "\n" not in reason


class Archives(Reader):
    named = False  # who unpacks it does

    def make(self, folder):
        font = build_design(folder.parent / "a.ttf", "one", "A")
        pack(folder / "a.tgz", {"package/a.ttf": font, "package/metadata.json": b'{"license": "OFL-1.1"}'})
        pack(folder / "a.zip", {"a.ttf": font})

    def damage(self, folder, rng):
        self.file = rng.choice([folder / "a.tgz", folder / "a.zip"])
        self.file.write_bytes(damaged(self.sound[self.file], rng))

    def read(self, folder):
        target = folder.parent / "unpacked"
        target.mkdir(exist_ok=True)
        return archive.unpack(getattr(self, "file", folder / "a.tgz"), target)


READERS = [
    TheManifest, ShardsAndTables, TheListOfDataSets, TheProcessOfAGeneration, TheTrustList, TheStatus, TheTitleAndNote,
    TheConfiguration, Events, TheReplay, Commands, Previews, Evaluations, Cards, States, PicturesOfAPerson, Recipes,
    ListsOfFaces, TheSettings, Images, NotesOfSamples, FilesOfArrays, TablesOfLabels, Fonts, Archives,
]  # fmt: skip


@pytest.mark.parametrize("long", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["short", "long"])
@pytest.mark.parametrize("kind", READERS, ids=lambda kind: kind.__name__)
def test_only_declared_errors_come_out(kind, long, tmp_path):
    reader, folder, rng = kind(), tmp_path / "files", random.Random(kind.__name__)
    folder.mkdir()
    reader.make(folder)
    reader.sound = {file: file.read_bytes() for file in reader.files(folder)}
    assert reader.read(folder), "what is sound is read"
    before, refused = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
    for _ in range(10_000 if long else reader.each):
        for file, data in reader.sound.items():
            file.write_bytes(data)
        reader.damage(folder, rng)
        try:
            found = reader.read(folder)
            assert found or not isinstance(reader, Listed)
        except KanatuiError as error:
            refused += 1
            assert harmless(str(error)) == str(error)
            assert not reader.named or re.search(r"/|^run \d", str(error)), error
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + (1 << 20), (
        "a GB, in the kB that Linux counts in"
    )


def test_one_damaged_run_does_not_take_the_others_from_the_list(home):
    bad, other = Run.create("bad", {}), Run.create("other", {})
    (bad.path / "status.json").write_text('{"state": ["finished"], "step": {}}')
    (bad.path / "config.toml").write_bytes(b"\xff")
    found = list(map(look_at, list_runs()))
    assert [facts.status.state for facts in found] == ["damaged", "starting"]
    assert str(bad.path / "config.toml") in found[0].status.reason
    _, rows = columns.table(found)
    assert [row[0] for row in rows] == [bad.id, other.id]


def test_a_field_of_the_wrong_kind_is_named(tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(weights_file(json.dumps(CARD | {"image_size": "48"}).encode()))
    with pytest.raises(KanatuiError, match=r"model\.safetensors: its card is invalid .*image_size"):
        read_card(file)


def test_what_an_earlier_version_said_of_the_best_scores_stays(home):
    run = Run.create("old", {})
    (run.path / "status.json").write_text(json.dumps(STATUS | {"best": {"strict": 0.5}}))
    assert run.status().best == {"strict": 0.5}
    assert columns.table([look_at(run)])[1][0][2] == "50.0 %"
