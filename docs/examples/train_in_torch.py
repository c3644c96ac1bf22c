"""Train a network and a loop of your own on images that kanatui makes: `python train_in_torch.py [STEPS]`."""

import itertools
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader

import kanatui

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 200
glyphs = kanatui.stream("quick", characters="あいうえお", faces=["klee-*"], image_size=32, images_per_character=400)
batches = DataLoader(glyphs, batch_size=64, shuffle=True)  # num_workers=4 gives the same images

network = nn.Sequential(
    nn.Conv2d(1, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 5, stride=2), nn.ReLU(),
    nn.Flatten(), nn.LazyLinear(len(glyphs.characters)),
)  # fmt: skip
network(torch.zeros(1, 1, glyphs.image_size, glyphs.image_size))
optimizer = torch.optim.Adam(network.parameters(), lr=0.002)
for step, (images, labels) in enumerate(
    itertools.islice(itertools.chain.from_iterable(itertools.repeat(batches)), steps)
):
    logits = network(images)
    loss = nn.functional.cross_entropy(logits, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 20 == 0:
        print(f"step {step}: loss {loss.item():.3f}, {(logits.argmax(1) == labels).float().mean():.0%} right")
