import dataclasses
import os
import stat
import subprocess

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from kanatui.core.errors import ImageMagickError
from kanatui.fonts import imagemagick
from kanatui.fonts.faces import load_faces
from kanatui.fonts.imagemagick import Annotation, find
from tests.helpers.processes import wait_until


@pytest.fixture
def font():
    return next(face.font for face in load_faces() if face.id == "noto-sans-cjk-jp-medium")


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Put a program of another kind under ImageMagick's name."""

    def make(body):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "convert"
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}:/bin")
        monkeypatch.setenv("KANATUI_IMAGEMAGICK", str(program))
        return program

    return make


@pytest.mark.parametrize("character", "あ@%\\'\"{}$`-+~&;<>()[]#!*?")
def test_any_character_is_drawn_as_itself(font, character):
    drawn = find().annotate(font, [Annotation(character, 160.0)], 256, 256)[0]
    under_a_matrix = find().annotate(font, [Annotation(character, 160.0, aspect=1 + 1e-9)], 256, 256)[0]
    canvas = Image.new("L", (256, 256))
    ImageDraw.Draw(canvas).text((128, 128), character, font=ImageFont.truetype(font, 160), fill=255, anchor="mm")
    ink = np.asarray(canvas).sum(dtype=float)
    for image in (drawn, under_a_matrix):
        assert abs(image.sum(dtype=float) / ink - 1) < 0.02
    assert np.array_equal(drawn, under_a_matrix)


@pytest.mark.parametrize("text", ["&lt;", "@/etc/hostname", "%[width]", "%%", "\\n", "it's", '"{%}"'])
def test_text_of_several_characters_is_taken_as_it_is(font, text):
    """What would be expanded, escaped or read from a file leaves the ink of its own characters."""
    plain, general = find().annotate(font, [Annotation(text, 24.0), Annotation(text, 24.0, aspect=1 + 1e-12)], 256, 256)
    single = find().annotate(font, [Annotation(character, 24.0) for character in text], 256, 256)
    assert np.array_equal(plain, general)
    assert abs(plain.sum(dtype=float) / single.sum(dtype=float) - 1) < 0.05


@pytest.mark.parametrize("text", ["a\nb", "\0", "\x1b[1m", "\ud800"])
def test_what_no_font_can_draw_is_refused(font, text):
    for annotation in (Annotation(text, 24.0), Annotation(text, 24.0, shear=0.1)):
        with pytest.raises(ImageMagickError, match="control character"):
            find().annotate(font, [annotation], 64, 64)


def test_a_font_that_is_not_there_is_an_error_although_imagemagick_goes_on():
    with pytest.raises(ImageMagickError, match="unable to read font"):
        find().annotate("/nowhere/none.ttf", [Annotation("あ", 24.0)], 64, 64)


def test_masters_are_not_hinted(font):
    """Unhinted outlines scale: the double averaged down is the single. Hinting would move 3 to 15 % of the ink."""
    for single, double in zip(find().glyphs(font, "ホあロ", 64), find().glyphs(font, "ホあロ", 128), strict=True):
        halved = double.reshape(96, 2, 96, 2).mean(axis=(1, 3))
        assert np.abs(single - halved).sum() < 0.015 * halved.sum()


def test_the_article_s_own_command_gives_the_same_pixels(font):
    annotation = Annotation("き", 200.0, -9.0, 14.0, 8.0)
    command = [
        find().command, "-size", "256x256", "xc:black", "-gravity", "Center", "-font", font, "-pointsize", "200",
        "-fill", "White", "-annotate", "8x8-9+14", "き", "-depth", "8", "gray:-",
    ]  # fmt: skip
    theirs = np.frombuffer(subprocess.check_output(command), dtype=np.uint8).reshape(256, 256)
    assert np.array_equal(find().annotate(font, [annotation], 256, 256)[0], theirs)


def test_many_images_of_one_process_come_back_in_order(font):
    annotations = [Annotation("あいう"[i % 3], 60.0 + i, rotation=i / 9) for i in range(700)]
    together = find().annotate(font, annotations, 96, 96)
    for i in (0, 1, 333, 699):
        assert np.array_equal(together[i], find().annotate(font, [annotations[i]], 96, 96)[0])


