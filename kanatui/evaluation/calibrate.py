"""Calibrating a model after its training: one that an earlier version trained, or that was stopped by force."""

from __future__ import annotations

from pathlib import Path

from kanatui.core.errors import RunError
from kanatui.dataset.open import open_source
from kanatui.dataset.source import OnStage
from kanatui.model.calibration import Calibration
from kanatui.model.card import read_card
from kanatui.training.calibrate import calibrate_files
from kanatui.training.provenance import provenance_of
from kanatui.training.session import Prepares, open_split


def calibrate(weights: Path, report: OnStage) -> Calibration:
    """Write into a model's card what images that its training held out say (:mod:`kanatui.training.calibrate`).

    Raises:
        RunError: nothing tells what the model was trained on, the training held nothing out, or its images have other
            characters here.
        KanatuiError: the images cannot be made, or the file not be written.
    """
    origin = provenance_of(weights)
    source = open_source(origin.source, lambda done, total: report(done, total, "checking the faces"))
    if isinstance(source, Prepares):
        source.prepare(lambda done, total: report(done, total, "drawing the faces"))
    if source.characters != read_card(weights)["characters"]:
        raise RunError(f"{origin}: its images have other characters here; kanatui fonts says which faces are missing")
    report(0, 1, "calibrating")
    if not calibrate_files([weights], source, open_split(origin.config, source)):
        raise RunError(f"{origin} held no images out (train.hold_out is 0), so there are none to calibrate it with")
    report(1, 1, "calibrating")
    return Calibration.of_card(read_card(weights))
