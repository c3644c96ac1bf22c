"""Train any image model of timm by its name; needs `pip install 'kanatui[timm]'`, and a torchvision that fits torch.

timm (Ross Wightman, https://github.com/huggingface/pytorch-image-models, Apache 2.0) imports torchvision, which is not
installed with it where torch has no such release. Without timm there is no such model.
"""

import difflib
import importlib.util

from kanatui import Bool, Float, Model, Text, hookimpl
from kanatui.core.errors import ParameterError, PluginError


class Timm(Model):
    id = "timm"
    name = Text("resnet18", help="the model's name in timm, such as resnet18 or mobilenetv3_small_100")
    dropout = Float(0.0, min=0.0, max=0.9, step=0.05, help="share of the last layer's inputs dropped in training")
    pretrained = Bool(False, help="begin with weights from the network, which timm fetches and keeps")

    def build(self, image_size, num_classes):
        timm = _imported()
        options = {"in_chans": 1, "num_classes": num_classes, "drop_rate": self.dropout, "pretrained": self.pretrained}
        if self.name not in timm.list_models():
            near = ", ".join(difflib.get_close_matches(self.name, timm.list_models())) or "timm.list_models() has all"
            raise ParameterError(f"timm.name: timm has no model {self.name!r} (near: {near})")
        try:
            return timm.create_model(self.name, img_size=image_size, **options)  # those with a fixed size, as ViTs
        except TypeError:
            return timm.create_model(self.name, **options)


def _imported():
    """Import timm. PluginError, which says what to install, if it or torchvision is missing or does not fit."""
    try:
        import timm
    except (ImportError, RuntimeError, AttributeError) as error:
        advice = "timm needs torchvision, in the release that fits this torch; install it beside torch"
        raise PluginError(f"timm: cannot be imported ({error}): {advice}") from None
    return timm


@hookimpl
def kanatui_models():
    return [Timm] if importlib.util.find_spec("timm") else []
