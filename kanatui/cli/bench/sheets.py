"""Benchmarks of sheets: photos from easy to hard, and what one filled sheet does for a model of one's own hand."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from kanatui.cli.bench.figures import Figure
from kanatui.cli.bench.photograph import SCENES, Ink, Scene, fill, overlap, photograph
from kanatui.cli.bench.read import glyphs_of
from kanatui.core.errors import ImageError, UsageError
from kanatui.dataset.source import OnStage
from kanatui.evaluation import adapt, sheets
from kanatui.evaluation.files import read_files
from kanatui.fonts.faces import load_faces
from kanatui.kana.alphabet import BASIC_HIRAGANA, BASIC_KATAKANA, script
from kanatui.kana.folding import fold_groups, fold_probabilities
from kanatui.model.card import read_card
from kanatui.pictures.files import open_image
from kanatui.pictures.labelled import find_labelled
from kanatui.pictures.sheets import layout, printing
from kanatui.pictures.sheets.boxes import Sheet, State, read_sheets
from kanatui.pictures.sheets.layout import Page
from kanatui.training.runs import find_weights
from kanatui.training.session import train_run

_DPI = 250  # of the printed pages
_NUMBER = 0xA1B2C3  # of the sheets
_LEAST_OVERLAP = 0.9
_LEAST_DRAWINGS = 40  # of a writer
_FACE = "klee-regular"  # in which boxes are filled where there are no drawings
_BLANKS, _TICKS = 3, 3  # boxes of each page that are left empty, and taken out

Hand = Mapping[str, Ink]
"""One person's drawings."""


def measure_scenes(folder: Path | None, seed: int, on_stage: OnStage) -> list[Figure]:
    """Fill a sheet, photograph it in each of :data:`~kanatui.cli.bench.photograph.SCENES`, and read it.

    Args:
        folder: drawings, ``LABEL/WRITER.png``; None to write in a face.
        seed: of the photos.
        on_stage: called after each scene.

    Returns:
        For each scene the share of boxes cut with an overlap (IoU) of 0.9 and more, in percent; over all scenes the
        same, and the number of boxes kept under a wrong label or with a wrong state.
    """
    hands = _hands(folder) if folder else [_face()]
    figures, overlaps, wrong = [], [], 0
    for number, scene in enumerate(SCENES):
        on_stage(number, len(SCENES), scene.name)
        hand = hands[number % len(hands)]
        try:
            found, mistakes = _read_scene(hand, scene, 100 * seed + number)
        except ImageError as error:
            figures.append(Figure(scene.name, 0.0, "%", note=f"refused: {error}"))
            overlaps += [0.0] * len(hand)
            continue
        overlaps += found
        wrong += mistakes
        good = 100 * float(np.mean(np.array(found) >= _LEAST_OVERLAP))
        figures.append(Figure(scene.name, good, "%", note=f"{len(found)} boxes, overlap {min(found):.3f} and more"))
    share = 100 * float(np.mean(np.array(overlaps) >= _LEAST_OVERLAP))
    return [
        *figures,
        Figure(
            "boxes of all scenes cut with an overlap of 0.9", share, "%", least=99.0, note=f"{len(overlaps):,} boxes"
        ),
        Figure("boxes that were written, empty or ticked, and taken for something else", wrong, "", most=1),
    ]


def _read_scene(hand: Hand, scene: Scene, seed: int) -> tuple[list[float], int]:
    """Return the overlap of each box, and how many were taken for what they are not."""
    rng = np.random.default_rng(seed)
    page, printed = _printed("".join(hand))
    order = rng.permutation(len(page.characters)).tolist()
    blank, ticked = order[:_BLANKS], order[_BLANKS : _BLANKS + _TICKS]
    written = {place: hand[page.characters[place]] for place in order if place not in blank}
    photo = photograph(fill(printed, page, written, rng, ticked), page, scene, seed)
    sheet = _only(photo.jpeg, page)
    expected = dict.fromkeys(blank, State.EMPTY) | dict.fromkeys(ticked, State.TICKED)
    # A box that is said to be unclear is not kept, so it cannot be wrong; but it is not cut either.
    overlaps = [
        0.0 if box.state is State.DOUBTFUL else overlap(outline, box.outline)
        for box, outline in zip(sheet.boxes, photo.outlines, strict=True)
    ]
    wrong = sum(
        box.state is not expected.get(box.place, State.WRITTEN)
        for box in sheet.boxes
        if box.state is not State.DOUBTFUL
    )
    return overlaps, wrong


