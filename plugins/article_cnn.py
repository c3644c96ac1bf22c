"""The published article's network: two convolutions and three dense layers.

From part 2 of "I tried to make Kana's handwriting recognition". The article does not say how its
convolutions are padded; no padding is assumed. At 256 px that leaves 16 feature maps of 61 × 61, and nearly all of the
61 million weights are in the first dense layer.
"""

from kanatui import Bool, Float, Model, hookimpl


class ArticleCNN(Model):
    id = "article_cnn"
    softmax = Bool(False, help="apply a softmax before the loss, as the article did by mistake; learning is slower")
    dropout = Float(0.3, min=0.0, max=0.9, step=0.05, help="share of values dropped after each layer except the last")

    def build(self, image_size, num_classes):
        from torch import nn

        side = ((image_size - 4) // 2 - 4) // 2
        network = nn.Sequential(
            *self._convolution(1, 4),
            *self._convolution(4, 16),
            nn.Flatten(),
            *self._dense(16 * side * side, 1024),
            *self._dense(1024, 256),
            nn.Linear(256, num_classes),
        )
        if self.softmax:
            network.register_forward_hook(_softmax_in_training)
        return network

    def _convolution(self, maps_in, maps_out):
        from torch import nn

        convolution = nn.Conv2d(maps_in, maps_out, kernel_size=5)
        return convolution, nn.ReLU(), nn.BatchNorm2d(maps_out), nn.MaxPool2d(2), nn.Dropout2d(self.dropout)

    def _dense(self, values_in, values_out):
        from torch import nn

        dense = nn.Linear(values_in, values_out)
        return dense, nn.ReLU(), nn.BatchNorm1d(values_out), nn.Dropout(self.dropout)


def _softmax_in_training(network, inputs, outputs):
    # Code that uses a trained model applies softmax to its outputs; it must not be applied twice.
    return outputs.softmax(dim=1) if network.training else outputs


@hookimpl
def kanatui_models():
    return [ArticleCNN]