def test_a_general_matrix_draws_a_rotation_as_annotate_does(font):
    random = np.random.default_rng(3)
    annotations = [
        Annotation("ね", *random.uniform([120, -30, -30, -15], [250, 30, 30, 15]).tolist()) for _ in range(60)
    ]
    magick = find()
    plain = magick.annotate(font, annotations, 256, 256)
    # An aspect this close to 1 goes by the general way and is 1 in the digits that ImageMagick is given.
    general = [dataclasses.replace(annotation, aspect=1 + 1e-12) for annotation in annotations]
    assert np.array_equal(plain, magick.annotate(font, general, 256, 256))


def test_shear_leans_right_and_aspect_widens(font):
    straight, leaning, wide = find().annotate(
        font, [Annotation("I", 160.0), Annotation("I", 160.0, shear=0.4), Annotation("I", 160.0, aspect=2.0)], 256, 256
    )
    centre = lambda image, rows: (image[rows].sum(axis=0) * np.arange(256)).sum() / image[rows].sum()  # noqa: E731
    rows = np.flatnonzero(leaning.any(axis=1))
    top, bottom = rows[: len(rows) // 4], rows[-len(rows) // 4 :]
    assert centre(leaning, top) > centre(leaning, bottom) + 20
    assert abs(centre(straight, top) - centre(straight, bottom)) < 2
    assert wide.any(axis=0).sum() > 1.8 * straight.any(axis=0).sum()


def test_text_is_utf8_whatever_the_locale(font, monkeypatch):
    expected = find().annotate(font, [Annotation("あ", 100.0)], 128, 128)
    for name in ("LANG", "LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LC_ALL", "C")
    assert np.array_equal(find().annotate(font, [Annotation("あ", 100.0)], 128, 128), expected)


def test_masters_stand_at_a_known_origin(font):
    image = find().glyphs(font, "一", 128)[0]
    assert image.shape == (192, 192)
    columns = np.flatnonzero(image.any(axis=0))
    assert columns[0] >= 32 and columns[-1] < 32 + 128  # the dash lies within its own em


def test_a_missing_program_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.delenv("KANATUI_IMAGEMAGICK", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageMagickError, match="not installed.*apt-get install -y imagemagick"):
        find()


@pytest.mark.parametrize("body", ["echo I convert currencies", "exit 3", "echo Version: GraphicsMagick 1.3"])
def test_a_stand_in_is_recognised(stand_in, body):
    program = stand_in(body)
    with pytest.raises(ImageMagickError, match=f"{program} is not ImageMagick.*apt-get install"):
        find()


def test_a_stand_in_before_imagemagick_on_the_path_is_passed_over(stand_in, monkeypatch):
    real = find().command
    program = stand_in("echo I convert currencies")
    monkeypatch.delenv("KANATUI_IMAGEMAGICK")
    (program.parent / "behind").mkdir()
    (program.parent / "behind" / "convert").symlink_to(real)
    monkeypatch.setenv("PATH", f"{program.parent}:{program.parent / 'behind'}:/usr/bin:/bin")
    assert find().command == str(program.parent / "behind" / "convert")


def test_the_error_says_what_the_stand_in_said(stand_in):
    stand_in("echo I convert currencies")
    with pytest.raises(ImageMagickError, match="'I convert currencies'"):
        find()


IDENTIFY = 'if [ "$1" = -version ]; then echo "Version: ImageMagick 6.9.11-60 Q16"; exit 0; fi\n'


def test_what_imagemagick_complains_of_is_in_the_error(stand_in):
    stand_in(IDENTIFY + "echo 'convert: cache resources exhausted @ error/cache.c' >&2; exit 1")
    with pytest.raises(ImageMagickError, match="exit status 1: convert: cache resources exhausted"):
        find().glyphs("any", "あ", 64)


def test_too_few_bytes_are_noticed(stand_in):
    stand_in(IDENTIFY + "printf xx")
    with pytest.raises(ImageMagickError, match="gave 2 bytes for 1 images"):
        find().glyphs("any", "あ", 64)


def test_a_child_that_hangs_is_ended_with_all_it_started(stand_in, monkeypatch, tmp_path):
    monkeypatch.setattr(imagemagick, "START_SECONDS", 1.0)
    marker = tmp_path / "pid"
    stand_in(IDENTIFY + f"sleep 600 & echo $! > {marker}; wait")
    with pytest.raises(ImageMagickError, match="no answer within"):
        find().glyphs("any", "あ", 64)
    pid = int(marker.read_text())
    wait_until(lambda: not _alive(pid))


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_limits_and_names_can_be_asked():
    limits = find().limits()
    assert {"width", "height", "memory", "disk"} <= set(limits)
    assert any(os.path.exists(path) for path in find().font_files().values())
