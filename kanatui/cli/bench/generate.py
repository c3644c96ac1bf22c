"""Benchmark of generation: streams, data sets on disk, time per step, the machine's limits, growth with size."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F

from kanatui.cli.bench.charset import measure_charset
from kanatui.cli.bench.figures import Figure
from kanatui.cli.bench.process import own_home, run_kanatui
from kanatui.cli.bench.render import article, some_indices, some_rows
from kanatui.cli.bench.rounds import Way, alternate, microseconds, rate, threads
from kanatui.core import processes
from kanatui.dataset import write
from kanatui.dataset.recipe import DEFAULT, Recipe, find_recipe
from kanatui.dataset.source import OnStage
from kanatui.dataset.stream import GlyphStream, apply_pixel, finished
from kanatui.plugins.registry import load

ROUNDS = 5

_SIZE = 64  # pixels
_STREAMED = 2048
_BATCH = 256
_PART = 1000  # of the article's 4,236 images per character, if not all are made
_SHARD_IMAGES = 2048
_SHARDS = 2  # per worker and round
_SMALL, _LARGE = 10_000, 1_000_000
_SAMPLED_AT_ONCE, _MASTER_SIDE = 32, 97  # as for the article's masters at 64 px


def measure_generate(rounds: int, full: bool, on_stage: OnStage) -> list[Figure]:
    """Measure generation as a stream and on disk, step by step, and with a large character set.

    Args:
        rounds: number of measurements of each figure.
        full: make all of the article's images instead of a part of them.
        on_stage: called with the progress.

    Raises:
        KanatuiError: a measured process failed.
    """
    plain, random = article(_SIZE), GlyphStream(find_recipe(DEFAULT).but(image_size=_SIZE), load())
    for done, stream in enumerate((plain, random), start=1):
        stream.prepare()
        on_stage(done, 2, "masters")
    with threads(1):
        figures = [
            *_streams(plain, random, rounds, on_stage),
            *_steps(random, rounds, on_stage),
            *_limits(plain, rounds, on_stage),
            *_growth(rounds, on_stage),
        ]
    return [
        *figures,
        *_workers(random, rounds, on_stage),
        *_on_disk(len(plain), full, on_stage),
        *measure_charset(on_stage),
    ]


def _streams(plain: GlyphStream, random: GlyphStream, rounds: int, on_stage: OnStage) -> list[Figure]:
    always = [dataclasses.replace(step, p=1.0).to_dict() for step in random.layout.recipe.augments]
    streams = {
        f"stream, the article's data set, {_SIZE} px": plain,
        f"stream, the default recipe, {_SIZE} px": random,
        "stream, the same with every augmentation on every image": random.with_augments(always),
    }
    found = alternate({name: _streaming(stream) for name, stream in streams.items()}, rounds, on_stage, "streams")
    return [Figure.median(name, found[name], "images/s", note="one thread") for name in streams]


def _streaming(stream: GlyphStream) -> Way:
    indices = some_indices(stream, _STREAMED)
    return rate(_STREAMED, lambda: stream.images(indices))


def _steps(stream: GlyphStream, rounds: int, on_stage: OnStage) -> list[Figure]:
    """Measure the time of each step of making an image, at the recipe's probabilities."""
    indices = some_indices(stream, _BATCH)
    table = stream.plan.rows(indices)
    with torch.inference_mode():
        images = stream.rendered(table)
        works: dict[str, Callable[[], object]] = {
            "plan": lambda: stream.plan.rows(indices),
            "placed": lambda: stream.rendered(table),
            "to bytes": lambda: finished(images, table, ()),
        }
        for name, augmentation, p in stream.layout.pixels:
            works[augmentation.id] = functools.partial(apply_pixel, augmentation, images, table, name, p)
        found = _timed(works, rounds, on_stage, "steps")
    return [
        Figure.median(f"step: {name}", found[name], "µs/image", note="default recipe, one thread") for name in works
    ]


