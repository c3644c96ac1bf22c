"""Warp the character smoothly (elastic distortion), because no two hands draw the same line.

After Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual document
analysis", ICDAR 2003: a random displacement of every pixel, smoothed. Here the displacement is smooth from the
start: a cubic B-spline over a coarse grid of normally distributed numbers.
"""

from kanatui import Int, Pixel, Range, hookimpl

_PIXELS_AT_ONCE = 2**17  # per thread: these and their coordinates fit in a core's L2 cache


class Elastic(Pixel):
    id = "elastic"
    strength = Range((0.0, 2.0), min=0.0, max=16.0, step=0.1, unit="px at 64", help="typical displacement, uniform")
    cells = Int(4, min=1, max=16, help="grid cells across the image: few bend the whole character, many make it wavy")

    def draw(self, keys, size):
        # In half image sides, grid_sample's unit, so that a strength means the same at any size.
        strength = keys.uniform(*self.strength) / 32
        return {"knots": keys.normal(strength, shape=(2, self.cells + 3, self.cells + 3))}

    def apply(self, images, drawn):
        import torch

        size = images.shape[-1]
        # From -1 at the left edge of the first pixel to 1 at the right edge of the last.
        still = (torch.arange(size, device=images.device) + 0.5) * (2 / size) - 1
        spline = _spline(still, self.cells)
        # Parts of similar size, because a part of only a few images would take nearly as long as a full one.
        count = min(len(images), round(images.numel() / (_PIXELS_AT_ONCE * torch.get_num_threads()))) or 1
        parts = zip(images.tensor_split(count), drawn["knots"].tensor_split(count), strict=True)
        return torch.cat([_warp(part, knots, still, spline) for part, knots in parts])


def _warp(images, knots, still, spline):
    import torch

    size, cells = len(still), len(spline) - 3
    rows = sum(knots[..., k, None] * weights for k, weights in enumerate(spline))
    start = torch.stack([still.expand(size, size), still[:, None].expand(size, size)])
    places = start.expand(len(images), -1, -1, -1).contiguous()
    for k, weights in enumerate(spline):
        # A knot moves what is within two cells of it; elsewhere its weight is 0.
        near = slice(max(0, (k - 3) * size // cells), -((k + 1) * size // -cells))
        places[:, :, near] += rows[:, :, k, None, :] * weights[near, None]
    return torch.nn.functional.grid_sample(images, places.permute(0, 2, 3, 1), align_corners=False)


def _spline(places, cells):
    """Return each knot's weight at each place, [cells + 3, len(places)]; the mean sum of squares over the knots is 1.

    Then the displacement, a sum over knots in both directions, has the variance of the knots.
    """
    import torch

    at = (places + 1) * (cells / 2) + 1
    far = (at - torch.arange(cells + 3, device=places.device)[:, None]).abs()
    weights = torch.where(far < 1, 2 / 3 - far**2 + far**3 / 2, (2 - far).clamp(min=0) ** 3 / 6)
    return weights / weights.square().sum(dim=0).mean().sqrt()


@hookimpl
def kanatui_augmentations():
    return [Elastic]
