"""The hooks. A plugin implements any of them with :data:`hookimpl`; kanatui's own plugins use the same hooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pluggy

from kanatui.plugins.bases import Exporter, GlyphSource, Importer, Model, Observer, Pixel, Placement

NAMESPACE = "kanatui"

hookspec = pluggy.HookspecMarker(NAMESPACE)
hookimpl = pluggy.HookimplMarker(NAMESPACE)


@hookspec
def kanatui_glyph_sources() -> Sequence[type[GlyphSource]]:  # type: ignore[empty-body]  # hooks have no body
    """Return the classes that masters come from."""


@hookspec
def kanatui_augmentations() -> Sequence[type[Placement] | type[Pixel]]:  # type: ignore[empty-body]  # as above
    """Return the augmentation classes."""


@hookspec
def kanatui_models() -> Sequence[type[Model]]:  # type: ignore[empty-body]  # as above
    """Return the model classes."""


@hookspec
def kanatui_observers() -> Sequence[type[Observer]]:  # type: ignore[empty-body]  # as above
    """Return the observer classes; each training makes one instance of each."""


@hookspec
def kanatui_exporters() -> Sequence[Exporter]:  # type: ignore[empty-body]  # as above
    """Return objects that write data sets or models in other formats."""


@hookspec
def kanatui_importers() -> Sequence[Importer]:  # type: ignore[empty-body]  # as above
    """Return objects that read labelled images of other formats."""


@hookspec
def kanatui_metrics() -> Sequence[Any]:  # type: ignore[empty-body]  # as above
    """Return :class:`kanatui.Metric` objects, which evaluations compute and show beside kanatui's own."""


@hookspec
def kanatui_commands(group: Any) -> None:
    """Add commands to `kanatui`, a ``click.Group``, with ``group.add_command``; a name that is taken is refused."""


@hookspec
def kanatui_run_started(run: Mapping[str, Any]) -> None:
    """Observe a training run that starts. ``run`` has ``id``, ``path`` and ``config``."""


@hookspec
def kanatui_run_event(run: Mapping[str, Any], event: Mapping[str, Any]) -> None:
    """Observe one event as written to ``events.jsonl``."""


@hookspec
def kanatui_run_finished(run: Mapping[str, Any]) -> None:
    """Observe the end of a run; ``run["state"]`` is finished, stopped or failed."""
