"""Two convolutions and a linear layer: small enough to follow, good enough to learn."""

from kanatui import Int, Model, hookimpl


class Starter(Model):
    id = "starter"
    width = Int(16, min=4, max=256, step=4, help="feature maps of the first layer; the second has twice as many")

    def build(self, image_size, num_classes):
        from torch import nn  # here, so that listing plugins stays fast

        return nn.Sequential(
            nn.Conv2d(1, self.width, 3, stride=2, padding=1),
            nn.BatchNorm2d(self.width),
            nn.ReLU(),
            nn.Conv2d(self.width, 2 * self.width, 3, stride=2, padding=1),
            nn.BatchNorm2d(2 * self.width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(2 * self.width * 16, num_classes),  # logits: without softmax
        )


@hookimpl
def kanatui_models():
    return [Starter]
