"""Builds a plugin's model and tries it, so that whatever is wrong with it is told by its name before a training."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from typing import Any

import psutil
import torch
from torch.nn.functional import cross_entropy

from kanatui.core.errors import KanatuiError, PluginError, RunError
from kanatui.core.units import bytes_text
from kanatui.plugins.bases import Model
from kanatui.plugins.contained import contained
from kanatui.plugins.registry import Registry

_TRIED = (2, 3)
"""Images in the batches on which a model is tried: it must take any number of them."""

_COPIES = 4
"""Float32 values kept for each weight: itself, its gradient and Adam's two moments."""


def build_model(
    registry: Registry, id: str, parameters: Mapping[str, Any], image_size: int, num_classes: int, seed: int = 0
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Build a model with seeded weights, try it on small batches, and return it with the values of all parameters.

    Raises:
        PluginError: there is no such model, it failed, needs more memory than there is, cannot be trained, or does not
            return finite logits [n, C].
        ParameterError: a parameter is unknown or out of range.
    """
    plugin = registry.model(id)(**parameters)
    with blaming(f"{id} {plugin.values}", f"at {image_size} px"):
        _require_memory(plugin, image_size, num_classes)
        torch.manual_seed(seed)
        module = plugin.build(image_size, num_classes)
        if not isinstance(module, torch.nn.Module):
            raise PluginError(f"model {id}: build() returned {_kind(module)}, not a torch.nn.Module")
        _try(id, module.eval(), image_size, num_classes)
    return module, plugin.values


def _try(id: str, module: torch.nn.Module, image_size: int, num_classes: int) -> None:
    """Let a model read blank images, and let a copy of it take a step of training. PluginError if it cannot."""
    with torch.inference_mode():
        for count in _TRIED:
            _require_logits(id, module(torch.zeros(count, 1, image_size, image_size)), count, num_classes)
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise PluginError(f"model {id}: has no weights that can be trained")
    trial = copy.deepcopy(module).train()
    with torch.random.fork_rng(devices=[]):  # what is drawn here must not change what the training draws
        for count in _TRIED:
            logits = trial(torch.zeros(count, 1, image_size, image_size))
            _require_logits(id, logits, count, num_classes, " in training")
            if not logits.requires_grad:
                raise PluginError(f"model {id}: its logits do not depend on its weights, so it cannot be trained")
            cross_entropy(logits, torch.zeros(count, dtype=torch.int64)).backward()  # type: ignore[no-untyped-call]


def _require_logits(id: str, logits: Any, count: int, num_classes: int, when: str = "") -> None:
    about = f"for {count} images of {num_classes} characters{when}"
    if not isinstance(logits, torch.Tensor):
        raise PluginError(f"model {id}: returned {_kind(logits)} {about}, not a tensor of logits")
    if list(logits.shape) != [count, num_classes]:
        raise PluginError(f"model {id}: returned {list(logits.shape)} {about}, not [{count}, {num_classes}]")
    if not logits.is_floating_point():
        raise PluginError(f"model {id}: returned {logits.dtype} {about}, not floating-point logits")
    if not bool(logits.isfinite().all()):
        raise PluginError(f"model {id}: returned NaN or infinity {about}")


def _require_memory(plugin: Model, image_size: int, num_classes: int) -> None:
    """Raise PluginError if a model's weights do not fit into this machine, where the system would kill the training."""
    try:
        with torch.device("meta"):  # shapes alone, without memory
            weights = sum(parameter.numel() for parameter in plugin.build(image_size, num_classes).parameters())
    except (Exception, SystemExit):  # noqa: BLE001  # what it cannot do without memory is no fault; others show in earnest
        return
    needed, there = 4 * _COPIES * weights, psutil.virtual_memory().total
    if needed > there:
        takes = f"{weights:,} weights take {bytes_text(needed)} in training"
        raise PluginError(f"model {plugin.id}: {takes}, and this machine has {bytes_text(there)}")


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


@contextlib.contextmanager
def blaming(model: str, when: str) -> Iterator[None]:
    """Turn whatever a model raises into a PluginError that names it, and running out of memory into a RunError."""
    try:
        with contained():
            yield
    except KanatuiError:
        raise
    except (Exception, SystemExit) as error:
        require_memory_left(error)
        reason = (f"{type(error).__name__}: {error}".splitlines() or [""])[0]
        raise PluginError(f"model {model} failed {when}: {reason}") from error


def require_memory_left(error: BaseException) -> None:
    """Raise RunError, with advice, if an error says that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error):
        raise RunError("out of memory; try a smaller --batch-size or --image-size") from error
