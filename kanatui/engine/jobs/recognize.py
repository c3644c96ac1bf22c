"""Jobs of the drawing board: reading a drawing, and drawing glyphs of the candidate characters."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kanatui.core.errors import FontError
from kanatui.engine.context import Context, Reporter
from kanatui.engine.wire import Answer

if TYPE_CHECKING:
    from kanatui.fonts.faces import Face
    from kanatui.fonts.masters import Masters
    from kanatui.model.weights import Classifier

_BASELINE = 0.88
"""Ems from the top of a character's square to its baseline, as in Japanese fonts."""

_LIKED = ("mincho", "gothic", "handwriting", "brush")
"""Styles, the most legible first: print keeps strokes apart."""


def reader(context: Context, arguments: Mapping[str, Any], report: Reporter) -> Answer:
    """Load the ``model`` (a run, ``default`` or a file) and warm up reading: {"characters"}.

    The first reading spends 150 ms on imports and allocations. It is done here so that the first stroke need not wait.
    """
    from kanatui.evaluation.recognize import read_drawing
    from kanatui.pictures.drawing import Drawing, Stroke

    report(0, 1, "loading the model")
    classifier = classifier_of(context, arguments["model"])
    read_drawing(classifier, Drawing((Stroke(((0.3, 0.5), (0.7, 0.5))),)))
    return Answer({"characters": classifier.characters})


def recognize(context: Context, arguments: Mapping[str, Any], report: Reporter) -> Answer:
    """Read a ``drawing`` (:meth:`.Drawing.to_data`) with a ``model``, among ``characters`` if given.

    Returns:
        {"readings": [{"character", "probability", "folded"}, …], "doubt"}: at most five, the likeliest first, none for
        a drawing without ink; and what to ask of a drawing that the model refuses, "" of others.
    """
    from kanatui.evaluation.recognize import read_drawing
    from kanatui.model.calibration import question
    from kanatui.pictures.drawing import Drawing

    drawing = Drawing.from_data(arguments["drawing"])
    classifier = classifier_of(context, arguments["model"])
    if not (drawing.raster(64) > 127).any():  # all of it erased
        return Answer({"readings": [], "doubt": ""})
    readings, refused = read_drawing(classifier, drawing, characters=arguments.get("characters"))
    doubt = question(classifier.characters) if refused else ""
    return Answer({"readings": [dataclasses.asdict(reading) for reading in readings], "doubt": doubt})


def glyphs(context: Context, arguments: Mapping[str, Any], report: Reporter) -> Answer:
    """Draw ``characters`` with the installed face that draws most of them, ``side`` pixels each.

    Returns:
        ``images`` uint8 [n, side, side], white on black, each at its size and place in the em; {"characters": those
        that the face draws, in the images' order, "face": its id}.

    Raises:
        FontError: no installed face draws any of them.
    """
    characters, side = str(arguments["characters"]), int(arguments["side"])
    face, drawn = _plainest_face(context, characters, report)
    source = context.registry.glyph_sources[face.source]()
    images = _in_squares(source.masters(face, drawn, _em(side)), side)
    return Answer({"characters": drawn, "face": face.id}, {"images": images})


def classifier_of(context: Context, reference: str) -> Classifier:
    """Return a model, reloaded only when its file changes. Raises what finding and loading raise."""
    from kanatui.training.runs import find_weights

    path = find_weights(reference)
    return _loaded(context, path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=2)
def _loaded(context: Context, path: Path, changed: int) -> Classifier:
    from kanatui.model.weights import load_weights

    return load_weights(path, registry=context.registry)


def _plainest_face(context: Context, characters: str, report: Reporter) -> tuple[Face, str]:
    """Return the first face that draws all characters, else the one that draws most; and the characters it draws."""
    best: tuple[Face, str] | None = None
    faces = [face for source in context.registry.glyph_sources.values() for face in source().faces() if face.path]
    faces.sort(key=lambda face: (_liking(face.style), face.weight != "regular"))
    for done, face in enumerate(faces):
        report(done, len(faces), f"checking face {face.id}")
        try:
            covered = context.registry.glyph_sources[face.source]().coverage(face, characters)
        except FontError:  # one broken font must not hide the others
            continue
        drawn = "".join(c for c, can in zip(characters, covered, strict=True) if can)
        if best is None or len(drawn) > len(best[1]):
            best = (face, drawn)
        if len(drawn) == len(characters):
            break
    if best is None or not best[1]:
        raise FontError("no installed face draws these characters: `kanatui fonts` shows what to install")
    return best


def _liking(style: str) -> int:
    return _LIKED.index(style) if style in _LIKED else len(_LIKED)


def _em(side: int) -> int:
    """Return the masters' pixels per em: a multiple of 8, at least ``side``."""
    return -(-side // 8) * 8


def _in_squares(masters: Masters, side: int) -> npt.NDArray[np.uint8]:
    """Place each glyph at its position in the em: uint8 [n, side, side]."""
    em = masters.em
    images = np.zeros((len(masters.images), em, em), dtype=np.uint8)
    for image, crop, corner, advance in zip(images, masters.images, masters.corners, masters.advance, strict=True):
        left = int(corner[0]) + round((1.0 - float(advance)) * em / 2)  # centre narrow glyphs
        top = round(_BASELINE * em) + int(corner[1])
        part = crop[max(0, -top) : em - top, max(0, -left) : em - left]
        top, left = max(0, top), max(0, left)
        image[top : top + part.shape[0], left : left + part.shape[1]] = part
    return images[:, :side, :side]
