"""From paper to samples: makes sheets to write on, and keeps what is written in the boxes of photographed ones."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from kanatui.core.errors import ImageError
from kanatui.evaluation.files import read_prepared
from kanatui.evaluation.recognize import rank
from kanatui.evaluation.samples import Origin, Sample, keep_picture, samples_of_sheet
from kanatui.fonts.faces import load_faces
from kanatui.fonts.outlines import printed
from kanatui.kana.alphabet import FOLD
from kanatui.kana.folding import fold_groups, fold_probabilities
from kanatui.pictures.drawing import Pixels
from kanatui.pictures.prepare import Hypotheses, hypotheses
from kanatui.pictures.sheets import layout, printing
from kanatui.pictures.sheets.boxes import Box, Sheet, State, read_sheets
from kanatui.pictures.sheets.photos import open_photos

if TYPE_CHECKING:
    from kanatui.model.weights import Classifier
    from kanatui.pictures.sheets.surface import Photo

_SURE, _UNLIKELY = 0.9, 0.02
"""A box is in doubt if the model reads another character with the first probability, its label with less than this."""

_SAME = 0.8
"""Correlation of blurred pictures above which a page is taken for another photo of one that was read before.

Of the same page in two scenes of `kanatui bench sheets` the median is 0.9 and more, of two people's pages 0.4 and less.
"""
_BLURRED = 32  # px

OnProgress = Callable[[int, int], None]


def make(characters: str, copies: int = 1, paper: str = "a4", number: int | None = None) -> bytes:
    """Make a sheet to write on.

    Args:
        characters: what is to be written, each once, in the order of the boxes.
        copies: boxes for each.
        paper: a name of :data:`kanatui.pictures.sheets.layout.PAPERS`.
        number: of the sheet, 24 bits; a random one if not given.

    Returns:
        A PDF.

    Raises:
        UsageError: there are too many boxes, or none.
        FontError: no installed face draws one of the characters.
        SheetError: the packages that draw sheets are not installed.
    """
    number = secrets.randbits(24) if number is None else number
    pages = layout.pages(characters, copies, layout.PAPERS[paper], number)
    return printing.pdf(pages, printed(load_faces(), printing.texts(characters)))


@dataclasses.dataclass(frozen=True)
class Kept:
    """A box, and what became of it."""

    box: Box
    sample: Sample | None
    """None if it was not kept."""
    doubt: str = ""
    """Why a person should look at it, "" if there is no reason."""


@dataclasses.dataclass(frozen=True)
class Taken:
    """What was taken from one page in a photo."""

    photo: str
    """What the photo is called."""
    sheet: Sheet
    kept: tuple[Kept, ...]
    known: str = ""
    """Why nothing was kept: the page was read before; "" if it was not."""

    def count(self, state: State) -> int:
        """Return how many boxes are in a state."""
        return sum(one.box.state is state for one in self.kept)

    @property
    def added(self) -> int:
        """How many samples were added."""
        return sum(one.sample is not None for one in self.kept)

    @property
    def doubts(self) -> list[Kept]:
        """The boxes that a person should look at."""
        return [one for one in self.kept if one.doubt]


def take_in(
    file: Path,
    classifier: Classifier | None = None,
    model: str = "",
    again: bool = False,
    on_progress: OnProgress = lambda done, total: None,
) -> list[Taken]:
    """Read the sheets in a photo, or in each page of a PDF, and keep what is written in them as samples.

    A photo that was read before adds nothing, nor does another photo of a page that was.

    Args:
        file: the photo.
        classifier: reads what is kept, so that boxes can be found in which it sees something else; None to keep
            without reading.
        model: what the classifier is called in the samples' notes.
        again: whether to keep what another photo of the same page gave.
        on_progress: called with how many boxes of a page are done.

    Raises:
        ImageError: the file cannot be opened. SheetError: it shows no sheet that can be read. Nothing is kept of a
            photo in which a page cannot be read, but earlier pages of a PDF are.
        StorageError: a sample cannot be written.
    """
    taken = []
    for name, photo in open_photos(file):
        try:
            sheets = read_sheets(photo, on_progress)
        except ImageError as error:
            raise type(error)(f"{name}: {error}") from None
        taken += [_keep(name, photo, sheet, classifier, model, again) for sheet in sheets]
    return taken


def _keep(name: str, photo: Photo, sheet: Sheet, classifier: Classifier | None, model: str, again: bool) -> Taken:
    digest = hashlib.sha256(photo.tobytes()).hexdigest()
    written = [box for box in sheet.boxes if box.state is State.WRITTEN]
    before = samples_of_sheet(sheet.page.name, sheet.page.page)
    stems = {sample.path.stem for sample in before}
    origins = {
        box.place: Origin(sheet.page.name, sheet.page.page, box.place + 1, digest, Path(name).name) for box in written
    }
    known = "this photo was read before" if any(origin.stem in stems for origin in origins.values()) else ""
    if not known and not again:
        known = _seen_before(written, before)
    if known:
        return Taken(name, sheet, tuple(Kept(box, None) for box in sheet.boxes), known)
    readings = _read(written, classifier)
    kept = []
    for box in sheet.boxes:
        if box.state is not State.WRITTEN:
            kept.append(Kept(box, None, box.remark if box.state is State.DOUBTFUL else ""))
            continue
        read, doubt = readings.get(box.place, ((), ""))
        doubt = doubt or box.remark
        sample = keep_picture(box.picture, box.character, read, model, origins[box.place], doubt)
        kept.append(Kept(box, sample, doubt))
    return Taken(name, sheet, tuple(kept))


def _seen_before(written: Sequence[Box], before: Sequence[Sample]) -> str:
    """Say which photo showed the same page, filled in by the same hand, "" if none did."""
    by_photo: dict[tuple[str, str], dict[int, Sample]] = {}
    for sample in before:
        origin = sample.notes().origin
        if origin is not None:
            by_photo.setdefault((origin.photo, origin.file), {})[origin.box - 1] = sample
    for (_, file), theirs in by_photo.items():
        pairs = [(box, theirs[box.place]) for box in written if box.place in theirs]
        alike = [_likeness(box.picture, 255 - np.asarray(sample.picture().convert("L"))) for box, sample in pairs]
        if alike and float(np.median(alike)) > _SAME:
            return f"this page was read before, from {file or 'another photo'} (--again keeps it too)"
    return ""


def _likeness(one: Pixels, other: Pixels) -> float:
    """Return the correlation of two pictures, blurred, -1 … 1."""
    small = [
        np.asarray(
            Image.fromarray(picture).resize((_BLURRED, _BLURRED), Image.Resampling.BOX), dtype=np.float64
        ).ravel()
        for picture in (one, other)
    ]
    return float(np.corrcoef(small[0], small[1]).item(1)) if all(picture.std() > 0 for picture in small) else 0.0


def _read(boxes: Sequence[Box], classifier: Classifier | None) -> dict[int, tuple[tuple[tuple[str, float], ...], str]]:
    """Return for each box the model's readings, and why it is in doubt."""
    if classifier is None:
        return {}
    prepared: list[tuple[int, str, Hypotheses]] = []
    for box in boxes:
        try:
            picture = Image.fromarray(255 - box.picture)
            prepared.append((box.place, box.character, hypotheses(picture, classifier.image_size)))
        except ImageError:  # ink too faint for the model; it is kept as it is
            continue
    known = classifier.characters
    groups = fold_groups(known)[1]
    found = {}
    of_all = read_prepared(classifier, [picture for _, _, picture in prepared])
    for (place, character, _), classified in zip(prepared, of_all, strict=True):
        if isinstance(classified, ImageError):
            continue
        first, *others = rank(classified.probabilities[None], known)[0]
        doubt = ""
        if character in known and FOLD.get(character, character) != FOLD.get(first.character, first.character):
            alike = fold_probabilities(classified.probabilities[None], known)[0]
            if first.folded > _SURE and alike[groups[known.index(character)]] < _UNLIKELY:
                doubt = f"the model reads {first.character}"
        found[place] = tuple((one.character, one.probability) for one in (first, *others)), doubt
    return found
