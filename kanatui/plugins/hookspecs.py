"""The hooks. A plugin implements any of them with :data:`hookimpl`; kanatui's own plugins use the same hooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pluggy

from kanatui.plugins.bases import GlyphSource, Model, Pixel, Placement

NAMESPACE = "kanatui"

hookspec = pluggy.HookspecMarker(NAMESPACE)
hookimpl = pluggy.HookimplMarker(NAMESPACE)


@hookspec
def kanatui_glyph_sources() -> Sequence[type[GlyphSource]]:  # type: ignore[empty-body]  # hooks have no body
    """Return the classes that master glyphs come from."""


@hookspec
def kanatui_augmentations() -> Sequence[type[Placement] | type[Pixel]]:  # type: ignore[empty-body]  # as above
    """Return the augmentation classes."""


@hookspec
def kanatui_models() -> Sequence[type[Model]]:  # type: ignore[empty-body]  # as above
    """Return the model classes."""


@hookspec
def kanatui_run_started(run: Mapping[str, Any]) -> None:
    """Observe a training run that starts. ``run`` has ``id``, ``path`` and ``config``."""


@hookspec
def kanatui_run_event(run: Mapping[str, Any], event: Mapping[str, Any]) -> None:
    """Observe one event as written to ``events.jsonl``."""


@hookspec
def kanatui_run_finished(run: Mapping[str, Any]) -> None:
    """Observe the end of a run; ``run["state"]`` is finished, stopped or failed."""
