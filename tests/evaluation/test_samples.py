"""The user's own labelled drawings on disk."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from kanatui.core.errors import ImageError, StorageError
from kanatui.evaluation import samples, transfer
from kanatui.evaluation.samples import Tally
from kanatui.pictures.drawing import Drawing, Stroke
from kanatui.pictures.labelled import find_labelled
from tests.helpers.drawings import drawn


def keep(character="か", **options):
    return samples.keep(drawn("か"), character, **options)


def test_a_sample_is_dark_ink_on_light_paper_of_the_whole_board(home):
    sample = keep(readings=[("か", 0.9), ("カ", 0.05)], model="001-quick")
    assert sample.path.parent == home / "handwriting" / "U+304B"
    picture = sample.picture()
    assert (picture.mode, picture.size) == ("L", (256, 256))
    values = np.asarray(picture)
    assert (values == 255 - drawn("か").raster(256)).all()
    assert np.median(values) == 255 and values.min() == 0


def test_nothing_of_a_drawing_is_lost(home):
    sample = keep(readings=[("か", 0.9)], model="001-quick")
    notes = sample.notes()
    assert notes.drawing.to_data() == drawn("か").to_data()
    assert (notes.readings, notes.model) == ((("か", 0.9),), "001-quick")


def test_several_drawings_at_once_get_names_of_their_own():
    made = [keep() for _ in range(4)]
    assert len({sample.path for sample in made}) == 4
    assert [sample.character for sample in samples.samples()] == ["か"] * 4


def test_any_program_of_the_layout_finds_them(home):
    keep("か")
    keep("ヴ")
    found = find_labelled(home / "handwriting")
    assert sorted(character for _, character in found.files) == ["か", "ヴ"]
    assert found.ignored == 0


def test_no_samples_is_no_error(home):
    assert samples.samples() == []
    sample = keep()
    samples.remove(sample)
    samples.remove(sample)
    assert samples.samples() == []


def test_a_sample_can_be_relabelled_and_its_notes_go_with_it():
    other = keep("ヘ", readings=[("へ", 1.0)])
    taken = keep("へ")
    moved = samples.relabel(other, "へ")
    assert moved.path != taken.path and moved.path.parent == taken.path.parent
    assert moved.notes().readings == (("へ", 1.0),)
    assert [sample.character for sample in samples.samples()] == ["へ", "へ"]
    assert samples.relabel(moved, "へ") == moved


def test_relabelling_what_is_gone_is_a_one_line_error():
    sample = keep()
    sample.path.unlink()
    with pytest.raises(StorageError) as caught:
        samples.relabel(sample, "ガ")
    assert "\n" not in str(caught.value)


def test_tallies_count_look_alikes_as_read_right():
    keep("か", readings=[("カ", 0.9)])
    keep("か", readings=[("か", 0.9)])
    keep("か")
    keep("ヘ", readings=[("へ", 0.9)])
    counted = samples.tallies(samples.samples())
    assert counted == {"か": Tally(kept=3, read=2, misread=1), "ヘ": Tally(kept=1, read=1, misread=0)}
    assert Tally().weakness == 0.5
    assert counted["ヘ"].weakness < 0.5 <= counted["か"].weakness


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_exported_samples_come_back_as_they_were(tmp_path, home, name):
    keep("か", readings=[("か", 0.9)])
    keep("ガ")
    before = {(s.character, s.path.read_bytes()) for s in samples.samples()}
    seen = []
    assert transfer.export_to(tmp_path / "deep" / name, lambda done, total: seen.append((done, total))) == 2
    assert seen == [(1, 2), (2, 2)]
    again = transfer.import_from(tmp_path / "deep" / name)
    assert (again.kept, again.known, again.unreadable) == (0, 2, ())
    for sample in samples.samples():
        samples.remove(sample)
    came = transfer.import_from(tmp_path / "deep" / name)
    assert (came.kept, came.known) == (2, 0)
    assert {(s.character, s.path.read_bytes()) for s in samples.samples()} == before


def test_an_export_never_goes_over_what_is_there(tmp_path):
    with pytest.raises(ImageError, match="no samples yet"):
        transfer.export_to(tmp_path / "none")
    keep()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    (tmp_path / "taken.zip").write_text("mine")
    for name in ("taken", "taken.zip"):
        with pytest.raises(StorageError, match="exists already"):
            transfer.export_to(tmp_path / name)
    assert (tmp_path / "taken.zip").read_text() == "mine"


def test_pictures_from_elsewhere_are_taken_and_damaged_ones_named(tmp_path, home):
    place = tmp_path / "photos" / "き"
    place.mkdir(parents=True)
    Image.new("RGB", (30, 20), "white").save(place / "one.JPG", "JPEG")
    (place / "bad.png").write_bytes(b"no picture at all")
    (place / "list.txt").write_text("not a picture")
    came = transfer.import_from(tmp_path / "photos")
    assert came.kept == 1
    assert len(came.unreadable) == 1 and "bad.png" in came.unreadable[0]
    (sample,) = samples.samples()
    assert (sample.character, sample.path.name) == ("き", "one (from photos).jpg")
    assert sample.notes() == samples.Notes(imported="photos") and sample.notes().source == "photos"
    keep("か")
    transfer.export_to(tmp_path / "all.zip")
    for each in (samples.relabel(sample, "さ"), *samples.samples()):
        samples.remove(each)
    transfer.import_from(tmp_path / "all.zip")
    assert [each.notes().source for each in samples.samples()] == ["the drawing board", "photos"]


def test_a_long_name_is_cut_and_still_says_where_it_comes_from(tmp_path, picture):
    picture(f"{'源' * 80}/か/{'x' * 251}.png")
    transfer.import_from(tmp_path / ("源" * 80))
    (sample,) = samples.samples()
    assert sample.notes().source == "源" * 40
    picture("か/letter from home.png").rename(samples.folder() / "U+304B" / "letter from home.png")
    assert [each.notes().imported for each in samples.samples()] == ["", "源" * 40]
    moved = samples.relabel(sample, "き")
    assert moved.notes().source == "源" * 40 and moved.path.stem.startswith("xxx")


def test_arrays_and_archives_as_others_ship_them_become_samples(tmp_path, home):
    bars = np.zeros((3, 28, 28), dtype=np.uint8)
    for index in range(3):
        bars[index, 5 + 5 * index : 9 + 5 * index, 4:24] = 255
    np.savez(tmp_path / "kmnist-test-imgs.npz", bars)
    np.savez(tmp_path / "kmnist-test-labels.npz", np.array([0, 1, 1]))
    came = transfer.import_from(tmp_path / "kmnist-test-imgs.npz")
    assert (came.kept, came.known, came.unreadable) == (3, 0, ()) and "class numbers" in came.understood
    assert transfer.import_from(tmp_path / "kmnist-test-imgs.npz").known == 3
    found = samples.samples()
    assert [(sample.character, sample.path.name) for sample in found] == [
        ("お", "0 (from kmnist-test-imgs.npz).png"),
        ("き", "1 (from kmnist-test-imgs.npz).png"),
        ("き", "2 (from kmnist-test-imgs.npz).png"),
    ]
    assert (np.asarray(found[0].picture()) == bars[0]).all()
    with zipfile.ZipFile(tmp_path / "mac.zip", "w") as archive:
        archive.write(found[0].path, "mine/train/ke/1.png")
        archive.write(found[0].path, "mine/misc/1.png")
        archive.writestr("__MACOSX/mine/train/ke/._1.png", b"")
    came = transfer.import_from(tmp_path / "mac.zip")
    assert (came.kept, came.left_out, came.unreadable) == (1, ("folder 'mine/misc'",), ())
    assert samples.samples()[-1].character == "け"


def test_what_holds_no_labelled_pictures_is_an_error_that_names_it(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("no archive")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    for name in ("missing", "missing.zip", "empty", "text.zip", "other.zip"):
        with pytest.raises(ImageError) as caught:
            transfer.import_from(tmp_path / name)
        assert name in str(caught.value) and "\n" not in str(caught.value)


def test_an_archive_cannot_write_outside_of_the_samples(tmp_path, home):
    keep()
    png = samples.samples()[0].path.read_bytes()
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../../か/evil.png", png + b"0")
        archive.writestr("か/fine.png", png + b"1")
    transfer.import_from(tmp_path / "evil.zip")
    assert not list(tmp_path.rglob("evil.png")) or all(
        path.is_relative_to(home / "handwriting") for path in tmp_path.rglob("evil.png")
    )


@pytest.mark.parametrize("text", ["", "{", "[]", '{"strokes": 5}', json.dumps({"strokes": [{}], "readings": []})])
def test_notes_that_make_no_sense_count_as_none(tmp_path, text):
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_itxt("kanatui", text)
    Image.new("L", (8, 8)).save(tmp_path / "x.png", pnginfo=info)
    assert samples.Sample(tmp_path / "x.png", "か").notes() == samples.Notes()


def test_a_full_disk_is_a_one_line_error(home):
    (home / "handwriting").write_text("a file where the folder should be")
    with pytest.raises(StorageError) as caught:
        samples.keep(Drawing((Stroke(((0.5, 0.5),)),)), "か")
    assert "\n" not in str(caught.value)