def _printed(characters: str) -> tuple[Page, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """Return the only page of a sheet, and a picture of it."""
    (page,) = layout.pages(characters, 1, layout.PAPERS["a4"], _NUMBER)
    return page, printing.pictures(sheets.make(characters, number=_NUMBER), _DPI)[0]


def _only(jpeg: bytes, page: Page) -> Sheet:
    (sheet,) = read_sheets(np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")))
    if sheet.page != page:
        raise AssertionError(f"read {sheet.page} where {page} was photographed")
    return sheet


def _face() -> Hand:
    face = next(face for face in load_faces() if face.id == _FACE)
    glyphs = glyphs_of(face, BASIC_HIRAGANA)
    return {character: np.asarray(glyphs[character].ink / 255, dtype=np.float32) for character in BASIC_HIRAGANA}


def _by_writer(folder: Path) -> list[dict[str, Path]]:
    """Return each writer's drawings of one script, of those who drew enough. UsageError if nobody did."""
    by_writer: dict[tuple[str, str], dict[str, Path]] = {}
    for path, character in find_labelled(folder).files:
        if character in BASIC_HIRAGANA + BASIC_KATAKANA:
            by_writer.setdefault((script(character), path.stem), {})[character] = path
    found = [drawn for _, drawn in sorted(by_writer.items()) if len(drawn) >= _LEAST_DRAWINGS]
    if not found:
        raise UsageError(f"{folder}: no writer (LABEL/WRITER.png) drew {_LEAST_DRAWINGS} hiragana or katakana")
    return found


def _hands(folder: Path) -> list[Hand]:
    return [{character: _ink(path) for character, path in drawn.items()} for drawn in _by_writer(folder)]


def _ink(path: Path) -> Ink:
    """Return a clean drawing's ink, cropped."""
    ink = 1 - np.asarray(open_image(path).convert("L"), dtype=np.float32) / np.float32(255)
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0.5), np.flatnonzero(ink.max(axis=0) > 0.5)
    return np.ascontiguousarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


# --- What a sheet is worth


def measure_adapting(
    folder: Path, weights: Path, writers: int, minutes: float, unseen: bool, on_stage: OnStage
) -> list[Figure]:
    """Adapt a model to a photographed sheet of each of some writers, and score it on their own drawings.

    Nobody drew a character twice, so a sheet is filled with drawings that are bent, turned and scaled at random, as if
    written once more; that is nearer to the drawings than a second sheet would be. With ``unseen``, the sheet holds
    half of the characters, twice each, and the score is of the other half: what the hand's style alone is worth.

    Args:
        folder: drawings, ``LABEL/WRITER.png``.
        weights: the model's file.
        writers: how many; those that the model reads worst.
        minutes: of training.
        unseen: see above.
        on_stage: called before each writer.

    Returns:
        For each writer the change of the score on the drawings in percentage points; the share of the misses that it
        cures, over all writers; and how far the score on generated images falls at most, in points.
    """
    hands = _worst(folder, weights, writers)
    figures, cured, missed, falls = [], 0, 0, []
    for number, (before, paths) in enumerate(hands):
        on_stage(number, len(hands), f"writer {number + 1}")
        characters = "".join(paths)
        shown = characters[::2] if unseen else characters
        scored = {c: path for c, path in paths.items() if not unseen or c not in shown}
        after, fall, steps = _adapted(paths, shown, 2 if unseen else 1, scored, weights, minutes, seed=number)
        misses = [c for c in scored if not before[c]]
        cured += sum(after[c] for c in misses) - sum(not after[c] for c in scored if before[c])
        missed += len(misses)
        falls.append(fall)
        first, then = (100 * float(np.mean([read[c] for c in scored])) for read in (before, after))
        note = f"{first:.1f} → {then:.1f} % of {len(scored)} drawings; generated {-fall:+.2f} points; {steps:,} steps"
        figures.append(
            Figure(f"writer {next(iter(paths.values())).stem}, {script(shown[0])}", then - first, "points", note=note)
        )
    return [
        *figures,
        Figure("share of the misses cured", 100 * cured / max(missed, 1), "%", least=50.0, note=f"of {missed}"),
        Figure("greatest fall on generated images", max(falls), "points", most=0.3, samples=falls),
    ]


def _worst(folder: Path, weights: Path, writers: int) -> list[tuple[dict[str, bool], dict[str, Path]]]:
    """Return whether each drawing is read right, and the drawings, of the writers that the model reads worst."""
    scored = [(_right(weights, drawn), drawn) for drawn in _by_writer(folder)]
    scored.sort(key=lambda pair: float(np.mean(list(pair[0].values()))))
    return scored[:writers]


def _right(weights: Path, drawn: Mapping[str, Path]) -> dict[str, bool]:
    """Return which drawings are read right, up to look-alikes."""
    known = read_card(weights)["characters"]
    groups = fold_groups(known)[1]
    right = {}
    for (character, _), one in zip(drawn.items(), read_files(weights, list(drawn.values())), strict=True):
        read = not isinstance(one, ImageError) and fold_probabilities(one.probabilities[None], known).argmax()
        right[character] = bool(read == groups[known.index(character)])
    return right


def _adapted(
    drawn: Mapping[str, Path],
    shown: str,
    copies: int,
    scored: Mapping[str, Path],
    weights: Path,
    minutes: float,
    seed: int,
) -> tuple[dict[str, bool], float, int]:
    """Adapt to a sheet; return which drawings are read right then, the fall on generated images (points), and steps."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory(prefix="kanatui-") as place:
        for copy in range(copies):
            hand = {character: rewritten(_ink(drawn[character]), rng) for character in shown}
            page, printed = _printed(shown)
            photo = photograph(fill(printed, page, dict(enumerate(hand.values())), rng), page, SCENES[2], seed)
            for box in _only(photo.jpeg, page).boxes:
                if box.state is State.WRITTEN:
                    target = Path(place) / f"U+{ord(box.character):04X}" / f"{copy}.png"
                    target.parent.mkdir(exist_ok=True)
                    Image.fromarray(255 - box.picture).save(target)
        run, _ = adapt.create(str(weights), Path(place), minutes, name="bench-sheets")
    try:
        train_run(run)
        change = adapt.changes(run)["held_out"]
        fall = 100 * (change.before["folded"] - change.after["folded"])
        return _right(find_weights(run.id), scored), fall, run.status().step
    finally:
        shutil.rmtree(run.path, ignore_errors=True)


def rewritten(ink: Ink, rng: np.random.Generator) -> Ink:
    """Write a drawing once more: bent smoothly by a few hundredths of its size, turned, slanted and scaled a little."""
    side = 160
    scale = side / max(ink.shape)
    size = [max(1, round(edge * scale)) for edge in ink.shape[::-1]]
    large = np.pad(np.asarray(Image.fromarray(ink).resize((size[0], size[1]), Image.Resampling.BICUBIC)), 24)
    turn, slant, tall = rng.normal(0, 0.05), rng.normal(0, 0.07), rng.normal(0, 0.06)
    change = np.array([[1 + tall, turn], [slant - turn, 1 - tall]])
    middle = (np.array(large.shape) - 1) / 2
    rows, columns = np.indices(large.shape) - middle[:, None, None]
    bent = [ndimage.gaussian_filter(rng.standard_normal(large.shape), 0.14 * side) for _ in range(2)]
    # The filter leaves little of the noise: scaled back so that points move by 2.5 hundredths of the character's size.
    bent = [field / field.std() * 0.025 * side for field in bent]
    source = np.einsum("ij,jhw->ihw", change, np.stack([rows, columns])) + middle[:, None, None] + np.stack(bent)
    moved = np.asarray(ndimage.map_coordinates(large, source, order=1), dtype=np.float32)
    inked = moved > 0.3
    rows_used, columns_used = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    return np.ascontiguousarray(
        np.clip(moved[rows_used[0] : rows_used[-1] + 1, columns_used[0] : columns_used[-1] + 1], 0.0, 1.0)
    )
