"""What each shipped augmentation does to a glyph, and that none lets one image see another."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from kanatui.core.rng import Keys
from kanatui.plugins import registry as plugins
from kanatui.plugins.bases import Pixel
from kanatui.plugins.table import GlyphTable

REGISTRY = plugins.load()
SHIPPED = {id: cls for id, cls in REGISTRY.augmentations.items() if REGISTRY.module_of[id].found_as == "shipped"}
PIXEL = sorted(id for id, cls in SHIPPED.items() if issubclass(cls, Pixel))
EIGHT = np.ones((3, 3))


def strokes(count, size, seed=0, width=(1.0, 6.0)):
    """Draw three anti-aliased lines, ``width`` px wide at 64, into each image: float32 [count, 1, size, size]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] + 0.5
    images = np.zeros((count, 1, size, size), dtype=np.float32)
    for image in images[:, 0]:
        for _ in range(3):
            start, end = rng.uniform(0.15 * size, 0.85 * size, (2, 2))
            ahead = end - start
            share = ((x - start[0]) * ahead[0] + (y - start[1]) * ahead[1]) / max(ahead @ ahead, 1e-6)
            nearest = start[:, None, None] + np.clip(share, 0, 1) * ahead[:, None, None]
            cover = rng.uniform(*width) * size / 128 + 0.5 - np.hypot(x - nearest[0], y - nearest[1])
            np.maximum(image, np.clip(cover, 0, 1), out=image)
    return images


def bar(width, size=64):
    """Draw an upright bar ``width`` px wide."""
    image = np.zeros((1, 1, size, size), dtype=np.float32)
    image[..., size // 8 : -size // 8, (size - width) // 2 : (size - width) // 2 + width] = 1.0
    return image


def apply(id, images, keys=None, **values):
    """Draw and apply an augmentation as the stream does, but without clipping."""
    augmentation = SHIPPED[id](**values)
    keys = np.arange(len(images)) if keys is None else keys
    drawn = augmentation.draw(Keys(np.asarray(keys, dtype=np.uint64), "test"), images.shape[-1])
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in drawn.items()}
    with torch.inference_mode():
        return augmentation.apply(torch.from_numpy(images.copy()), tensors).numpy()


def test_every_shipped_plugin_loads():
    failed = [module for module in REGISTRY.modules if module.found_as == "shipped" and module.state != "loaded"]
    assert failed == []
    assert {"size", "shift", "rotate", "shear", "blur", "noise", "elastic", "stroke_width", "fade"} <= set(SHIPPED)
    assert "fonts" in REGISTRY.glyph_sources


def test_listing_plugins_imports_no_torch():
    code = "import sys; from kanatui.plugins.registry import load; load(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("id", sorted(SHIPPED))
def test_each_says_what_it_is_and_what_can_be_set(id):
    assert plugins.description(SHIPPED[id]).endswith((".", ":"))
    for name, parameter in SHIPPED[id].parameters().items():
        assert parameter.help, name
        assert parameter.min is not None and parameter.max is not None, name
        assert parameter.parse(parameter.format(parameter.default)) == parameter.check(parameter.default)


# One image, alone or in company


@pytest.mark.parametrize("id", PIXEL)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_an_image_is_the_same_bits_in_any_batch(id, data):
    size = data.draw(st.sampled_from((16, 33, 48, 64)))
    count = data.draw(st.sampled_from((1, 7, 64, 256) if size < 48 else (1, 7, 64)))
    chosen = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=9))
    keys = np.random.default_rng(data.draw(st.integers(0, 999))).integers(2**63, size=count, dtype=np.uint64)
    images = strokes(min(count, 7), size)[np.arange(count) % 7]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        together = apply(id, images, keys)
        torch.set_num_threads(data.draw(st.sampled_from((1, 2))))
        apart = apply(id, images[chosen], keys[chosen])
    finally:
        torch.set_num_threads(threads)
    assert together.dtype == np.float32 and together.shape == images.shape
    assert together[chosen].tobytes() == apart.tobytes()


@pytest.mark.parametrize("id", PIXEL)
def test_pixels_are_finite_and_the_input_is_left_alone(id):
    images = strokes(16, 64)
    drawn = SHIPPED[id]().draw(Keys(np.arange(16, dtype=np.uint64)), 64)
    assert all(len(array) == 16 for array in drawn.values())
    given_ = torch.from_numpy(images.copy())
    changed = SHIPPED[id]().apply(given_, {name: torch.from_numpy(array) for name, array in drawn.items()})
    assert np.array_equal(given_.numpy(), images)
    assert np.isfinite(changed.numpy()).all() and not np.array_equal(changed.numpy(), images)


