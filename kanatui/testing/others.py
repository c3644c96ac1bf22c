"""The rules for models, glyph sources and observers."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kanatui.plugins.bases import GlyphSource, Model, Observer, OutlierSource
from kanatui.plugins.table import GlyphTable
from kanatui.testing.common import CHARACTERS, demand, fastest, settings_of, strokes

if TYPE_CHECKING:
    import torch

    from kanatui.model.metrics import Metric

_FACES = 3
"""Faces of a source that are drawn; the others are made in the same way."""


def _built(plugin: type[Model], image_size: int, num_classes: int, **values: Any) -> torch.nn.Module:
    import torch

    with torch.random.fork_rng(devices=[]):  # first weights come from torch's generator, and may
        torch.manual_seed(0)
        return plugin(**values).build(image_size, num_classes)


def _model_logits(plugin: type[Model]) -> Iterator[str]:
    """Logits: shape, dtype, finite, no image depends on another, same seed → same weights."""
    import torch

    for size, classes in ((16, 3), (33, 169), (64, 169)):
        module = _built(plugin, size, classes).eval()
        images = strokes(5, size)
        with torch.inference_mode():
            logits = module(images)
            alone = module(images[2:3])
        demand(isinstance(logits, torch.Tensor), f"it returned {type(logits).__name__}, not a tensor")
        demand(list(logits.shape) == [5, classes], f"{list(logits.shape)} for 5 images of {classes} characters")
        demand(logits.dtype == torch.float32, f"logits are {logits.dtype}, not float32")
        demand(bool(logits.isfinite().all()), f"not all logits are finite at {size} px")
        demand(torch.allclose(logits[2:3], alone, atol=1e-4), "an image's logits depend on the other images")
        again = _built(plugin, size, classes).state_dict()
        same = all(torch.equal(value, again[name]) for name, value in module.state_dict().items())
        demand(same, "the same seed gave other first weights")
    weights = sum(parameter.numel() for parameter in module.parameters())
    yield f"{weights:,} weights at 64 px and 169 characters"


def _model_learns(plugin: type[Model]) -> Iterator[str]:
    """Learns: every weight gets a gradient, the loss falls, the input is unchanged."""
    import torch

    with torch.random.fork_rng(devices=[]):
        module = _built(plugin, 32, 3).train()
        images, labels = strokes(12, 32), torch.arange(12) % 3
        kept = images.clone()
        optimizer = torch.optim.Adam(module.parameters(), lr=0.002)
        losses = []
        for _ in range(12):
            loss = torch.nn.functional.cross_entropy(module(images), labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
            optimizer.step()
            losses.append(float(loss.detach()))
    demand(images.equal(kept), "the module changes the images that it is given")
    idle = [name for name, value in module.named_parameters() if value.requires_grad and value.grad is None]
    demand(not idle, f"no gradient reaches {', '.join(idle[:3])}")
    demand(losses[-1] < losses[0], f"the loss rose from {losses[0]:.2f} to {losses[-1]:.2f} in 12 steps")
    yield f"loss {losses[0]:.2f} → {losses[-1]:.2f}"


def _model_speed(plugin: type[Model]) -> Iterator[str]:
    """Speed."""
    import torch

    module, images = _built(plugin, 64, 169).eval(), strokes(32, 64)
    with torch.inference_mode():
        yield f"{fastest(lambda: module(images), 2) / len(images) * 1e6:,.0f} µs an image at 64 px, read only"


def _source_faces(plugin: type[GlyphSource]) -> Iterator[str]:
    """Faces."""
    from kanatui.fonts.faces import STYLES, WEIGHTS, Face

    faces = list(plugin().faces())
    ids = [face.id for face in faces]
    demand(all(isinstance(face, Face) for face in faces), "faces() returned something that is no kanatui.Face")
    demand(len(set(ids)) == len(ids), "two faces have the same id")
    for face in faces:
        demand(face.source == plugin.id, f"{face.id}: its source is {face.source!r}, not {plugin.id!r}")
        demand(face.style in STYLES, f"{face.id}: style {face.style!r} is none of {', '.join(STYLES)}")
        demand(face.weight in WEIGHTS, f"{face.id}: weight {face.weight!r} is none of {', '.join(WEIGHTS)}")
    there = [face for face in faces if face.path is not None]
    demand(
        all(face.digest == face.digest and len(face.digest) == 64 for face in there[:_FACES]),
        "a digest is not 64 hex digits",
    )
    yield f"{len(faces)}, of which {len(there)} are there"


def _source_masters(plugin: type[GlyphSource]) -> Iterator[str]:
    """Coverage and masters: shapes, dtypes, ink, the same at each call, drawable at 64 px."""
    for values in settings_of(plugin):
        yield from _judge_source(plugin(**values))


def _judge_source(source: GlyphSource) -> Iterator[str]:
    there = [face for face in source.listed() if face.path is not None or isinstance(source, OutlierSource)]
    for face in there[:_FACES]:
        offered = source.shapes[:12] if isinstance(source, OutlierSource) else CHARACTERS
        covered = np.asarray(source.coverage(face, offered))
        demand(covered.dtype == bool, f"{face.id}: coverage is {covered.dtype}, not bool")
        demand(
            covered.shape == (len(offered),), f"{face.id}: coverage {list(covered.shape)} for {len(offered)} characters"
        )
        wanted = "".join(c for c, has in zip(offered, covered.tolist(), strict=True) if has)
        if not wanted:
            yield f"{face.id} has none of {offered}"
            continue
        yield f"{face.id} {_judge_masters(source, face, wanted)}"


def _judge_masters(source: GlyphSource, face: Any, wanted: str) -> str:
    from kanatui.dataset.render import Renderer, master_em

    em = master_em(64)
    masters, again = source.masters(face, wanted, em), source.masters(face, wanted, em)
    demand(len(masters.images) == len(wanted), f"{face.id}: {len(masters.images)} masters for {len(wanted)} characters")
    demand(masters.em == em, f"{face.id}: masters of {masters.em} pixels per em, not {em}")
    for character, image, other in zip(wanted, masters.images, again.images, strict=True):
        demand(image.dtype == np.uint8 and image.ndim == 2, f"{face.id} {character}: {image.dtype} {list(image.shape)}")
        demand(image.max() > 0, f"{face.id} {character}: no ink")
        demand(np.array_equal(image, other), f"{face.id} {character}: another picture at the second call")
    table = GlyphTable.blank(len(wanted))
    table.rows["character"] = [ord(character) for character in wanted]
    renderer = Renderer(
        [face],
        lambda _, characters, em: source.masters(face, characters, em),
        wanted,
        np.ones((len(wanted), 1), bool),
        64,
    )
    drawn = renderer.placed(table).numpy()
    empty = "".join(c for c, image in zip(wanted, drawn, strict=True) if image.max() < 0.1)
    demand(not empty, f"{face.id}: {empty} leave no ink at 64 px; are the corners right of and below the text origin?")
    return f"{len(wanted)} glyphs, {drawn.mean():.0%} ink"


def run_events() -> list[dict[str, Any]]:
    """Return the events of a short made-up training, as an observer gets them (:mod:`kanatui.training.events`)."""
    scores = {"images": 64, "loss": 1.5, "strict": 0.5, "folded": 0.6}
    step = {
        "progress": 0.5,
        "elapsed": 1.0,
        "seconds_left": 1.0,
        "loss": 1.6,
        "rate": 0.001,
        "images_per_second": 900.0,
    }
    events: list[dict[str, Any]] = [
        {"event": "preparing", "done": 0, "total": 0, "stage": "building the model"},
        {"event": "start", "step": 0, "device": "cpu", "precision": "float32", "batches": 10},
        {"event": "step", "step": 5, "epoch": 0, "waiting": 0.1, "memory": 10**8, "cpu": 90.0, **step},
        {"event": "validation", "step": 5, "epoch": 0, "best": True, "held_out": scores},
        {"event": "checkpoint", "step": 5},
        {"event": "augment", "step": 6, "augments": [{"plugin": "noise"}]},
        {"event": "warning", "message": "made up"},
        {"event": "epoch", "epoch": 1, "step": 10},
        {"event": "end", "state": "finished", "reason": "", "step": 10},
    ]
    return [{"time": 1.7e9 + place, **event} for place, event in enumerate(events)]


def watch(observer: Observer, folder: Path, events: list[dict[str, Any]] | None = None) -> None:
    """Show an observer a made-up training whose run folder is ``folder``, as the trainer would."""
    run: Mapping[str, Any] = {"id": folder.name, "path": str(folder), "config": {"recipe": "made-up", "train": {}}}
    for event in events or run_events():
        if event["event"] == "start":
            observer.started(run)
        observer.event(run, event)
        if event["event"] == "end":
            observer.finished({**run, "state": event["state"], "reason": event["reason"]})


def _observer_watches(plugin: type[Observer]) -> Iterator[str]:
    """Watches a training, changes nothing that it is shown."""
    events = run_events()
    kept = copy.deepcopy(events)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        watch(plugin(), Path(folder), events)
        seconds = time.perf_counter() - started
        written = sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())
    demand(events == kept, "it changed an event")
    yield f"{seconds / len(events) * 1000:.1f} ms an event; writes {', '.join(written) or 'nothing into the run'}"


def metric_values(metric: Metric) -> list[float]:
    """Return a metric of made-up readings: all wrong, all right, mixed, and of a single image.

    PluginError if it fails, CheckFailedError if it is no share.
    """
    from kanatui.model.metrics import compute
    from kanatui.model.predictions import Predictions

    values = []
    for truth, read in (("あいう", "うあい"), ("あいう", "あいう"), ("ああいうう", "あいいうあ"), ("あ", "あ")):
        predictions = Predictions("あいう")
        probabilities = np.eye(3, dtype=np.float32)[["あいう".index(character) for character in read]] * 0.7 + 0.1
        predictions.add(probabilities, ["あいう".index(character) for character in truth], np.arange(len(truth)))
        values.append(compute(predictions, (metric,))[metric.key])
    wrong = [value for value in values if not 0 <= value <= 1]
    demand(not wrong, f"it gave {wrong[0] if wrong else 0:g}, not a share from 0 to 1")
    return values


MODEL = (_model_logits, _model_learns, _model_speed)
SOURCE = (_source_faces, _source_masters)
OBSERVER = (_observer_watches,)
