"""The only file that starts ImageMagick: finding it, and drawing many glyphs in each of its processes."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kanatui.errors import ImageMagickError

Images = npt.NDArray[np.uint8]

INSTALL = "sudo apt-get install -y imagemagick"

_VERSION = re.compile(r"^Version: ImageMagick (\d+)\.(\S+)", re.MULTILINE)
_PIXELS_AT_ONCE = 16 * 2**20
"""Debian's policy lets a process keep 256 MiB of pixels in memory, 8 bytes each; this takes half of that."""

_ARGUMENT_BYTES = 96 * 1024
"""Far below the 2 MiB that Linux allows, and still a thousand glyphs."""

_START_SECONDS = 30.0
_SECONDS_PER_MEGAPIXEL = 10.0
"""Time limit of a child: 0.01 s a megapixel are usual, so this is reached only by one that hangs."""

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
        settings = ["-size", f"{canvas}x{canvas}", "-gravity", "Center", "-font", font, "-fill", "White"]
        reduced = [] if size == canvas else ["-scale", f"{size}x{size}"]
        return self._draw(settings, [[*_annotated(annotation), *reduced] for annotation in annotations], size, canvas)

    def glyphs(self, font: str, characters: str, em: int) -> Images:
        """Draw each character large and unhinted, uint8 [n, M, M] with M = :data:`MASTER_CANVAS` · em.

        The text origin stands at :data:`MASTER_ORIGIN` · em (exactly, for an em that is a multiple of 8).

        Raises:
            ImageMagickError: as for :meth:`annotate`.
        """
        size = round(MASTER_CANVAS * em)
        x, y = (round(share * em) for share in MASTER_ORIGIN)
        settings = ["-size", f"{size}x{size}", "-font", font, "-fill", "White", "-pointsize", str(em)]
        # In ImageMagick 6 hinting is switched off by a property of the image, in 7 by a definition; both take -set.
        drawn = [
            ["xc:black", "-set", "type:hinting", "off", "-annotate", f"+{x}+{y}", literal(character)]
            for character in characters
        ]
        return self._draw(settings, drawn, size)

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
        return _run([self.command, *arguments], _START_SECONDS).decode(errors="replace")

    def _draw(self, settings: Sequence[str], drawn: Sequence[Sequence[str]], size: int, canvas: int = 0) -> Images:
        """Draw images by their arguments, many in each process, as many processes as there are cores."""
        chunks = _chunks(drawn, max(1, _PIXELS_AT_ONCE // max(size, canvas) ** 2))
        images = np.empty((len(drawn), size, size), dtype=np.uint8)

        def one(start: int, chunk: Sequence[Sequence[str]]) -> None:
            arguments = [argument for image in chunk for argument in ("(", *image, ")")]
            limit = _START_SECONDS + _SECONDS_PER_MEGAPIXEL * len(chunk) * max(size, canvas) ** 2 / 1e6
            # Red samples stand for grey ones: `gray:` weighs three channels of every pixel, a third of the time in all.
            raw = _run([self.command, *settings, *arguments, "-depth", "8", "r:-"], limit)
            if len(raw) != len(chunk) * size**2:
                raise ImageMagickError(
                    f"{self.command}: gave {len(raw)} bytes for {len(chunk)} images of {size}×{size}"
                )
            images[start : start + len(chunk)] = np.frombuffer(raw, dtype=np.uint8).reshape(-1, size, size)

        in_parallel(one, chunks)
        return images


def in_parallel(task: Callable[..., None], calls: Sequence[tuple[object, ...]]) -> None:
    """Run ``task(*call)`` for each call, as many at once as there are cores; each waits for a child, so threads do."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if len(calls) == 1 or cores == 1:
        for call in calls:
            task(*call)
        return
    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
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
    """Escape text for ``-annotate``: it would expand percent and backslash, and read a file named after an ``@``."""
    escaped = text.replace("\\", "\\\\").replace("%", "%%")
    return "\\" + escaped if escaped.startswith("@") else escaped


def _annotated(annotation: Annotation) -> list[str]:
    if annotation.shear == 0.0 and annotation.aspect == 1.0:
        angle = f"{annotation.rotation:.6f}"
        place = f"{angle}x{angle}{annotation.dx:+.6f}{annotation.dy:+.6f}"
        return ["xc:black", "-pointsize", f"{annotation.point_size:.6f}", "-annotate", place, literal(annotation.text)]
    return ["xc:black", "-pointsize", f"{annotation.point_size:.6f}", *_drawn(annotation)]


def _drawn(annotation: Annotation) -> list[str]:
    """Draw under a general matrix. For a mere rotation this gives the very pixels of ``-annotate`` (a test holds it).

    The matrix also moves the point at which the text is drawn, hence its inverse there.
    """
    forward = matrix(annotation.rotation, annotation.shear, annotation.aspect)
    x, y = np.linalg.solve(forward, [annotation.dx, annotation.dy])
    (sx, ry), (rx, sy) = forward
    # -draw has a grammar of its own: `%` is plain there, backslash and quote are escaped.
    text = annotation.text.replace("\\", "\\\\").replace("'", "\\'")
    affine = ",".join(f"{value:.9f}" for value in (sx, rx, ry, sy, 0.0, 0.0))
    return ["-affine", affine, "-draw", f"text {x:.6f},{y:.6f} '{text}'"]


def _run(arguments: Sequence[str], seconds: float) -> bytes:
    """Run a child with a time limit, in a process group of its own so that nothing of it outlives the limit."""
    # One thread in each child: the processes are the parallel part, and OpenMP's start-up doubles a child's time.
    environment = os.environ | {"MAGICK_THREAD_LIMIT": "1", "OMP_NUM_THREADS": "1"}
    try:
        child = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise ImageMagickError(f"{arguments[0]}: cannot be started ({error.strerror})") from None
    try:
        output, errors = child.communicate(timeout=seconds)
    except BaseException as error:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise ImageMagickError(f"{arguments[0]}: no answer within {seconds:.0f} s; it was ended") from None
        raise
    if child.returncode != 0 or errors:
        said = " ".join(errors.decode(errors="replace").split())[:300] or "it said nothing"
        if child.returncode != 0 or "error/" in said or "unable to read font" in said:
            raise ImageMagickError(f"{arguments[0]}: failed with exit status {child.returncode}: {said}")
    return output


def find() -> ImageMagick:
    """Find ImageMagick: ``$KANATUI_IMAGEMAGICK``, else ``magick`` (version 7), else ``convert`` (version 6).

    Raises:
        ImageMagickError: there is none, or what bears its name is some other program.
    """
    named = os.environ.get("KANATUI_IMAGEMAGICK")
    names = [named] if named else ["magick", "convert"]
    others = []
    for path in filter(None, map(shutil.which, names)):
        found = _identify(path)
        if found:
            return found
        others.append(path)
    if others:
        raise ImageMagickError(f"{others[-1]} is not ImageMagick but some other program: {INSTALL}")
    raise ImageMagickError(f"ImageMagick is not installed (no {' or '.join(names)} on the PATH): {INSTALL}")


@functools.cache
def _identify(path: str) -> ImageMagick | None:
    """Ask a program who it is; None if it is not ImageMagick."""
    try:
        said = _run([path, "-version"], _START_SECONDS).decode(errors="replace")
    except ImageMagickError:
        return None
    match = _VERSION.search(said)
    return ImageMagick(path, f"{match[1]}.{match[2]}", int(match[1])) if match else None