@pytest.mark.parametrize("id", PIXEL)
@pytest.mark.parametrize("size", [16, 37, 256])
def test_any_size_works_with_the_strongest_settings(id, size):
    cls = SHIPPED[id]
    strongest = {
        name: (parameter.max, parameter.max) if isinstance(parameter.default, tuple) else parameter.max
        for name, parameter in cls.parameters().items()
    }
    changed = apply(id, strokes(2, size), **strongest)
    assert changed.shape == (2, 1, size, size) and np.isfinite(changed).all()


@pytest.mark.parametrize("id", PIXEL)
def test_strength_varies_from_image_to_image(id):
    images = np.repeat(strokes(1, 64), 64, axis=0)
    change = np.abs(apply(id, images) - images).mean(axis=(1, 2, 3))
    assert change.std() > 0.2 * change.mean() > 0


NOTHING = {
    "blur": {"sigma": (0, 0)},
    "elastic": {"strength": (0, 0)},
    "erase": {"width": (0, 0)},
    "fade": {"slope": (0, 0)},
    "noise": {"sigma": (0, 0)},
    "speckle": {"level": (0, 0)},
    "stroke_width": {"grow": (0, 0)},
    "tone": {"ink": (1, 1), "paper": (0, 0), "slope": (0, 0)},
}


@pytest.mark.parametrize("id", PIXEL)
def test_no_strength_is_no_change(id):
    images = strokes(8, 48)
    assert np.abs(apply(id, images, **NOTHING[id]) - images).max() < 1e-4


# Placement


def test_shear_and_aspect_multiply_a_grid_and_draw_from_their_range():
    grid = SHIPPED["shear"](steps=(-0.1, 0.1)).grid(SHIPPED["aspect"](steps=(0.5, 1, 2)).grid(GlyphTable.blank(2)))
    assert len(grid) == 12
    expected = [(a, s) for a in (0.5, 1, 2) for s in (-0.1, 0.1)] * 2
    assert np.allclose(list(zip(grid["aspect"], grid["shear"], strict=True)), expected)
    keys = Keys(np.arange(1000, dtype=np.uint64), "test")
    for id, column, values in (("shear", "shear", {"slant": (-0.1, 0.3)}), ("aspect", "aspect", {"ratio": (0.9, 1.3)})):
        drawn = SHIPPED[id](**values).draw(GlyphTable.blank(1000), keys)[column]
        low, high = next(iter(values.values()))
        assert low <= drawn.min() < low + 0.01 and high - 0.01 < drawn.max() < high


# Blur, noise, tone


