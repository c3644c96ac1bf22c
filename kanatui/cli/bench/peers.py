"""Other programs that draw text for training, beside kanatui at the same job: TRDG and SynthTIGER.

Both need a Pillow older than 10, and SynthTIGER a NumPy older than 2, so they cannot be installed beside kanatui. They
run in a Python of their own, by :mod:`kanatui.cli.bench.peer`.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kanatui.core.errors import KanatuiError, UsageError
from kanatui.dataset.recipe import Augment, find_recipe
from kanatui.dataset.stream import GlyphStream
from kanatui.plugins.registry import load

TITLES = {"trdg": "TRDG", "synthtiger": "SynthTIGER"}
"""Package on PyPI → what its project calls it."""

DEGREES, SIGMA = 8, 1.0
"""The job: the most that a character is turned either way, and blurred (pixels of an image of 64)."""

_PROGRAM = Path(__file__).with_name("peer.py")
_IMAGES = 200  # a round; one to five seconds of a peer's
_FIND = "import importlib.util, sys; print(*filter(importlib.util.find_spec, sys.argv[1:]))"


def turned_and_blurred(size: int) -> GlyphStream:
    """Return the job as a data set: the article's characters and faces at any of its sizes, turned and blurred."""
    steps = [
        Augment("size"),
        Augment("rotate", values={"degrees": [-float(DEGREES), float(DEGREES)]}),
        Augment("blur", values={"sigma": [0.0, SIGMA]}),
    ]
    recipe = find_recipe("article").but(image_size=size, mode="random", images_per_character=1000, augments=steps)
    return GlyphStream(recipe, load())


class Peer:
    """A peer that is installed."""

    def __init__(self, name: str, python: Path) -> None:
        self._command = [str(python), "-I", str(_PROGRAM), name]
        self.title = TITLES[name]
        self.version = ""
        """Known once it has drawn."""

    def draw(self, stream: GlyphStream) -> float:
        """Draw images as the stream's faces and size are, one thread; return images/s.

        Raises:
            KanatuiError: it failed, or left images empty.
        """
        rows = stream.plan.rows(np.random.default_rng(0).integers(0, len(stream), _IMAGES)).rows
        fonts = [str(face.path) for face in stream.layout.faces]
        job = {
            "glyphs": [[chr(row["character"]), fonts[row["face"]]] for row in rows],
            "size": stream.image_size,
            "degrees": DEGREES,
            "sigma": SIGMA * stream.image_size / 64,
        }
        told: dict[str, Any] = json.loads(_run(self._command, json.dumps(job)).splitlines()[-1])
        if told["drawn"] < _IMAGES:
            raise KanatuiError(f"{self.title} drew {told['drawn']} of {_IMAGES} images; the others are empty")
        self.version = told["version"]
        return _IMAGES / float(told["seconds"])


def find_peers(python: Path) -> Mapping[str, Peer | None]:
    """Return the peers by their titles, None for one that a Python does not have.

    Raises:
        UsageError: it has none, or is no Python.
    """
    try:
        names = _run([str(python), "-I", "-c", _FIND, *TITLES]).split()
    except KanatuiError as error:
        raise UsageError(f"--peers {python}: not a Python that runs: {error}") from None
    if not names:
        wanted = " nor ".join(TITLES.values())
        raise UsageError(f"--peers {python}: has neither {wanted}; docs/MEASUREMENTS.md says how to install them")
    return {title: Peer(name, python) if name in names else None for name, title in TITLES.items()}


def _run(command: Sequence[str], given: str = "") -> str:
    """Run a command in one thread and return what it printed. KanatuiError, with its last line, if it fails."""
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, env=alone, check=False)
    except OSError as error:
        raise KanatuiError(f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        raise KanatuiError(f"{command[0]}: {(done.stderr.splitlines() or ['failed'])[-1]}")
    return done.stdout
