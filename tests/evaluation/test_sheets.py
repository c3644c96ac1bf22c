"""From a sheet of paper to a model of one's own hand."""

import io
import json

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from kanatui.cli import run
from kanatui.cli.bench.photograph import fill, photograph
from kanatui.evaluation import samples, sheets
from kanatui.evaluation.adapt import changes
from kanatui.pictures.sheets import printing
from kanatui.pictures.sheets.finding import find_pages
from kanatui.training.runs import find_run
from tests.helpers.drawings import FIVE
from tests.helpers.sheets import SMALL, ink, shoot

CHARACTERS = "あいうえおかきくけこ"


@pytest.fixture
def photo(tmp_path):
    """Write the photo of a filled sheet; box 3 is empty and box 5 taken out."""

    def write(name="photo.jpg", seed=0, how=SMALL, face="klee-regular"):
        _, shot = shoot(CHARACTERS, how, blank=(2,), ticked=(4,), seed=seed, shapes=ink(CHARACTERS, face))
        (tmp_path / name).write_bytes(shot.jpeg)
        return tmp_path / name

    return write


def test_four_commands_lead_from_paper_to_an_adapted_model(base, tmp_path, capsys):
    assert run(["sheet", "make", "-c", f"chars:{FIVE}", "--copies", "12", "-o", str(tmp_path / "sheet.pdf")]) == 0
    assert "60 boxes on 1 page of a4" in capsys.readouterr().out
    picture = printing.pictures((tmp_path / "sheet.pdf").read_bytes(), 200)[0]
    page = find_pages(picture)[0].page
    assert page.characters == "".join(c * 12 for c in FIVE)
    shapes = ink(FIVE)
    written = {place: shapes[character] for place, character in enumerate(page.characters)}
    shot = photograph(fill(picture, page, written, np.random.default_rng(0)), page, SMALL, 0)
    (tmp_path / "photo.jpg").write_bytes(shot.jpeg)

    assert run(["sheet", "read", str(tmp_path / "photo.jpg"), "--model", "1"]) == 0
    assert "60 samples added" in capsys.readouterr().out
    assert [sample.character for sample in samples.samples()] == sorted(page.characters)
    assert run(["adapt", "1", "--minutes", "0.05"]) == 0
    made = find_run("latest")
    assert made.config["adapt"]["samples"] + made.config["adapt"]["held_back"] == 60
    assert changes(made)["samples"].after["images"] == made.config["adapt"]["held_back"]


def test_samples_say_where_they_come_from_and_nothing_is_added_twice(photo, home):
    file = photo()
    (taken,) = sheets.take_in(file)
    assert taken.added == 8 and len(samples.samples()) == 8
    sample = samples.samples()[0]
    origin = sample.notes().origin
    assert (origin.sheet, origin.page, origin.box, origin.file) == ("A1B2C3", 1, 1, "photo.jpg")
    assert "sheet A1B2C3, page 1, box 1" in sample.notes().source
    picture = np.asarray(sample.picture())
    assert picture.shape == (256, 256) and np.median(picture) == 255 and picture.min() < 40

    again = photo("renamed.jpg")
    assert again.read_bytes() == file.read_bytes()
    (taken,) = sheets.take_in(again)
    assert taken.added == 0 and "this photo was read before" in taken.known
    samples.relabel(sample, "ま")
    assert sheets.take_in(file)[0].added == 0
    assert len(samples.samples()) == 8


def test_another_photo_of_the_same_page_adds_nothing_but_another_hand_does(photo):
    sheets.take_in(photo())
    moved = SMALL.__class__(**{**SMALL.__dict__, "roll": 30.0, "noise": 5.0})
    (taken,) = sheets.take_in(photo("second.jpg", how=moved))
    assert taken.added == 0 and "from photo.jpg" in taken.known
    (taken,) = sheets.take_in(photo("second.jpg", how=moved), again=True)
    assert taken.added == 8
    (taken,) = sheets.take_in(photo("other.jpg", seed=9, face="noto-serif-cjk-jp-regular"))
    assert taken.added == 8 and len(samples.samples()) == 24


