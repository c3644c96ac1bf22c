"""Pictures as they are opened."""

import contextlib
import gc
import io
import os
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from kanatui.core.errors import ImageError
from kanatui.pictures.files import MOST_PIXELS, open_image, read_image, size_of


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


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def huge_png(width, height):
    """A few bytes that claim to be a very large picture."""
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


@pytest.mark.parametrize("name", [b"iTXt", b"zTXt", b"iCCP"])
def test_pictures_with_megabytes_of_metadata_are_opened(picture, name):
    before = {
        b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0", b"zTXt": b"Raw profile\0\0", b"iCCP": b"ICC profile\0\0",
    }[name]  # fmt: skip
    path = picture("big.png")
    data = path.read_bytes()
    path.write_bytes(data[:33] + chunk(name, before + zlib.compress(b"<x/>" * 3_000_000)) + data[33:])
    assert open_image(path).size == (40, 40)


def test_photos_as_phones_write_them_are_read(picture):
    pytest.importorskip("pillow_heif").register_heif_opener()
    path = picture("IMG_1.heic")
    assert open_image(path).size == size_of(path) == (40, 40)
    assert np.asarray(open_image(path).convert("L"))[6, 20] < 60
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ImageError, match=f"^{path}: .*damaged"):
        open_image(path)


def test_without_their_decoder_they_are_named_with_what_reads_them(picture, monkeypatch):
    pytest.importorskip("pillow_heif").register_heif_opener()
    path = picture("IMG_1.heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for read in (open_image, size_of):
        with pytest.raises(ImageError, match=r"IMG_1.heic: .*HEIC.* pip install 'kanatui\[sheets\]'.* JPEG"):
            read(path)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\0\0\0\x20ftypavif", "AVIF"),
        (b"%PDF-1.7 ", "PDF"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"<svg xmlns=''>", "SVG"),
    ],
)
def test_pictures_of_other_formats_are_named(tmp_path, content, kind):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageError, match=f"a.png: {kind} is not read; save it as PNG or JPEG"):
        open_image(tmp_path / "a.png")
    with pytest.raises(ImageError, match=f"^it: {kind} is not read"):
        open_image(io.BytesIO(content), "it")


def test_a_name_that_is_not_utf8_can_be_printed(tmp_path):
    path = tmp_path / os.fsdecode("壊れ.png".encode("cp932"))
    path.write_text("no picture")
    with pytest.raises(ImageError, match=r"\\udc89.*not a picture") as caught:
        open_image(path)
    assert str(caught.value).isprintable() and str(caught.value).encode()
