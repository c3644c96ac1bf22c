"""What the test of distributed training has `torchrun` run in each process: a tiny training in one run directory."""

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from kanatui.plugins.registry import load
from kanatui.training.config import make_config
from kanatui.training.distributed import join
from kanatui.training.options import TrainingOptions
from kanatui.training.runs import Run
from kanatui.training.session import train_run
from tests.helpers.tiny import TinyModel, TinySource


def main(report):
    load().models["tiny_cnn"] = TinyModel
    source = TinySource([40, 40, 40, 40, 40, 25, 40, 40, 13])
    options = TrainingOptions(model="tiny_cnn", epochs=3, batch_size=16, threads=1, workers=0, learning_rate=0.01)
    shown = []
    images = source.images

    def watched(indices):
        shown.append(list(map(int, indices)))
        return images(indices)

    source.images = watched
    with join(torch.device("cpu")) as group:
        config = make_config(source.spec(), source.characters, source.face_ids, options, {})
        run = Run.create("pair", config) if group.first else None
        run = Run(group.share(run.path if run else None))
        outcome = train_run(run, group=group, source=source)
        everyone = [None] * group.size
        dist.all_gather_object(everyone, {"rank": group.rank, "state": outcome.state, "shown": shown})
        if group.first:
            Path(report).write_text(json.dumps({"run": run.id, "processes": everyone}))


if __name__ == "__main__":
    main(sys.argv[1])
