"""The optimizer that the options ask for."""

from __future__ import annotations

import torch

from kanatui.training.options import TrainingOptions


def make_optimizer(model: torch.nn.Module, options: TrainingOptions, device: torch.device) -> torch.optim.Optimizer:
    """Adam or AdamW. Biases and normalisation are not decayed: pulling them towards 0 only hampers the fit."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decay = options.weight_decay if options.optimizer == "adamw" else 0.0
    groups = [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": decay},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=options.learning_rate, fused=device.type in ("cpu", "cuda"))
