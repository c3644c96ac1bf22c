"""Benchmark of rendering: one convert process per image (the article), ImageMagick in batches, Pillow, masters."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from kanatui.cli.bench.figures import Figure
from kanatui.cli.bench.peers import Peer, turned_and_blurred
from kanatui.cli.bench.rounds import Way, alternate, rate, threads
from kanatui.dataset.recipe import find_recipe
from kanatui.dataset.render import exact
from kanatui.dataset.source import Images, Indices, OnStage
from kanatui.dataset.stream import GlyphStream
from kanatui.fonts.faces import Face
from kanatui.plugins.registry import load
from kanatui.plugins.table import CANVAS, GlyphTable

ROUNDS = 7
_ONE_BY_ONE, _EXACT, _PILLOW, _PLACED = 12, 256, 512, 8192
_COMPARED = 256

ONE_BY_ONE = "one convert process per image (the article)"
"""Figure name of the article's way."""


def measure_render(rounds: int, size: int, on_stage: OnStage, peers: Collection[Peer] = ()) -> list[Figure]:
    """Measure the images per second of each way to draw the article's grid, and the similarity of the results.

    Args:
        rounds: number of measurements of each way.
        size: side of the images in pixels.
        on_stage: told of the progress.
        peers: other programs to measure too, at a job of their kind.

    Raises:
        KanatuiError: a peer failed.
    """
    beside = _beside_peers(rounds, size, on_stage, peers) if peers else []  # first: the most likely to fail
    stream = article(size)
    stream.prepare()
    pillow = _Pillow(stream.layout.faces, CANVAS, size)
    direct = _Pillow(stream.layout.faces, size, size)
    batched = f"ImageMagick in batches (exact), {size} px"
    canvas, plain = f"Pillow, canvas of {CANVAS} averaged down to {size} px", f"Pillow at {size} px at once"
    placed = f"placed, {size} px"
    few, some, spread = some_rows(stream, _EXACT), some_rows(stream, _PILLOW), some_indices(stream, _PLACED)
    ways: dict[str, Way] = {
        ONE_BY_ONE: one_by_one(stream, _ONE_BY_ONE),
        batched: rate(_EXACT, lambda: exact(few, stream.layout.faces, size)),
        canvas: rate(_PILLOW, lambda: pillow.draw(some)),
        plain: rate(_PILLOW, lambda: direct.draw(some)),
        placed: rate(_PLACED, lambda: stream.images(spread)),
    }
    with threads(1):
        found = alternate(ways, rounds, on_stage, "render")
        like = _likeness(stream, {canvas: pillow, plain: direct})
    notes = {
        ONE_BY_ONE: "one after the other",
        batched: "as many processes as cores",
        canvas: f"one thread; {like[canvas]:.1f} dB against exact",
        plain: f"one thread; {like[plain]:.1f} dB against exact",
        placed: f"one thread; {like['placed']:.1f} dB against exact",
    }
    figures = [Figure.median(name, found[name], "images/s", note=notes[name]) for name in ways]
    goal = {"least": 500.0} if size == 64 else {}
    figures.append(Figure.ratio("placed / the article's way", found[placed], found[ONE_BY_ONE], **goal))
    goal = {"least": 10.0} if size == 64 else {}
    figures.append(Figure.ratio("placed / Pillow, the same picture", found[placed], found[canvas], **goal))
    figures.append(Figure.ratio(f"placed / Pillow at {size} px at once", found[placed], found[plain]))
    figures.append(Figure.ratio("exact in batches / the article's way", found[batched], found[ONE_BY_ONE]))
    return figures + beside


def _beside_peers(rounds: int, size: int, on_stage: OnStage, peers: Collection[Peer]) -> list[Figure]:
    """Measure the same job with placed rendering and with each peer: single characters, turned and blurred."""
    stream = turned_and_blurred(size)
    stream.prepare()
    spread, job = some_indices(stream, _PLACED), f"turned and blurred, {size} px"
    ways: dict[str, Way] = {"placed": rate(_PLACED, lambda: stream.images(spread))}
    ways |= {each.title: functools.partial(each.draw, stream) for each in peers}
    with threads(1):
        found = alternate(ways, rounds, on_stage, "beside others")
    notes = {"placed": "one thread"} | {each.title: f"one thread; version {each.version}" for each in peers}
    figures = [Figure.median(f"{name}, {job}", found[name], "images/s", note=notes[name]) for name in ways]
    return figures + [
        Figure.ratio(f"placed / {each.title}, {job}", found["placed"], found[each.title]) for each in peers
    ]


def article(size: int) -> GlyphStream:
    """Return the article's data set with images of ``size`` pixels a side."""
    return GlyphStream(find_recipe("article").but(image_size=size), load())


def one_by_one(stream: GlyphStream, count: int) -> Way:
    """Return the article's way: one ImageMagick process per image, one after the other; in images/s."""
    table = some_rows(stream, count)
    each = [table.take(np.array([i])) for i in range(count)]
    return rate(count, lambda: [exact(row, stream.layout.faces, stream.image_size) for row in each])


def some_indices(stream: GlyphStream, count: int) -> Indices:
    """Return indices from the whole data set, always the same ones: int64 [count]."""
    return np.random.default_rng(0).integers(0, len(stream), count)


def some_rows(stream: GlyphStream, count: int) -> GlyphTable:
    """Return the rows of :func:`some_indices`."""
    return stream.plan.rows(some_indices(stream, count))


class _Pillow:
    """Draws rows with Pillow: text centred on a canvas, rotated, shifted, averaged down."""

    def __init__(self, faces: Sequence[Face], canvas: int, size: int) -> None:
        self._faces, self._canvas, self._size = faces, canvas, size
        self._font = functools.cache(self._open)  # opens each size of each face once

    def _open(self, face: int, points: float) -> ImageFont.FreeTypeFont:
        found = self._faces[face]
        return ImageFont.truetype(str(found.path), points, index=found.index)

    def draw(self, table: GlyphTable) -> Images:
        """Draw each row: uint8 [n, size, size]."""
        return np.stack([self._one(row) for row in table.rows])

    def _one(self, row: np.void) -> npt.NDArray[np.uint8]:
        side = self._canvas
        scale = side / CANVAS
        font = self._font(int(row["face"]), float(row["point_size"]) * scale)
        image = Image.new("L", (side, side))
        ImageDraw.Draw(image).text((side / 2, side / 2), chr(row["character"]), fill=255, font=font, anchor="mm")
        moved = (round(row["dx"] * scale), round(row["dy"] * scale))
        image = image.rotate(-float(row["rotation"]), Image.Resampling.BILINEAR, translate=moved)
        return np.asarray(image.reduce(side // self._size) if side > self._size else image)


def _likeness(stream: GlyphStream, others: dict[str, _Pillow]) -> dict[str, float]:
    """Return the mean peak signal-to-noise ratio (dB) of each way's pictures against ImageMagick's."""
    table = some_rows(stream, _COMPARED)
    theirs = exact(table, stream.layout.faces, stream.image_size).astype(np.float64)
    drawn = {name: pillow.draw(table) for name, pillow in others.items()} | {"placed": stream.draw(table)}
    return {name: _decibels(images, theirs) for name, images in drawn.items()}


def _decibels(images: Images, others: npt.NDArray[np.float64]) -> float:
    error = ((images - others) ** 2).mean(axis=(1, 2))
    return float((10 * np.log10(255**2 / np.maximum(error, 1e-9))).mean())