def test_boxes_in_doubt_are_named_and_can_be_settled(base, photo, tmp_path, capsys):
    """The model knows FIVE alone: it reads one of these whatever a box holds, and is often sure."""
    shapes = ink(FIVE)
    swapped = {FIVE[0]: shapes[FIVE[2]], **{c: shapes[c] for c in FIVE[1:]}}
    _, shot = shoot(FIVE, shapes=swapped)
    (tmp_path / "swapped.jpg").write_bytes(shot.jpeg)
    assert run(["sheet", "read", str(tmp_path / "swapped.jpg"), "--model", "1", "--json"]) == 0
    (page,) = json.loads(capsys.readouterr().out)
    assert [box["state"] for box in page["boxes"]] == ["written"] * 5
    kept = {sample.character: sample for sample in samples.samples()}
    assert set(kept) == set(FIVE) and kept[FIVE[0]].notes().readings[0][0] == FIVE[2]
    doubtful = [sample for sample in kept.values() if sample.notes().doubt]
    for sample in doubtful:
        before = sample.notes()
        samples.settle(sample)
        after = sample.notes()
        assert not after.doubt and (after.origin, after.readings) == (before.origin, before.readings)


def test_a_pdf_of_scans_is_read_page_by_page(photo, tmp_path):
    first, second = photo("1.jpg"), photo("2.jpg", seed=9, face="noto-serif-cjk-jp-regular")
    pages = [Image.open(file) for file in (first, second)]
    pages[0].save(tmp_path / "scans.pdf", save_all=True, append_images=pages[1:], resolution=110)
    with pypdfium2.PdfDocument(tmp_path / "scans.pdf") as document:
        assert len(document) == 2
    taken = sheets.take_in(tmp_path / "scans.pdf")
    assert [one.added for one in taken] == [8, 8] and "page 2" in taken[1].photo


def test_a_heic_photo_is_read(photo, tmp_path):
    import pillow_heif

    pillow_heif.from_pillow(Image.open(photo())).save(tmp_path / "IMG_1.HEIC", quality=80)
    assert sheets.take_in(tmp_path / "IMG_1.HEIC")[0].added == 8


def test_what_cannot_be_read_is_one_line_that_says_why(kanatui, one_line_error, photo, tmp_path):
    Image.new("RGB", (800, 600), "white").save(tmp_path / "blank.png")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    (tmp_path / "broken.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(50))
    for name, words in (
        ("blank.png", "no sheet found"),
        ("broken.pdf", "PDF"),
        ("broken.heic", "damaged"),
        ("missing.jpg", "no such file"),
        (".", "directory"),
    ):
        one_line_error(kanatui("sheet", "read", tmp_path / name), 1, words)
    one_line_error(kanatui("sheet", "make", "-o", tmp_path / "sheet.txt"), 2, ".pdf")
    one_line_error(kanatui("sheet", "make", "-c", "joyo", "--copies", "5"), 2, "fewer")


def test_pages_are_also_made_as_pictures_and_practice_puts_the_least_collected_first(home, tmp_path, capsys):
    for character in "あい":
        samples.keep_picture(np.full((256, 256), 9, dtype=np.uint8), character)
    png = tmp_path / "sheet.png"
    assert run(["sheet", "make", "-c", "あいう", "--practice", "least", "--paper", "letter", "-o", str(png)]) == 0
    picture = np.asarray(Image.open(io.BytesIO(png.read_bytes())).convert("RGB"))
    page = find_pages(picture)[0].page
    assert (page.characters, page.paper.name) == ("うあい", "letter")
    assert picture.shape[0] / 279.4 == pytest.approx(300 / 25.4, rel=0.01)
    assert run(["sheet", "make", "-c", "hiragana", "-o", str(png)]) == 0
    assert (tmp_path / "sheet-1.png").exists() and (tmp_path / "sheet-2.png").exists()


def test_the_same_sheet_is_always_the_same_file():
    assert sheets.make("あいう", number=5) == sheets.make("あいう", number=5)
