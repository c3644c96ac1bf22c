"""The only file that starts ImageMagick: finding it, and drawing many glyphs in each of its processes."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import itertools
import os
import re
import shutil
import signal
import subprocess
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kanatui.core.errors import ImageMagickError
from kanatui.core.machine import apt_command
from kanatui.core.processes import usable_cores

Images = npt.NDArray[np.uint8]

_VERSION = re.compile(r"^Version: ImageMagick (\d+)\.(\S+)", re.MULTILINE)
_PIXELS_AT_ONCE = 16 * 2**20
"""What one process draws: 256 pictures of 256 pixels, so that its start is under a hundredth of its time."""

_LEAST_AT_ONCE = 16
"""A process takes as long to start as to draw five glyphs."""

_ARGUMENT_BYTES = 96 * 1024
"""Far below the 2 MiB that Linux allows, and still hundreds of glyphs."""

START_SECONDS = 30.0
_SECONDS_PER_MEGAPIXEL = 10.0
"""Time limit of a child: 0.01 s a megapixel are usual, so this is reached only by one that hangs."""

_ROUND = "stroke-linecap round stroke-linejoin round"

MASTER_CANVAS = 1.5
"""Side of a master's canvas in ems: of all shipped faces' kana none reaches further than 0.14 beyond the em."""
MASTER_ORIGIN = (0.25, 1.125)
"""Where on that canvas the text origin stands, in ems from its top left corner."""


@dataclasses.dataclass(frozen=True)
class Annotation:
    """One character on a canvas, as ``-gravity Center -annotate`` places it; lengths in pixels.

    ``rotation`` is in degrees, clockwise; ``shear`` the tangent of the slant to the right; ``aspect`` width by height.
    """

    text: str
    point_size: float
    dx: float = 0.0
    dy: float = 0.0
    rotation: float = 0.0
    shear: float = 0.0
    aspect: float = 1.0


def matrix(rotation: npt.ArrayLike, shear: npt.ArrayLike, aspect: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return R(rotation) · [[1, −shear], [0, 1]] · diag(aspect, 1), float64 [..., 2, 2], with y downwards."""
    angle = np.radians(np.asarray(rotation, dtype=np.float64))
    cos, sin = np.cos(angle), np.sin(angle)
    lean, width = np.asarray(shear, dtype=np.float64), np.asarray(aspect, dtype=np.float64)
    rows = [[cos * width, -cos * lean - sin], [sin * width, cos - sin * lean]]
    return np.stack([np.stack(np.broadcast_arrays(*row), axis=-1) for row in rows], axis=-2)


