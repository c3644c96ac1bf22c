"""Add sensor noise: Gaussian, independent in every pixel."""

from kanatui import Pixel, Range, hookimpl


class Noise(Pixel):
    id = "noise"
    sigma = Range((0.0, 0.12), min=0.0, max=1.0, step=0.01, help="standard deviation, uniform; ink is 1, paper 0")

    def draw(self, keys, size):
        return {"noise": keys.normal(keys.uniform(*self.sigma), shape=(1, size, size))}

    def apply(self, images, drawn):
        return images + drawn["noise"]


@hookimpl
def kanatui_augmentations():
    return [Noise]
