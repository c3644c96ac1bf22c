"""Weights files: a trained classifier in one file that cannot run code.

A safetensors file with a *card* (:mod:`kanatui.model.card`). The architecture comes from a model plugin; the card only
names the plugin and its parameters.
"""

from __future__ import annotations

import copy
import functools
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from kanatui.core.errors import KanatuiError, PluginError, WeightsError
from kanatui.core.version import __version__
from kanatui.model import seal
from kanatui.model.building import blaming
from kanatui.model.calibration import Calibration
from kanatui.model.card import FORMAT, KEY, one_line, read_card
from kanatui.plugins.registry import Registry, load

_PIXELS_AT_ONCE = 32 * 48**2
"""Pixels per pass for each thread of the processor.

Larger activations (7 MB for 128 images of 48 px) are returned to the system after each layer, and each of their pages
must be fetched again: 100,000 page faults in reading 512 images, but 600 with 32 at once. With ``compact_cnn`` at 48 px
one thread took 387 µs per image with 128 at once, 268 with 32 and 300 with 16 (medians of seven rounds, before batch
normalisation was merged into the convolutions).
"""

_LEAST_AT_ONCE = 16
"""The minimum of images per pass, whatever their size: some models read many weights again in each pass."""

_PIXELS_ON_DEVICE = 1 << 20
"""Pixels per pass on anything but a CPU: 256 images of 64 px."""


class Classifier:
    """A network, and what its outputs mean."""

    def __init__(
        self, module: nn.Module, characters: str, image_size: int, card: Mapping[str, Any], device: torch.device
    ) -> None:
        self.module = module
        self.characters = characters
        """What each output stands for, in order."""
        self.image_size = image_size
        self.card = dict(card)
        self.calibration = Calibration.of_card(card)
        """What turns its logits into probabilities, and says which pictures it refuses to read."""
        self.device = device

    def logits(self, images: npt.NDArray[np.uint8]) -> torch.Tensor:
        """Classify images of the model's size, white on black: uint8 [n, H, W] in, float32 [n, C] on the CPU out."""
        at_once = self._at_once
        parts = [torch.empty(0, len(self.characters))]
        with blaming(str(self.card.get("model", {}).get("id")), "in reading"), torch.inference_mode():
            for start in range(0, len(images), at_once):
                part = torch.from_numpy(np.ascontiguousarray(images[start : start + at_once])).to(self.device)
                parts.append(self.network(part.unsqueeze(1).float().div_(255.0)).float().cpu())
        return torch.cat(parts)

    @property
    def _at_once(self) -> int:
        if self.device.type == "cpu":
            return max(_LEAST_AT_ONCE, _PIXELS_AT_ONCE * torch.get_num_threads() // self.image_size**2)
        return max(1, _PIXELS_ON_DEVICE // self.image_size**2)

    @functools.cached_property
    def network(self) -> nn.Module:
        """The module in the form that classifies fastest; its logits differ from the module's by rounding, 1e-5."""
        lighter = _without_batch_norm(self.module)
        probe = torch.rand(2, 1, self.image_size, self.image_size, generator=torch.Generator().manual_seed(0))
        try:
            own, light = (network(probe.to(self.device)) for network in (self.module, lighter))
        except (AttributeError, RuntimeError, TypeError):  # the module itself raises it again when it classifies
            return self.module
        # A module need not call the layers of its nn.Sequential one after the other.
        return lighter if torch.allclose(own, light, atol=1e-3) else self.module


def _without_batch_norm(module: nn.Module) -> nn.Module:
    """Return a copy in which batch normalisation is merged into the convolution right before it.

    ``compact_cnn`` at 48 px takes 179 µs per image instead of 269 (one thread, 32 at once, medians of seven rounds).
    """
    lighter = copy.deepcopy(module).eval()
    for part in lighter.modules():
        if type(part) is not nn.Sequential:
            continue
        for (name, layer), (behind, norm) in itertools.pairwise(list(part.named_children())):
            if type(layer) is nn.Conv2d and type(norm) is nn.BatchNorm2d and norm.track_running_stats:
                setattr(part, name, fuse_conv_bn_eval(layer, norm))
                setattr(part, behind, nn.Identity())
    return lighter


def save_weights(path: Path, module: nn.Module, card: Mapping[str, Any]) -> None:
    """Write a module's weights and its card by atomic rename.

    Args:
        card: as described in :mod:`kanatui.model.card`; ``format`` and ``kanatui`` are added.

    Raises:
        StorageError: the file cannot be written.
    """
    text = json.dumps({"format": FORMAT, "kanatui": __version__, **card}, ensure_ascii=False)
    seal.write(path, pack(module.state_dict(), {KEY: text}))


def pack(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of a safetensors file. Tensors that share memory are written once for each name."""
    # In memory first, because the library's own errors do not say whether a disk is full.
    plain: dict[str, torch.Tensor] = {}
    memory: set[int] = set()
    for name, tensor in tensors.items():
        own = tensor.detach().cpu().contiguous()
        if own.untyped_storage().data_ptr() in memory:
            own = own.clone()
        memory.add(own.untyped_storage().data_ptr())
        plain[name] = own
    return safetensors.torch.save(plain, dict(metadata))


def load_weights(path: Path, device: str | torch.device = "cpu", registry: Registry | None = None) -> Classifier:
    """Load a classifier, ready to classify.

    Args:
        path: a file that :func:`save_weights` wrote; anything else is refused.
        device: where to compute.
        registry: the plugins to take the model from; all installed ones if not given.

    Raises:
        WeightsError: the file is missing, damaged, of another program, or does not fit the model that it names.
    """
    card = read_card(path)
    try:
        seal.check(path)
        tensors = safetensors.torch.load_file(path)
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path}: damaged ({one_line(error)})") from None
    model = card["model"]
    try:
        plugin = (registry or load()).model(model["id"])(**model["parameters"])
        # Shapes first, without memory: a card that asks for a gigantic model must not get as far as building it.
        with torch.device("meta"):
            _require_fit(path, plugin.build(card["image_size"], len(card["characters"])), tensors)
        module = plugin.build(card["image_size"], len(card["characters"]))
    except WeightsError:
        raise
    except PluginError as error:
        origin = f"; it was made with {card['plugin'][:200]}" if isinstance(card.get("plugin"), str) else ""
        raise WeightsError(f"{path}: {error}{origin}") from None
    except KanatuiError as error:
        raise WeightsError(f"{path}: {error}") from None
    except (Exception, SystemExit) as error:  # a model plugin may raise anything when a hostile card asks for nonsense
        raise WeightsError(f"{path}: model {model['id']} cannot be built ({one_line(error)})") from error
    module.load_state_dict(tensors)
    module = module.to(device).eval()
    return Classifier(module, card["characters"], card["image_size"], card, torch.device(device))


def _require_fit(path: Path, module: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if wanted == found:
        return
    name = next(name for name in [*wanted, *found] if wanted.get(name) != found.get(name))
    raise WeightsError(
        f"{path}: does not fit its model: {name} is {list(found.get(name, ()))} in the file, "
        f"{list(wanted.get(name, ()))} in the model; was it made with another version of the plugin?"
    )