def spread(image):
    """Return the standard deviation of a blob's ink along x and along y, px."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    weight = image / image.sum()
    return [float(np.sqrt((weight * (axis - (weight * axis).sum()) ** 2).sum())) for axis in (x, y)]


@pytest.mark.parametrize("size", [64, 128])
def test_blur_spreads_a_point_by_sigma_and_keeps_its_ink(size):
    point = np.zeros((1, 1, size, size), dtype=np.float32)
    point[..., size // 2, size // 2] = 1.0
    blurred = apply("blur", point, sigma=(1.5, 1.5))[0, 0]
    assert blurred.sum() == pytest.approx(1.0, abs=1e-5)
    assert spread(blurred) == pytest.approx([1.5 * size / 64] * 2, rel=0.03)


def test_blur_is_the_gaussian_filter():
    images = strokes(4, 64)
    expected = ndimage.gaussian_filter(images, (0, 0, 1.1, 1.1), mode="constant", radius=4)
    assert np.abs(apply("blur", images, sigma=(1.1, 1.1)) - expected).max() < 1e-5


def test_noise_is_normal_and_independent():
    noise = apply("noise", np.zeros((50, 1, 64, 64), dtype=np.float32), sigma=(0.1, 0.1))
    assert noise.mean() == pytest.approx(0.0, abs=1e-3)
    assert noise.std() == pytest.approx(0.1, rel=0.01)
    assert abs((noise[..., 1:] * noise[..., :-1]).mean()) < 1e-4
    assert abs((noise[1:] * noise[:-1]).mean()) < 1e-4
    levels = apply("noise", np.zeros((50, 1, 64, 64), dtype=np.float32), sigma=(0.0, 0.2)).std(axis=(1, 2, 3))
    assert levels.min() < 0.02 and levels.max() > 0.18


def test_tone_fades_ink_and_greys_paper():
    toned = apply("tone", bar(20), ink=(0.7, 0.7), paper=(0.1, 0.1), slope=(0, 0))
    assert np.allclose(np.unique(toned), [0.1, 0.7], atol=1e-6)
    paper = apply("tone", np.zeros((20, 1, 64, 64), dtype=np.float32), paper=(0.2, 0.2), slope=(0.1, 0.1))[:, 0]
    assert np.allclose(paper[:, ::63, ::63].mean(axis=(1, 2)), 0.2, atol=1e-6)
    assert np.abs(np.diff(paper, n=2)).max() < 1e-6 and np.diff(paper).std() > 0


# Elastic


def test_elastic_moves_pixels_as_far_as_it_says_and_smoothly():
    size = 128
    ramp = np.broadcast_to(np.arange(size, dtype=np.float32), (200, 1, size, size)).copy()
    middle = slice(24, -24)
    moved = (apply("elastic", ramp, strength=(1.5, 1.5)) - ramp)[:, 0, middle, middle]
    assert moved.std() == pytest.approx(1.5 * size / 64, rel=0.1)
    assert abs(moved.mean()) < 0.2
    assert np.abs(np.diff(moved)).max() < 0.6
    finer = (apply("elastic", ramp, strength=(1.5, 1.5), cells=12) - ramp)[:, 0, middle, middle]
    assert finer.std() == pytest.approx(1.5 * size / 64, rel=0.1)
    assert np.abs(np.diff(finer)).mean() > 2 * np.abs(np.diff(moved)).mean()


def test_elastic_is_the_same_warp_at_another_size():
    small = apply("elastic", strokes(8, 64, width=(4.0, 8.0)), strength=(2, 2))
    large = apply("elastic", strokes(8, 128, width=(4.0, 8.0)), strength=(2, 2))
    halved = large.reshape(8, 1, 64, 2, 64, 2).mean(axis=(3, 5))
    assert np.abs(small - halved).mean() < 0.01


# Stroke width


def ink(images):
    return images.sum(axis=(1, 2, 3))


@pytest.mark.parametrize("grow", [-1.5, -1.0, -0.4, 0.5, 1.0, 1.7, 2.5])
@pytest.mark.parametrize("size", [64, 128])
def test_stroke_width_moves_each_edge_by_as_much_as_it_says(grow, size):
    image = bar(8 * size // 64, size)
    width = apply("stroke_width", image, grow=(grow, grow))[0, 0, size // 2].sum()
    assert width == pytest.approx((8 + 2 * grow) * size / 64, abs=0.02)


def test_more_growth_is_more_ink_in_even_steps():
    images = strokes(8, 64)
    levels = np.arange(-2.0, 2.5, 0.25)
    amounts = np.array([ink(apply("stroke_width", images, grow=(g, g))) for g in levels])
    steps = np.diff(amounts, axis=0)
    assert (steps >= -1e-3).all()
    assert (steps[levels[:-1] >= 0] > 0).all()
    # Fractions interpolate: within one pixel of growth, quarter steps are equal.
    assert np.allclose(steps[8:12], steps[8], rtol=1e-3, atol=1e-2)


def hole_and_part_counts(image):
    parts = ndimage.label(image, EIGHT)[1]
    return parts, ndimage.label(~np.pad(image, 1))[1]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), grow=st.sampled_from((-1.0, -2.0, -5.0)))
def test_thinning_breaks_no_stroke_and_closes_no_hole(seed, grow):
    images = (strokes(4, 48, seed) > 0.5).astype(np.float32)
    rng = np.random.default_rng(seed)
    images[2:] = rng.random((2, 1, 48, 48)) < rng.uniform(0.1, 0.7)
    thin = apply("stroke_width", images, grow=(grow, grow))
    assert (thin <= images + 1e-6).all()
    for before, after in zip(images[:, 0] > 0.5, thin[:, 0] > 0.5, strict=True):
        assert hole_and_part_counts(after) == hole_and_part_counts(before)


def test_thinning_leaves_a_hair_line_whole():
    hair = np.zeros((3, 1, 64, 64), dtype=np.float32)
    hair[0, 0, 10:50, 30] = 1.0
    hair[1, 0, 20, 10:50] = 0.6
    hair[2, 0, np.arange(10, 50), np.arange(10, 50)] = 1.0
    assert np.allclose(apply("stroke_width", hair, grow=(-3, -3)), hair, atol=1e-6)
    grey = strokes(30, 64, width=(0.8, 1.6))
    assert (ink(apply("stroke_width", grey, grow=(-3, -3))) > 0.35 * ink(grey)).all()


def test_dilation_matches_morphology():
    images = np.round(strokes(4, 64) * 255).astype(np.float32) / 255
    cross = ndimage.generate_binary_structure(2, 1)
    one = ndimage.grey_dilation(images, footprint=cross[None, None], mode="constant")
    two = ndimage.grey_dilation(one, footprint=EIGHT[None, None], mode="constant")
    assert np.allclose(apply("stroke_width", images, grow=(1, 1)), one, atol=1e-6)
    assert np.allclose(apply("stroke_width", images, grow=(2, 2)), two, atol=1e-6)
    assert np.allclose(apply("stroke_width", images, grow=(1.5, 1.5)), (one + two) / 2, atol=1e-6)


# Erase, fade, speckle


def test_erase_takes_a_strip_of_the_size_stated():
    white = np.ones((400, 1, 64, 64), dtype=np.float32)
    lost = ink(white) - ink(apply("erase", white, width=(3, 3), length=(20, 20)))
    assert lost.max() == pytest.approx(60, rel=0.05)
    assert np.median(lost) == pytest.approx(60, rel=0.05)
    larger = np.ones((100, 1, 128, 128), dtype=np.float32)
    lost = ink(larger) - ink(apply("erase", larger, width=(3, 3), length=(20, 20)))
    assert lost.max() == pytest.approx(240, rel=0.05)


def test_erase_only_takes_and_never_most_of_the_ink():
    images = strokes(300, 64)
    erased = apply("erase", images)
    assert (erased <= images).all()
    left = ink(erased) / ink(images)
    assert left.min() > 0.5 and left.mean() > 0.9


def test_fade_takes_the_share_of_the_ink_that_its_parameters_say():
    white = np.ones((400, 1, 64, 64), dtype=np.float32)
    below_the_mean = apply("fade", white, onset=(0, 0), slope=(10, 10), grain=(4, 4))
    assert below_the_mean.mean() == pytest.approx(0.52, abs=0.02)  # half and half, and a narrow slope between
    few = apply("fade", white, onset=(1.5, 1.5), slope=(10, 10), grain=(4, 4))
    assert few.mean() == pytest.approx(0.94, abs=0.02)
    faint = apply("fade", white, onset=(0, 0), slope=(0.3, 0.3), grain=(4, 4))
    assert faint.mean() == pytest.approx(1 - 0.3 * 0.4, abs=0.02)  # 0.4: what a normal number above 0 is on average


def test_fade_makes_spots_of_the_size_stated():
    white = np.ones((100, 1, 64, 64), dtype=np.float32)
    steps = []
    for grain in (4, 16):
        faded = apply("fade", white, grain=(grain, grain), onset=(-3, -3), slope=(0.15, 0.15))
        steps.append(np.abs(np.diff(faded, axis=3)).mean())
    assert steps[0] / steps[1] == pytest.approx(4, rel=0.2)


def test_fade_breaks_strokes_and_adds_no_ink():
    images = bar(3).repeat(200, axis=0)
    faded = apply("fade", images, slope=(3, 3), onset=(0.8, 0.8), grain=(2, 4))
    assert (faded <= images).all()
    pieces = np.array([ndimage.label(image > 0.5, EIGHT)[1] for image in faded[:, 0]])
    assert (pieces >= 2).mean() > 0.7 and pieces.min() >= 1


def test_speckle_adds_up_to_as_many_specks_as_it_says():
    blank = np.zeros((200, 1, 64, 64), dtype=np.float32)
    specks = apply("speckle", blank, most=5, radius=(1, 1), level=(0.5, 1.0))
    counts = np.array([ndimage.label(image, EIGHT)[1] for image in specks[:, 0]])
    assert counts.min() == 0 and counts.max() == 5
    assert specks.max() <= 1.0
    one = apply("speckle", blank, most=1, radius=(2, 2), level=(1, 1))
    assert ink(one).max() == pytest.approx(np.pi * 4, rel=0.1)
    images = strokes(20, 64)
    assert (apply("speckle", images) >= images).all()