@dataclasses.dataclass(frozen=True)
class ImageMagick:
    """An installed ImageMagick."""

    command: str
    version: str
    major: int

    def annotate(self, font: str, annotations: Sequence[Annotation], canvas: int, size: int) -> Images:
        """Draw each annotation, white on a black canvas, and average the canvas down: uint8 [n, size, size].

        Args:
            font: what ``-font`` takes: a file or one of ImageMagick's names.
            canvas: side of the canvas on which is drawn, in pixels.
            size: side of the images that are returned, at most ``canvas``.

        Raises:
            ImageMagickError: ImageMagick failed or took too long; its own words are in the message.
        """
        reduced = [] if size == canvas else ["-scale", f"{size}x{size}"]
        drawn = [[*self._annotated(annotation), *reduced] for annotation in annotations]
        return self._draw(font, ["-gravity", "Center"], drawn, canvas, size)

    def glyphs(self, font: str, characters: str, em: int) -> Images:
        """Draw each character large and unhinted, uint8 [n, M, M] with M = :data:`MASTER_CANVAS` · em.

        The text origin stands at :data:`MASTER_ORIGIN` · em (exactly, for an em that is a multiple of 8).

        Raises:
            ImageMagickError: as for :meth:`annotate`.
        """
        size = round(MASTER_CANVAS * em)
        x, y = (round(share * em) for share in MASTER_ORIGIN)
        # In ImageMagick 6 hinting is switched off by a property of the image, in 7 by a definition; both take -set.
        drawn = [["-set", "type:hinting", "off", "-annotate", f"+{x}+{y}", literal(c)] for c in characters]
        return self._draw(font, ["-pointsize", str(em)], drawn, size, size)

    def strokes(self, pictures: Sequence[tuple[Sequence[npt.NDArray[np.floating]], float]], canvas: int) -> Images:
        """Draw lines with a round pen, white on a black canvas: uint8 [n, canvas, canvas].

        Args:
            pictures: for each its lines, float [points, 2] (x, y) in pixels from the top left corner, and the width of
                the pen in pixels.
            canvas: side of the canvas in pixels.

        Raises:
            ImageMagickError: as for :meth:`annotate`.
        """
        drawn = [["-strokewidth", f"{pen:.3f}", "-draw", f"{_ROUND} path '{_path(lines)}'"] for lines, pen in pictures]
        return self._draw("", ["-fill", "none", "-stroke", "White"], drawn, canvas, canvas)

    def font_files(self) -> dict[str, Path]:
        """Return the font file behind each font name that ImageMagick knows."""
        names = re.findall(r"Font: (\S+).*?glyphs: ([^\n]+)", self._ask("-list", "font"), re.DOTALL)
        return {name: Path(path.strip()) for name, path in names}

    def limits(self) -> dict[str, str]:
        """Return the resource limits in force as printed: width, height, area, memory, disk …"""
        return {
            name.lower(): value for name, value in re.findall(r"^\s*(\w+): (\S+)", self._ask("-list", "resource"), re.M)
        }

    def policy_file(self) -> str:
        """Return the path of the first policy file in force, or nothing if only the built-in one is."""
        found = re.findall(r"^Path: (/\S+)", self._ask("-list", "policy"), re.MULTILINE)
        return found[0] if found else ""

    def _ask(self, *arguments: str) -> str:
        return _run(self.command, arguments, START_SECONDS).decode(errors="replace")

    def _annotated(self, annotation: Annotation) -> list[str]:
        size = ["-pointsize", f"{annotation.point_size:.6f}"]
        if annotation.shear == 0.0 and annotation.aspect == 1.0:
            angle = f"{annotation.rotation:.6f}"
            place = f"{angle}x{angle}{annotation.dx:+.6f}{annotation.dy:+.6f}"
            return [*size, "-annotate", place, literal(annotation.text)]
        return [*size, "-draw", self._primitive(annotation)]

    def _primitive(self, annotation: Annotation) -> str:
        """Draw under a general matrix; for a mere rotation the very pixels of ``-annotate`` (a test holds it)."""
        (sx, ry), (rx, sy) = matrix(annotation.rotation, annotation.shear, annotation.aspect)
        # Both versions take the off-diagonal entries in this order, the reverse of what the option -affine takes.
        affine = ",".join(f"{value:.9f}" for value in (sx, ry, rx, sy, annotation.dx, annotation.dy))
        primitive = f"affine {affine} text 0,0 {_quoted(annotation.text)}"
        # ImageMagick 7 expands properties in the whole argument, as both versions do in that of -annotate.
        return literal(primitive) if self.major >= 7 else primitive

    def _draw(
        self, font: str, settings: Sequence[str], drawn: Sequence[Sequence[str]], canvas: int, size: int
    ) -> Images:
        """Draw images by their operators, many in each process, as many processes as there are cores.

        Args:
            font: as ``-font`` takes it; empty where no text is drawn.
            settings: further options, for all images.
            drawn: the operators of each image, which lead from a blank canvas to the image.
            canvas: side of the canvas.
            size: side of the images.
        """
        common = ["-size", f"{canvas}x{canvas}", "-depth", "8", "-fill", "White", *settings]
        named: list[str | bytes] = ["-font", os.fsencode(font)] if font else []
        start = [*common, *named, "xc:black"]
        share = max(_LEAST_AT_ONCE, -(-len(drawn) // usable_cores()))
        chunks = _chunks(drawn, max(1, min(share, _PIXELS_AT_ONCE // canvas**2)))
        images = np.empty((len(drawn), size, size), dtype=np.uint8)

        def one(first: int, chunk: Sequence[Sequence[str]]) -> None:
            # Each image is written and dropped before the next: a policy that allows little memory is no hindrance.
            # Red samples stand for grey ones: `gray:` weighs three channels of every pixel, a fifth of the time in all.
            each = [["(", "-clone", "0", *image, "-write", "r:-", "+delete", ")"] for image in chunk]
            limit = START_SECONDS + _SECONDS_PER_MEGAPIXEL * len(chunk) * canvas**2 / 1e6
            raw = _run(self.command, [*start, *itertools.chain(*each), "null:"], limit)
            if len(raw) != len(chunk) * size**2:
                raise ImageMagickError(
                    f"{self.command}: gave {len(raw)} bytes for {len(chunk)} images of {size}×{size}"
                )
            images[first : first + len(chunk)] = np.frombuffer(raw, dtype=np.uint8).reshape(-1, size, size)

        in_parallel(one, chunks)
        return images


def in_parallel(task: Callable[..., None], calls: Sequence[tuple[object, ...]]) -> None:
    """Run ``task(*call)`` for each call, as many at once as there are cores; each waits for a child, so threads do."""
    if len(calls) == 1 or usable_cores() == 1:
        for call in calls:
            task(*call)
        return
    with concurrent.futures.ThreadPoolExecutor(usable_cores()) as pool:
        futures = [pool.submit(task, *call) for call in calls]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _chunks(drawn: Sequence[Sequence[str]], most: int) -> list[tuple[int, Sequence[Sequence[str]]]]:
    """Cut the images into runs that fit one process: (index of the first, the images)."""
    chunks, start, size = [], 0, 0
    for place, arguments in enumerate(drawn):
        length = sum(len(argument.encode()) + 16 for argument in arguments)
        if place > start and (size + length > _ARGUMENT_BYTES or place - start >= most):
            chunks.append((start, drawn[start:place]))
            start, size = place, 0
        size += length
    if start < len(drawn):
        chunks.append((start, drawn[start:]))
    return chunks


def literal(text: str) -> str:
    """Escape text for ``-annotate``: percent, backslash and ``&lt;`` would be expanded, a file after an ``@`` read.

    Raises:
        ImageMagickError: the text has a control character, which no font draws.
    """
    escaped = _drawable(text).replace("\\", "\\\\").replace("%", "%%").replace("&", "\\&")
    return "\\" + escaped if escaped.startswith("@") else escaped


def _quoted(text: str) -> str:
    """Quote text for a ``-draw`` primitive, in which only quote and backslash have a meaning."""
    escaped = _drawable(text).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _path(lines: Iterable[npt.NDArray[np.floating]]) -> str:
    """Write lines as an SVG path; whole numbers are the middles of pixels to ImageMagick, and halves are so here."""
    return " ".join("M" + " ".join(f"{x - 0.5:.2f},{y - 0.5:.2f}" for x, y in line.tolist()) for line in lines)


def _drawable(text: str) -> str:
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise ImageMagickError(f"{text!r} has a control character, which cannot be drawn")
    return text


def _run(command: str, arguments: Iterable[str | bytes], seconds: float) -> bytes:
    """Run a child with a time limit, in a process group of its own so that nothing of it outlives the limit.

    Text is handed on as UTF-8, bytes (the names of files) as they are.
    """
    # One thread in each child: the processes are the parallel part, and OpenMP's start-up doubles a child's time.
    environment = os.environ | {"MAGICK_THREAD_LIMIT": "1", "OMP_NUM_THREADS": "1"}
    # ImageMagick takes text as UTF-8 in every locale; Python would encode it by the locale.
    encoded = (argument.encode() if isinstance(argument, str) else argument for argument in arguments)
    try:
        child = subprocess.Popen(
            [os.fsencode(command), *encoded],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise ImageMagickError(f"{command}: cannot be started ({error.strerror})") from None
    try:
        output, errors = child.communicate(timeout=seconds)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise ImageMagickError(f"{command}: no answer within {seconds:.0f} s; it was ended") from None
        raise
    said = " ".join(errors.decode(errors="replace").split())[:300]
    if child.returncode:
        raise ImageMagickError(f"{command}: failed with exit status {child.returncode}: {said or 'it said nothing'}")
    # A font that it cannot read is replaced or left out, with exit status 0; fontconfig's remarks are no failure.
    if "@ error/" in said or "unable to read font" in said:
        raise ImageMagickError(f"{command}: {said}")
    return output


def find() -> ImageMagick:
    """Find ImageMagick: ``$KANATUI_IMAGEMAGICK``, else ``magick`` (version 7), else ``convert`` (version 6).

    Raises:
        ImageMagickError: there is none, or what bears its name is some other program.
    """
    named = os.environ.get("KANATUI_IMAGEMAGICK")
    names = [named] if named else ["magick", "convert"]
    other = None
    for path in _programs(names):
        try:
            return _identify(path)
        except ImageMagickError as error:
            other = error
    install = apt_command(["imagemagick"])
    if other:
        raise ImageMagickError(f"{other}: {install}")
    where = "which KANATUI_IMAGEMAGICK names" if named else "on the PATH"
    raise ImageMagickError(f"ImageMagick is not installed (no {' or '.join(names)} {where}): {install}")


def _programs(names: Sequence[str]) -> Iterator[str]:
    """Give every program of these names on the PATH: some other `convert` may stand before ImageMagick's."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for name in names:
        found = (shutil.which(name, path=folder) for folder in folders)
        yield from dict.fromkeys(filter(None, found))


@functools.cache
def _identify(path: str) -> ImageMagick:
    """Ask a program who it is. ImageMagickError, which is not remembered, if it is not ImageMagick."""
    try:
        said = _run(path, ["-version"], START_SECONDS).decode(errors="replace")
    except ImageMagickError as error:
        raise ImageMagickError(f"{path} is not ImageMagick ({str(error).removeprefix(f'{path}: ')})") from None
    match = _VERSION.search(said)
    if match is None:
        words = " ".join(said.split())[:60] or "nothing"
        raise ImageMagickError(
            f"{path} is not ImageMagick but some other program (asked its version, it says {words!r})"
        )
    return ImageMagick(path, f"{match[1]}.{match[2]}", int(match[1]))
