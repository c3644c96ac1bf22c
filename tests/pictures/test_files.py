"""Pictures as they are opened, and folders of labelled ones."""

import contextlib
import gc
import io

import numpy as np
import pytest
from PIL import Image

from kanatui.core.errors import ImageError
from kanatui.pictures.files import MOST_PIXELS, find_labelled, open_image, read_image


def test_a_picture_is_turned_upright(picture):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise to view
    path = picture("turned.jpg", exif=exif)
    upright = np.asarray(open_image(path))
    assert upright[20, 32] < 60 and upright[6, 20] > 200


def broken(path, keep):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_truncated_pictures_are_errors_that_name_the_file(picture, name, keep):
    path = broken(picture(name, size=(400, 400)), keep)
    with pytest.raises(ImageError, match=f"^{path}: ") as caught:
        open_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("error")
def test_the_file_of_a_damaged_picture_is_closed(picture):
    path = broken(picture("a.png", size=(400, 400)), 0.5)
    for _ in range(3):
        with contextlib.suppress(ImageError):
            open_image(path)
    gc.collect()


def test_what_is_no_picture_is_an_error_that_says_so(tmp_path):
    empty, text = tmp_path / "empty.png", tmp_path / "text.png"
    empty.touch()
    text.write_text("not a picture")
    for path, words in (
        (empty, "empty"),
        (text, "not a picture"),
        (tmp_path, "directory"),
        (tmp_path / "no", "no such"),
    ):
        with pytest.raises(ImageError, match=f"^{path}: .*{words}"):
            open_image(path)
    postscript = tmp_path / "a.eps"
    postscript.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    with pytest.raises(ImageError, match="not a picture"):
        open_image(postscript)


def huge_png(width, height):
    """A few bytes that claim to be a very large picture."""
    import struct
    import zlib

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [9_000, 12_000, 60_000])
@pytest.mark.filterwarnings("error")
def test_huge_pictures_are_refused_before_they_are_read(side):
    assert side**2 > MOST_PIXELS
    with pytest.raises(ImageError, match=r"^big: .* more than 64 megapixels; scale it down"):
        open_image(io.BytesIO(huge_png(side, side)), "big")


def test_reading_names_the_picture_without_ink(tmp_path):
    Image.new("L", (30, 30), 255).save(tmp_path / "white.png")
    with pytest.raises(ImageError, match="white.png: no ink found"):
        read_image(tmp_path / "white.png", 32)


def test_labelled_pictures_are_found_in_order_and_others_counted(folder):
    found = find_labelled(folder)
    assert [(path.name, label) for path, label in found.files] == [
        ("a.PNG", "か"), ("b.png", "か"), ("1.jpg", "が"), ("x.jpeg", "さ"), ("1.png", "漢"),
    ]  # fmt: skip
    assert found.ignored == 3
    assert [label for _, label in found.at_most(3).files] == ["か", "が", "さ"]
    assert len(found.at_most(99).files) == 5


def test_a_folder_without_labelled_pictures_says_what_is_expected(tmp_path):
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "a.png").touch()
    with pytest.raises(ImageError, match=r"plain: no labelled pictures; expected LABEL/\*.png"):
        find_labelled(tmp_path / "plain")
    with pytest.raises(ImageError, match="nowhere: no such folder"):
        find_labelled(tmp_path / "nowhere")
    with pytest.raises(ImageError, match="not a folder"):
        find_labelled(tmp_path / "plain" / "a.png")
