"""Thin the ink evenly, as a pen that runs dry does."""

from kanatui import Pixel, Range, hookimpl


class Starter(Pixel):
    id = "starter"
    ink = Range((0.4, 1.0), min=0.0, max=1.0, step=0.05, help="how much of the ink is left, uniform")

    def draw(self, keys, size):
        # Everything random, one row for each image. A length stated in pixels at 64 is multiplied by size / 64.
        return {"ink": keys.uniform(*self.ink, shape=(1, 1, 1))}

    def apply(self, images, drawn):
        # float32 [n, 1, size, size], ink 1 and paper 0; a new tensor, because `images` is not to be changed.
        return images * drawn["ink"]


@hookimpl
def kanatui_augmentations():
    return [Starter]
