"""Lighten the ink and darken the paper, with a gradient across the paper, as scans do."""

from kanatui import Pixel, Range, hookimpl


class Tone(Pixel):
    id = "tone"
    ink = Range((0.6, 1.0), min=0.0, max=1.0, step=0.05, help="brightness of the ink, uniform")
    paper = Range((0.0, 0.15), min=0.0, max=1.0, step=0.05, help="brightness of the paper in the middle, uniform")
    slope = Range((0.0, 0.1), min=0.0, max=1.0, step=0.05, help="how much brighter the paper is at one edge, uniform")

    def draw(self, keys, size):
        slope = keys.uniform(*self.slope)
        return {
            "ink": keys.uniform(*self.ink, shape=(1, 1, 1)),
            "paper": keys.uniform(*self.paper, shape=(1, 1, 1)),
            "across": keys.uniform(-slope, slope, shape=(1, 1, 1)),
            "down": keys.uniform(-slope, slope, shape=(1, 1, 1)),
        }

    def apply(self, images, drawn):
        import torch

        ramp = torch.linspace(-1.0, 1.0, images.shape[-1], device=images.device)
        paper = drawn["paper"] + drawn["across"] * ramp + drawn["down"] * ramp[:, None]
        return paper + (drawn["ink"] - paper) * images


@hookimpl
def kanatui_augmentations():
    return [Tone]
