"""Make the ink faint or broken in places, as light pressure, a dry pen or a hard threshold does.

The spots are a smooth field of normally distributed numbers; the ink fades where the field is above ``onset``.
"""

import math

from kanatui import Pixel, Range, hookimpl


class Fade(Pixel):
    id = "fade"
    grain = Range((2.0, 10.0), min=1.0, max=64.0, step=0.5, unit="px at 64", help="size of the spots, uniform")
    onset = Range((0.0, 1.2), min=-3.0, max=3.0, step=0.1, unit="σ", help="ink above it fades: at 0, half of it")
    slope = Range((0.3, 3.0), min=0.0, max=10.0, step=0.1, unit="per σ", help="share of ink lost above it, uniform")

    def draw(self, keys, size):
        cells = math.ceil(64 / self.grain[0]) + 2
        return {
            "cells": 64 / keys.uniform(*self.grain, shape=(1,)),
            "onset": keys.uniform(*self.onset, shape=(1, 1, 1)),
            "slope": keys.uniform(*self.slope, shape=(1, 1, 1)),
            "knots": keys.normal(1.5, shape=(1, cells, cells)),  # linear interpolation reduces it to two thirds
        }

    def apply(self, images, drawn):
        import torch

        size, knots = images.shape[-1], drawn["knots"]
        pixels = (torch.arange(size, device=images.device) + 0.5) / size
        places = (pixels * drawn["cells"] + 0.5) * (2 / knots.shape[-1]) - 1
        across, down = places[:, None, :].expand(-1, size, -1), places[:, :, None].expand(-1, -1, size)
        spots = torch.nn.functional.grid_sample(knots, torch.stack([across, down], dim=-1), align_corners=False)
        return images * (1 - drawn["slope"] * (spots - drawn["onset"])).clamp_(0.0, 1.0)


@hookimpl
def kanatui_augmentations():
    return [Fade]
