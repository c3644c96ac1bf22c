"""kanatui makes handwriting recognisers for Japanese kana. This page is what a plugin imports."""

from kanatui.core.params import Bool, Choice, Float, Int, Numbers, Range
from kanatui.plugins.bases import GlyphSource, Model, OutlierSource, Pixel, Placement
from kanatui.plugins.hookspecs import hookimpl

__version__ = "0.1.0"

__all__ = [
    "Bool",
    "Choice",
    "Float",
    "GlyphSource",
    "Int",
    "Model",
    "Numbers",
    "OutlierSource",
    "Pixel",
    "Placement",
    "Range",
    "__version__",
    "hookimpl",
]
