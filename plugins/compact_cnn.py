"""A small residual network for training on two processor cores.

The first layer halves the image, because convolutions on coarse maps are cheap and closest to a matrix product. Three
residual blocks follow (He et al., "Deep residual learning for image recognition", CVPR 2016). The last maps are
averaged over a 3 × 3 grid rather than over the whole image, so that the classifier still sees where the ink is and how
far it extends: small and normal kana differ in nothing else.
"""

import functools
from collections import OrderedDict

from kanatui import Float, Int, Model, hookimpl

GRID = 3
REACH = 64
"""Larger images are averaged down towards this size: the blocks see a fixed number of pixels, not a fixed share."""


class CompactCNN(Model):
    id = "compact_cnn"
    width = Int(24, min=4, max=256, step=4, help="feature maps of the stem; weights and time grow with its square")
    dropout = Float(0.2, min=0.0, max=0.9, step=0.05, help="share of the last layer's inputs dropped in training")

    def build(self, image_size, num_classes):
        import torch
        from torch import nn

        block, width = _residual_block(), self.width
        network = OrderedDict(
            shrink=nn.AvgPool2d(image_size // REACH) if image_size >= 2 * REACH else nn.Identity(),
            stem=nn.Sequential(
                nn.Conv2d(1, width, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(width), nn.ReLU()
            ),
            block1=block(width, 2 * width, stride=2),
            block2=block(2 * width, 4 * width, stride=2),
            block3=block(4 * width, 4 * width, stride=1),
            pool=nn.AdaptiveAvgPool2d(GRID),
            flatten=nn.Flatten(),
            dropout=nn.Dropout(self.dropout),
            classify=nn.Linear(4 * width * GRID * GRID, num_classes),
        )
        # channels_last trains a quarter faster than PyTorch's default order (AMD Zen 5; float32, 40 to 64 px).
        return nn.Sequential(network).to(memory_format=torch.channels_last)


@functools.cache
def _residual_block():
    """Define the block's class only when torch is needed; listing plugins must not import it."""
    from torch import nn

    class ResidualBlock(nn.Module):
        def __init__(self, maps_in, maps_out, stride):
            super().__init__()
            self.main = nn.Sequential(
                nn.Conv2d(maps_in, maps_out, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(maps_out),
                nn.ReLU(),
                nn.Conv2d(maps_out, maps_out, 3, padding=1, bias=False),
                nn.BatchNorm2d(maps_out),
            )
            self.skip = nn.Identity()
            if maps_in != maps_out:
                # Averaging first uses every pixel; a strided 1 × 1 convolution would skip some.
                self.skip = nn.Sequential(
                    nn.AvgPool2d(stride, ceil_mode=True),
                    nn.Conv2d(maps_in, maps_out, 1, bias=False),
                    nn.BatchNorm2d(maps_out),
                )

        def forward(self, images):
            return (self.main(images) + self.skip(images)).relu()

    return ResidualBlock


@hookimpl
def kanatui_models():
    return [CompactCNN]
