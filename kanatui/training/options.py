"""What can be set about a training: one declaration for recipes (`[train]`), the command line and the screens."""

from __future__ import annotations

from typing import Any

from kanatui.core.errors import ParameterError
from kanatui.core.params import Choice, Configurable, Float, Int, Text, Words


class TrainingOptions(Configurable):
    """How a network is trained. The model's own parameters are kept apart from these.

    Raises :class:`ParameterError` for unknown names, values out of range, and both ``epochs`` and ``minutes`` set.
    """

    id = "train"

    model = Text("compact_cnn", help="the model plugin")
    epochs = Int(0, min=0, max=100_000, help="times through the data; 0 where minutes are given, else 1")
    minutes = Float(0.0, min=0.0, max=100_000.0, unit="min", help="time budget instead of epochs; 0 is none")
    batch_size = Int(128, min=2, max=65_536, unit="images", help="images in one step")
    optimizer = Choice("adamw", choices=("adamw", "adam"), help="adam is the article's")
    learning_rate = Float(0.008, min=1e-7, max=10.0, help="the highest rate reached")
    weight_decay = Float(0.02, min=0.0, max=10.0, help="pull of the weights towards 0 (adamw only)")
    schedule = Choice("one_cycle", choices=("one_cycle", "constant"), help="how the rate runs over the training")
    warm_up = Float(0.15, min=0.0, max=0.9, step=0.05, help="share of a cycle in which the rate rises")
    label_smoothing = Float(0.05, min=0.0, max=0.9, step=0.01, help="share of each target spread over all characters")
    averaging = Float(0.998, min=0.0, max=0.99999, help="decay per step of the averaged weights; 0 is none")
    order = Choice("mixed", choices=("mixed", "numbers"), help="numbers: a walk shows one image number, as published")
    hold_out = Float(0.05, min=0.0, max=0.9, step=0.01, help="share of the image numbers kept for judging")
    hold_out_faces = Words((), help="faces never trained on, ids with * allowed")
    split_seed = Int(0, min=0, max=2**53, help="another seed holds other image numbers out")
    validations = Int(8, min=1, max=10_000, help="times that the held-out images are scored, evenly spread")
    validation_images = Int(4096, min=1, max=10_000_000, unit="images", help="at most so many each time")
    checkpoint_seconds = Float(60.0, min=1.0, max=86_400.0, unit="s", help="longest time between checkpoints")
    seed = Int(0, min=0, max=2**53, help="of the first weights, the order and the dropout")
    device = Choice("auto", choices=("auto", "cpu", "cuda", "mps"), help="where it is computed")
    precision = Choice("auto", choices=("auto", "float32", "bfloat16"), help="auto: the faster one in a short probe")
    threads = Int(0, min=0, max=1024, help="of the processor for the network; 0 is one per core")
    workers = Int(
        -1, min=-1, max=256, help="processes that make batches; 0: none beside its own, -1 what measured best"
    )

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        if self.epochs and self.minutes:
            raise ParameterError("train.minutes: cannot be set together with train.epochs; leave one out")

    @property
    def whole_epochs(self) -> int:
        """Epochs to train, 0 where a time budget decides."""
        return 0 if self.minutes else self.epochs or 1
