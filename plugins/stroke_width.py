"""Write with a thinner or thicker pen: grey-scale morphology by fractions of a pixel.

Thickening is dilation by an octagon. Thinning peels the edge from eight sides in turn, once for each pixel, and takes
from a pixel only what its neighbours further in can carry: a hair-line stays whole where erosion would erase it. On
binary images this is parallel thinning by simple points (Rosenfeld, "A characterization of parallel thinning
algorithms", Information and Control 29, 1975), with the ends of lines kept; on grey ones it is that at all thresholds
together.
"""

import itertools

from kanatui import Pixel, Range, hookimpl


class StrokeWidth(Pixel):
    id = "stroke_width"
    grow = Range((-1.5, 1.5), min=-6.0, max=6.0, step=0.1, unit="px at 64", help="how far edges move out, drawn evenly")

    def draw(self, keys, size):
        return {"grow": keys.uniform(*self.grow, shape=(1, 1, 1)) * (size / 64)}

    def apply(self, images, drawn):
        import torch

        # Eight bits a pixel, the depth of the finished image, are four times as fast as floats.
        levels = torch.nn.functional.pad((images * 255).round_().to(torch.uint8), (1, 1, 1, 1))
        result = images.clone()
        for step, grow in ((_thicken, drawn["grow"]), (_thin, -drawn["grow"])):
            which, layer = torch.arange(len(images), device=images.device), levels
            for depth in itertools.count():
                more = (grow[which] > depth).flatten().nonzero().flatten()
                if not len(more):
                    break
                # `index_select` and `index_add_` move whole images, where indexing goes byte by byte.
                which, before = which[more], layer.index_select(0, more)
                layer = step(before, depth)
                change = (layer.float() - before.float())[..., 1:-1, 1:-1]
                result.index_add_(0, which, change * ((grow[which] - depth).clamp(max=1.0) / 255))
        return result


def _neighbours(layer):
    """Return the pixels of [n, 1, H, W] as a flat view, and views of their 8 neighbours clockwise from the north-west.

    Flat views of the whole batch are four times as fast as slices by row. Only the margin of zeros, one pixel wide, has
    neighbours that are not its own, and it stays zero.
    """
    row = layer.shape[-1]
    flat = layer.view(-1)
    first, last = row + 1, len(flat) - row - 1
    steps = (-row - 1, -row, -row + 1, 1, row + 1, row, row - 1, -1)
    return flat[first:last], [flat[first + step : last + step] for step in steps]


def _thicken(layer, depth):
    import torch

    thicker = layer.clone()
    pixels, _ = _neighbours(thicker)
    _, around = _neighbours(layer)
    # Cross, square, cross, …: together an octagon, nearer to a round pen than either.
    for neighbour in around if depth % 2 else around[1::2]:
        torch.maximum(pixels, neighbour, out=pixels)
    return torch.nn.functional.pad(thicker[..., 1:-1, 1:-1], (1, 1, 1, 1))


def _thin(layer, depth):
    from torch import maximum, minimum

    thinner = layer.clone()
    pixels, around = _neighbours(thinner)
    for side in (1, 5, 3, 7, 2, 6, 0, 4):
        out, out_right, right, in_right, inwards, in_left, left, out_left = around[side:] + around[:side]
        outside = maximum(maximum(out_left, out), out_right)
        if side % 2:
            # With nothing beside or behind it but the next pixel inwards, this is the end of a line.
            inside = minimum(inwards, maximum(maximum(left, right), maximum(in_left, in_right)))
        else:
            inside = minimum(in_left, in_right)
        pixels -= maximum(minimum(pixels, inside), outside) - outside
    return thinner


@hookimpl
def kanatui_augmentations():
    return [StrokeWidth]
