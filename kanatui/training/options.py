"""The options of a training, declared once for recipes (`[train]`), the command line and the screens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kanatui.core.errors import ParameterError
from kanatui.core.params import Choice, Configurable, Float, Int, Text, Words


class TrainingOptions(Configurable):
    """The options of a training. The model's own parameters are separate.

    Raises :class:`ParameterError` for unknown names, values out of range, and both ``epochs`` and ``minutes`` set.
    """

    id = "train"

    model = Text("compact_cnn", help="model plugin")
    epochs = Int(0, min=0, max=100_000, help="passes over the data; 0: one, or as many as the minutes allow")
    minutes = Float(0.0, min=0.0, max=100_000.0, unit="min", help="time budget instead of epochs; 0: none")
    batch_size = Int(128, min=2, max=65_536, unit="images", help="images per step")
    optimizer = Choice("adamw", choices=("adamw", "adam"), help="the article uses adam")
    learning_rate = Float(0.008, min=1e-7, max=10.0, help="peak learning rate")
    rate_scaling = Choice(
        "none",
        choices=("none", "sqrt", "linear"),
        help="how learning_rate grows with the number of torchrun's processes, whose batches add up",
    )
    weight_decay = Float(0.02, min=0.0, max=10.0, help="decay of the weights towards 0 (adamw only)")
    schedule = Choice(
        "one_cycle", choices=("one_cycle", "constant"), help="how the learning rate changes during the training"
    )
    warm_up = Float(0.15, min=0.0, max=0.9, step=0.05, help="share of the training in which the rate rises")
    label_smoothing = Float(0.05, min=0.0, max=0.9, step=0.01, help="share of each target spread over all characters")
    outlier_weight = Float(0.5, min=0.0, max=100.0, step=0.1, help="weight of outliers' loss, if the recipe has any")
    averaging = Float(0.998, min=0.0, max=0.99999, help="decay per step of the averaged weights; 0: none")
    order = Choice(
        "mixed",
        choices=("mixed", "numbers"),
        help="numbers: one image number for all characters in turn, as in the article",
    )
    hold_out = Float(0.05, min=0.0, max=0.9, step=0.01, help="share of the image numbers held out for validation")
    hold_out_faces = Words((), help="faces not trained on; ids may contain *")
    split_seed = Int(0, min=0, max=2**53, help="selects which image numbers are held out")
    validations = Int(8, min=1, max=10_000, help="number of validations, evenly spread")
    validation_images = Int(4096, min=1, max=10_000_000, unit="images", help="most images per validation")
    checkpoint_seconds = Float(60.0, min=1.0, max=86_400.0, unit="s", help="longest time between checkpoints")
    seed = Int(0, min=0, max=2**53, help="for initial weights, order and dropout")
    device = Choice("auto", choices=("auto", "cpu", "cuda", "mps"), help="device to train on")
    precision = Choice("auto", choices=("auto", "float32", "bfloat16"), help="auto: what a short probe finds faster")
    threads = Int(0, min=0, max=1024, help="CPU threads for the network; 0: one per core, or OMP_NUM_THREADS")
    workers = Int(-1, min=-1, max=256, help="extra processes that make batches; 0: none, -1: automatic")

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        if self.epochs and self.minutes:
            raise ParameterError("train.minutes: cannot be set together with train.epochs; leave one out")

    @property
    def whole_epochs(self) -> int:
        """Number of epochs to train, 0 with a time budget."""
        return 0 if self.minutes else self.epochs or 1


def merge(
    defaults: Mapping[str, Any], chosen: Mapping[str, Any], parameters: Mapping[str, Any] | None = None
) -> tuple[TrainingOptions, dict[str, Any]]:
    """Merge what was chosen with a recipe's ``[train]`` table: the first wins, then the table, then the defaults.

    Args:
        defaults: the table; its ``parameters`` are those of the model.
        chosen: options by name.
        parameters: of the model, chosen.

    Returns:
        the options and the model's parameters. Those of the table are of its model, and go with it.

    Raises:
        ParameterError: an option is unknown or out of range, or both budgets are chosen.
    """
    values = dict(defaults)
    kept = dict(values.pop("parameters", {}))
    if "model" in chosen and chosen["model"] != values.get("model", TrainingOptions.model.default):
        kept = {}
    if chosen.keys() & {"epochs", "minutes"}:
        values = {key: value for key, value in values.items() if key not in ("epochs", "minutes")}
    return TrainingOptions(**{**values, **chosen}), kept | dict(parameters or {})
