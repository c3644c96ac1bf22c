"""The jobs of an engine by name; each is imported when it is first requested."""

from __future__ import annotations

import importlib

from kanatui.engine.context import Job

JOBS = {
    "faces": "kanatui.engine.jobs.planning:faces",
    "layout": "kanatui.engine.jobs.planning:layout",
    "rate": "kanatui.engine.jobs.preview:rate",
    "sheet": "kanatui.engine.jobs.preview:sheet",
    "stages": "kanatui.engine.jobs.stages:stages",
    "before_after": "kanatui.engine.jobs.preview:before_after",
    "evaluate": "kanatui.engine.jobs.evaluate:evaluate",
    "pictures": "kanatui.engine.jobs.evaluate:pictures",
    "configure": "kanatui.engine.jobs.training:configure",
    "adapt": "kanatui.engine.jobs.training:adapt",
    "reader": "kanatui.engine.jobs.recognize:reader",
    "recognize": "kanatui.engine.jobs.recognize:recognize",
    "read": "kanatui.engine.jobs.read:read",
    "make_sheet": "kanatui.engine.jobs.sheets:make_sheet",
    "take_in": "kanatui.engine.jobs.sheets:take_in",
    "glyphs": "kanatui.engine.jobs.recognize:glyphs",
}


def find(name: str) -> Job:
    """Return the job of this name. KeyError if there is none."""
    module, _, function = JOBS[name].partition(":")
    job: Job = getattr(importlib.import_module(module), function)
    return job