def _limits(stream: GlyphStream, rounds: int, on_stage: OnStage) -> list[Figure]:
    """Measure the machine's limits: copying the same bytes, and grid_sample alone on prepared inputs."""
    table = some_rows(stream, _BATCH)
    masters = torch.rand(_SAMPLED_AT_ONCE, 1, _MASTER_SIDE, _MASTER_SIDE)
    turn = torch.tensor([[0.9, -0.1, 0.02], [0.1, 0.9, -0.05]]).expand(_SAMPLED_AT_ONCE, 2, 3)
    places = F.affine_grid(turn, [_SAMPLED_AT_ONCE, 1, _SIZE, _SIZE], align_corners=False)
    planes = places.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)  # the renderer's memory layout

    def sample() -> None:
        for _ in range(_BATCH // _SAMPLED_AT_ONCE):
            F.grid_sample(masters, planes, mode="bilinear", padding_mode="zeros", align_corners=False)

    # A master is read as bytes, written and read as floats; two coordinates per pixel are written and read; the image
    # is written and read as floats, and written as bytes.
    moved = _MASTER_SIDE**2 * (1 + 4 + 4) + _SIZE**2 * (8 + 8 + 4 + 4 + 1)
    source = torch.zeros(_SAMPLED_AT_ONCE * moved // 2, dtype=torch.uint8)  # copying reads and writes each byte
    target = torch.empty_like(source)

    def copy() -> None:
        for _ in range(_BATCH // _SAMPLED_AT_ONCE):
            target.copy_(source)

    with torch.inference_mode():
        found = _timed(
            {"placed": lambda: stream.draw(table), "sample": sample, "copy": copy}, rounds, on_stage, "limits"
        )
    return [
        Figure.median("placed, whole", found["placed"], "µs/image", note=f"article, {_SIZE} px, one thread"),
        Figure.median(
            "limit: bare grid_sample", found["sample"], "µs/image", note="masters and coordinates prepared beforehand"
        ),
        Figure.median("limit: memcpy of the same bytes", found["copy"], "µs/image", note=f"{moved:,} bytes per image"),
        Figure.ratio("placed / bare grid_sample", found["placed"], found["sample"]),
        Figure.ratio("placed / memcpy", found["placed"], found["copy"]),
    ]


def _timed(
    works: Mapping[str, Callable[[], object]], rounds: int, on_stage: OnStage, title: str
) -> dict[str, list[float]]:
    return alternate({name: microseconds(work, _BATCH) for name, work in works.items()}, rounds, on_stage, title)


def _growth(rounds: int, on_stage: OnStage) -> list[Figure]:
    """Compare the time per image in a small and a large data set of the same recipe."""
    recipe = find_recipe("quick")
    ways = {f"{images:,} images": _streaming(_of_size(recipe, images)) for images in (_SMALL, _LARGE)}
    small, large = alternate(ways, rounds, on_stage, "growth").values()
    note = f"recipe quick, {recipe.image_size} px, one thread"
    return [
        Figure.ratio(
            f"time of an image, {_LARGE:,} images / {_SMALL:,}",
            small,
            large,
            most=1.1,
            note=f"{note}; goal: within noise",
        )
    ]


def _of_size(recipe: Recipe, images: int) -> GlyphStream:
    characters = len(GlyphStream(recipe, load()).characters)
    return GlyphStream(recipe.but(images_per_character=-(-images // characters)), load())


def _workers(stream: GlyphStream, rounds: int, on_stage: OnStage) -> list[Figure]:
    """Measure one and two workers that write shards to disk; they are started and warm before the first round."""
    with own_home() as home, _pool(stream, home) as making:
        one, two = alternate({"1": making(1), "2": making(2)}, rounds, on_stage, "workers").values()
    cores = processes.usable_cores()
    title = f"to disk, the default recipe, {_SIZE} px"
    return [
        Figure.median(f"{title}, 1 worker", one, "images/s"),
        Figure.median(f"{title}, 2 workers", two, "images/s", least=6000.0),
        Figure.ratio("2 workers / 1 worker", two, one, least=1.8, note=f"usable cores: {cores}"),
    ]


@contextlib.contextmanager
def _pool(stream: GlyphStream, folder: Path) -> Iterator[Callable[[int], Way]]:
    """Yield a function that returns the way in which a given number (1 or 2) of two workers make shards."""
    manifest = dataclasses.replace(write.plan_manifest(stream), shard_images=_SHARD_IMAGES)
    with processes.starting_workers():
        pool = concurrent.futures.ProcessPoolExecutor(
            2,
            mp_context=processes.spawning(),
            initializer=write.open_in_worker,
            initargs=(stream.spec(), str(folder), manifest),
        )

    def lane(number: int) -> None:
        for _ in range(_SHARDS):
            with processes.starting_workers():
                made = pool.submit(write.make_in_worker, number)
            made.result()

    def making(count: int) -> Way:
        return rate(count * _SHARDS * _SHARD_IMAGES, lambda: list(lanes.map(lane, range(count))))

    with pool, concurrent.futures.ThreadPoolExecutor(2) as lanes:
        list(lanes.map(lane, range(2)))  # now both have started and loaded their masters
        yield making


def _on_disk(images: int, full: bool, on_stage: OnStage) -> list[Figure]:
    """Write the article's data set to disk with the command itself; only the masters exist beforehand."""
    caps = [0] if full else [_PART // 5, _PART]
    took = []
    for done, cap in enumerate(caps):
        on_stage(done, len(caps), "the article's data set")
        limit = ["-n", str(cap)] if cap else []
        with own_home() as home:
            took.append(run_kanatui(["generate", "article", "--image-size", str(_SIZE), *limit], home))
    on_stage(len(caps), len(caps), "the article's data set")
    seconds, note = took[-1].seconds, f"{images:,} images of {_SIZE} px, the whole command"
    if not full:
        share = (images / len(article(_SIZE).characters) - _PART) / (_PART - caps[0])
        seconds += share * (took[-1].seconds - took[0].seconds)
        note += f", extrapolated from {caps[0]:,} and {_PART:,} per character; --full makes all"
    return [
        Figure("the article's data set on disk", seconds, "s", 120.0, note=note),
        Figure("generating it, peak memory", took[-1].peak / 1e9, "GB", 1.5, note="resident, all processes summed"),
    ]
