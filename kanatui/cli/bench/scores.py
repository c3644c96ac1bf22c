"""What two commands score, as anyone runs them: `quickstart`, and `evaluate` with the model that ships."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kanatui.cli.bench.figures import Figure
from kanatui.cli.bench.process import own_home, run_kanatui
from kanatui.dataset.source import OnStage


def measure_quickstart(on_stage: OnStage) -> list[Figure]:
    """Run `kanatui quickstart` with an empty ``KANATUI_HOME``: its time, and the scores of what it makes.

    Raises:
        KanatuiError: it failed.
    """
    on_stage(0, 1, "quickstart")
    with own_home(cached=False) as home:
        done = run_kanatui(["quickstart", "--json"], home)
    on_stage(1, 1, "quickstart")
    best = json.loads(done.output)["best"]
    time = Figure("quickstart", done.seconds, "s", note="the whole command, glyphs drawn too")
    return [time, *_scores(best, f"{best['images']:,} held-out images")]


def measure_evaluate(folder: Path, on_stage: OnStage) -> list[Figure]:
    """Score the model that ships on labelled pictures, ``LABEL/*.png``.

    Raises:
        KanatuiError: it failed, as with a picture that cannot be read.
    """
    on_stage(0, 1, "evaluate")
    with own_home() as home:
        done = run_kanatui(["evaluate", "default", "--images", str(folder.absolute()), "--json"], home)
    on_stage(1, 1, "evaluate")
    scores = json.loads(done.output)
    return _scores(scores, f"{scores['images']:,} pictures")


def _scores(scores: dict[str, Any], note: str) -> list[Figure]:
    return [Figure(name, 100 * scores[name], "%", note=note) for name in ("strict", "folded")]
