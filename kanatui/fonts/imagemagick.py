"""Finds ImageMagick and draws many glyphs per process with it. No other module starts ImageMagick."""

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
_FORBIDDEN = re.compile(r"security policy [`'\"](.+?)['\"]")
HINT = ": kanatui doctor shows how to allow it"
"""The end of the message about what a policy forbids."""
NEEDED_CODERS = ("XC", "R", "NULL")
"""ImageMagick's formats with which pictures are made here: a canvas, samples of one channel, and no output."""

_PIXELS_AT_ONCE = 16 * 2**20
"""Pixels drawn by one process: 256 pictures of 256 pixels, so that its start is under a hundredth of its time."""

_LEAST_AT_ONCE = 16
"""A process takes as long to start as to draw five glyphs."""

_ARGUMENT_BYTES = 96 * 1024
"""Far below the 2 MiB that Linux allows, and still hundreds of glyphs."""

START_SECONDS = 30.0
_SECONDS_PER_MEGAPIXEL = 10.0
"""Time limit of a child: 0.01 s per megapixel are usual, so only a child that hangs reaches it."""

_ROUND = "stroke-linecap round stroke-linejoin round"

MASTER_CANVAS = 1.5
"""Side of a master's canvas in ems: no kana of the shipped faces reaches further than 0.14 beyond the em."""
MASTER_ORIGIN = (0.25, 1.125)
"""Position of the text origin on that canvas, in ems from its top left corner."""


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
    """An installed ImageMagick: the program's path, full version and major version."""

    command: str
    version: str
    major: int

    def annotate(self, font: str, annotations: Sequence[Annotation], canvas: int, size: int) -> Images:
        """Draw each annotation, white on a black canvas, and average the canvas down: uint8 [n, size, size].

        Args:
            font: the value of ``-font``: a file or one of ImageMagick's font names.
            canvas: side of the canvas to draw on, in pixels.
            size: side of the returned images in pixels, at most ``canvas``.

        Raises:
            ImageMagickError: ImageMagick failed or took too long; the message has its output.
        """
        reduced = [] if size == canvas else ["-scale", f"{size}x{size}"]
        drawn = [[*self._annotated(annotation), *reduced] for annotation in annotations]
        return self._draw(font, ["-gravity", "Center"], drawn, canvas, size)

    def glyphs(self, font: str, characters: str, em: int) -> Images:
        """Draw each character large and unhinted, uint8 [n, M, M] with M = :data:`MASTER_CANVAS` · em.

        The text origin is at :data:`MASTER_ORIGIN` · em (exactly, if em is a multiple of 8).

        Raises:
            ImageMagickError: as for :meth:`annotate`.
        """
        size = round(MASTER_CANVAS * em)
        x, y = (round(share * em) for share in MASTER_ORIGIN)
        # Hinting is switched off by an image property in ImageMagick 6, by a definition in 7; -set works for both.
        drawn = [["-set", "type:hinting", "off", "-annotate", f"+{x}+{y}", literal(c)] for c in characters]
        return self._draw(font, ["-pointsize", str(em)], drawn, size, size)

    def strokes(self, pictures: Sequence[tuple[Sequence[npt.NDArray[np.floating]], float]], canvas: int) -> Images:
        """Draw lines with a round pen, white on a black canvas: uint8 [n, canvas, canvas].

        Args:
            pictures: the lines of each, float [points, 2] (x, y) in pixels from the top left corner, and the width of
                its pen in pixels.
            canvas: side of the canvas in pixels.

        Raises:
            ImageMagickError: as for :meth:`annotate`.
        """
        drawn = [["-strokewidth", f"{pen:.3f}", "-draw", f"{_ROUND} path '{_path(lines)}'"] for lines, pen in pictures]
        return self._draw("", ["-fill", "none", "-stroke", "White"], drawn, canvas, canvas)

    def font_files(self) -> dict[str, Path]:
        """Return the font file of each font name that ImageMagick knows."""
        names = re.findall(r"Font: (\S+).*?glyphs: ([^\n]+)", self._ask("-list", "font"), re.DOTALL)
        return {name: Path(path.strip()) for name, path in names}

    def limits(self) -> dict[str, str]:
        """Return the resource limits in force as printed: width, height, area, memory, disk …"""
        return {
            name.lower(): value for name, value in re.findall(r"^\s*(\w+): (\S+)", self._ask("-list", "resource"), re.M)
        }

    def policy_files(self) -> list[str]:
        """Return the paths of the policy files in force, each once; [] if only the built-in policy is."""
        return list(dict.fromkeys(re.findall(r"^Path: (/.+)", self._ask("-list", "policy"), re.MULTILINE)))

    def try_drawing(self) -> None:
        """Draw a little. ImageMagickError if that fails; its message names what a policy forbids."""
        self.strokes([([np.array([[1.0, 1.0], [6.0, 6.0]])], 2.0)], 8)

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
        """Draw with a general matrix; for a pure rotation the pixels are those of ``-annotate`` (there is a test)."""
        (sx, ry), (rx, sy) = matrix(annotation.rotation, annotation.shear, annotation.aspect)
        # Both versions take the off-diagonal entries in this order, the reverse of the option -affine.
        affine = ",".join(f"{value:.9f}" for value in (sx, ry, rx, sy, annotation.dx, annotation.dy))
        primitive = f"affine {affine} text 0,0 {_quoted(annotation.text)}"
        # ImageMagick 7 expands properties in the whole argument, as both versions do in that of -annotate.
        return literal(primitive) if self.major >= 7 else primitive

    def _draw(
        self, font: str, settings: Sequence[str], drawn: Sequence[Sequence[str]], canvas: int, size: int
    ) -> Images:
        """Draw images with ImageMagick operators, many per process, with as many processes as cores.

        Args:
            font: the value of ``-font``; empty if no text is drawn.
            settings: further options, for all images.
            drawn: the operators that draw each image on a blank canvas.
            canvas: side of the canvas in pixels.
            size: side of the images in pixels.
        """
        common = ["-size", f"{canvas}x{canvas}", "-depth", "8", "-fill", "White", *settings]
        named: list[str | bytes] = ["-font", os.fsencode(font)] if font else []
        start = [*common, *named, "xc:black"]
        share = max(_LEAST_AT_ONCE, -(-len(drawn) // usable_cores()))
        chunks = _chunks(drawn, max(1, min(share, _PIXELS_AT_ONCE // canvas**2)))
        images = np.empty((len(drawn), size, size), dtype=np.uint8)

        def one(first: int, chunk: Sequence[Sequence[str]]) -> None:
            # Each image is written and dropped before the next, so that a policy with little memory is enough.
            # Red samples are used as grey: `gray:` weighs three channels of every pixel, a fifth of the total time.
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
    """Run ``task(*call)`` for each call, in as many threads as cores; each only waits for a child process."""
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
    """Cut the images into chunks that fit one process: (index of the first, the images)."""
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
    """Escape text for ``-annotate``, which expands percent, backslash and ``&lt;``, and reads a file after ``@``.

    Raises:
        ImageMagickError: the text has a control character, which no font draws.
    """
    escaped = _drawable(text).replace("\\", "\\\\").replace("%", "%%").replace("&", "\\&")
    return "\\" + escaped if escaped.startswith("@") else escaped


def _quoted(text: str) -> str:
    """Quote text for a ``-draw`` primitive, in which only quote and backslash are special."""
    escaped = _drawable(text).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _path(lines: Iterable[npt.NDArray[np.floating]]) -> str:
    """Return lines as an SVG path; pixel centres are whole numbers in ImageMagick, and halves here."""
    return " ".join("M" + " ".join(f"{x - 0.5:.2f},{y - 0.5:.2f}" for x, y in line.tolist()) for line in lines)


def _drawable(text: str) -> str:
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise ImageMagickError(f"{text!r} has a control character, which cannot be drawn")
    return text


def _run(command: str, arguments: Iterable[str | bytes], seconds: float) -> bytes:
    """Run a child with a time limit, in a new process group so that none of its processes outlives the limit.

    Text is passed as UTF-8, bytes (file names) unchanged.
    """
    # One thread per child: the processes run in parallel, and OpenMP's start-up doubles a child's time.
    environment = os.environ | {"MAGICK_THREAD_LIMIT": "1", "OMP_NUM_THREADS": "1"}
    # ImageMagick reads text as UTF-8 in every locale; Python would use the locale's encoding.
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
            raise ImageMagickError(f"{command}: no answer within {seconds:.0f} s; killed") from None
        raise
    said = " ".join(errors.decode(errors="replace").split())[:300]
    forbidden = _FORBIDDEN.search(said)
    if forbidden:
        raise ImageMagickError(f"{command}: its security policy forbids {forbidden[1]}, which is needed{HINT}")
    if child.returncode < 0:
        raise ImageMagickError(f"{command}: was killed by signal {-child.returncode}: {said or 'no output'}")
    if child.returncode:
        raise ImageMagickError(f"{command}: failed with exit status {child.returncode}: {said or 'no output'}")
    # It replaces or leaves out an unreadable font with exit status 0; fontconfig's warnings are not failures.
    if "@ error/" in said or "unable to read font" in said:
        raise ImageMagickError(f"{command}: {said}")
    return output


def find() -> ImageMagick:
    """Find ImageMagick: ``$KANATUI_IMAGEMAGICK``, else ``magick`` (version 7), else ``convert`` (version 6).

    Raises:
        ImageMagickError: there is none, or the program of its name is another one.
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
    where = "from KANATUI_IMAGEMAGICK" if named else "on the PATH"
    raise ImageMagickError(f"ImageMagick is not installed (no {' or '.join(names)} {where}): {install}")


def version() -> str:
    """Return the version of the ImageMagick that is used, "not found" if there is none."""
    try:
        return find().version
    except ImageMagickError:
        return "not found"


def _programs(names: Sequence[str]) -> Iterator[str]:
    """Yield every program of these names on the PATH: another `convert` may come before ImageMagick's."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for name in names:
        found = (shutil.which(name, path=folder) for folder in folders)
        yield from dict.fromkeys(filter(None, found))


@functools.cache
def _identify(path: str) -> ImageMagick:
    """Return the ImageMagick at a path. ImageMagickError, which is not cached, if it is something else."""
    try:
        said = _run(path, ["-version"], START_SECONDS).decode(errors="replace")
    except ImageMagickError as error:
        raise ImageMagickError(f"{path} is not ImageMagick ({str(error).removeprefix(f'{path}: ')})") from None
    match = _VERSION.search(said)
    if match is None:
        words = " ".join(said.split())[:60] or "nothing"
        raise ImageMagickError(f"{path} is not ImageMagick but some other program (for -version it printed {words!r})")
    return ImageMagick(path, f"{match[1]}.{match[2]}", int(match[1]))
