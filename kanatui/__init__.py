"""kanatui makes handwriting recognisers for Japanese kana. This page is what plugins and programs import."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if os.path.basename(sys.argv[0] if sys.argv else "") in ("kanatui", "-m") and (
    signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    # In the command, Ctrl-C while modules are still being imported (0.3 s) is no error to show with a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    # `python -m kanatui …` puts the current folder there, and workers would take it over (processes.spawning). A file
    # in it must not be imported instead of a module.
    del sys.path[0]

from kanatui.core.params import Bool, Choice, FilePath, Float, Int, Numbers, Range, Text, Words
from kanatui.core.version import __version__
from kanatui.model.metrics import Metric
from kanatui.plugins.bases import Exporter, GlyphSource, Importer, Model, Observer, OutlierSource, Pixel, Placement
from kanatui.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from kanatui.api import Glyphs, Read, Reader, evaluate, load, runs, stream, train
    from kanatui.fonts.faces import Face
    from kanatui.fonts.masters import Masters
    from kanatui.plugins.table import GlyphTable

_LATER = {
    "Face": "kanatui.fonts.faces",
    "GlyphTable": "kanatui.plugins.table",
    "Glyphs": "kanatui.api",
    "Masters": "kanatui.fonts.masters",
    "Read": "kanatui.api",
    "Reader": "kanatui.api",
    "evaluate": "kanatui.api",
    "load": "kanatui.api",
    "runs": "kanatui.api",
    "stream": "kanatui.api",
    "train": "kanatui.api",
}
"""What is imported when it is first used, because it takes NumPy or torch."""

__all__ = [
    "Bool",
    "Choice",
    "Exporter",
    "Face",
    "FilePath",
    "Float",
    "GlyphSource",
    "GlyphTable",
    "Glyphs",
    "Importer",
    "Int",
    "Masters",
    "Metric",
    "Model",
    "Numbers",
    "Observer",
    "OutlierSource",
    "Pixel",
    "Placement",
    "Range",
    "Read",
    "Reader",
    "Text",
    "Words",
    "__version__",
    "evaluate",
    "hookimpl",
    "load",
    "runs",
    "stream",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'kanatui' has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
