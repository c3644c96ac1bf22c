"""What training is made of: options, splits, order, schedule, precision, the feed."""

import contextlib
import multiprocessing
import pickle
import time

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kanatui.core.errors import ParameterError, RunError, UsageError
from kanatui.core.rng import Keys, mix64
from kanatui.model.calibration import certainty
from kanatui.model.predictions import UNREAD
from kanatui.training.budget import learning_rate
from kanatui.training.device import choose_device
from kanatui.training.distributed import Alone
from kanatui.training.feed import BatchMaker, open_feed
from kanatui.training.learner import Learner, average_of
from kanatui.training.options import TrainingOptions
from kanatui.training.order import EpochOrder
from kanatui.training.precision import has_bfloat16, probe_precision
from kanatui.training.previews import preview_batch
from kanatui.training.splits import split_source
from tests.helpers.tiny import CHARACTERS, TinyModel, TinySource, open_tiny

RAGGED = [40, 40, 40, 40, 40, 25, 40, 40, 13]


# ── options ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_options_name_what_is_wrong():
    with pytest.raises(ParameterError, match=r"train\.learning_rate: .* minimum"):
        TrainingOptions(learning_rate=0.0)
    with pytest.raises(ParameterError, match=r"train\.speed: no such parameter"):
        TrainingOptions(speed=3)
    with pytest.raises(ParameterError, match=r"train\.minutes: .* together with train\.epochs"):
        TrainingOptions(epochs=2, minutes=1.0)


def test_without_a_budget_one_epoch_is_trained():
    assert TrainingOptions().whole_epochs == 1
    assert TrainingOptions(epochs=3).whole_epochs == 3
    assert TrainingOptions(minutes=0.5).whole_epochs == 0


# ── splits ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def numbers_of(source, images):
    return [set(source.numbers(label)[images.of(label) - source.offsets[label]]) for label in range(len(source.counts))]


def test_the_same_share_of_numbers_is_held_out_for_every_character():
    source = TinySource(200)
    split = split_source(source, 0.05)
    held = numbers_of(source, split.held_out)
    assert len(held[0]) == 10
    assert all(numbers == held[0] for numbers in held)
    assert all(not numbers & held[0] for numbers in numbers_of(source, split.train))
    assert len(split.train) + len(split.held_out) == len(source)
    assert not len(split.held_out_faces)


def test_another_seed_holds_other_numbers_out():
    source = TinySource(200)
    first, same, other = (split_source(source, 0.05, seed=seed) for seed in (0, 0, 1))
    assert numbers_of(source, first.held_out) == numbers_of(source, same.held_out)
    assert numbers_of(source, first.held_out) != numbers_of(source, other.held_out)


def test_ragged_characters_hold_out_the_same_numbers_where_they_have_them():
    source = TinySource(RAGGED)
    split = split_source(source, 0.2)
    held = numbers_of(source, split.held_out)
    for label, count in enumerate(RAGGED):
        assert held[label] == {number for number in held[0] if number < count}


def test_held_out_faces_are_never_trained_on():
    source = TinySource(60)
    split = split_source(source, 0.3, ["t*"])
    assert split.faces == ("two", "three")
    every = [np.concatenate([part.of(label) for label in range(9)]) for part in (split.train, split.held_out)]
    assert [set(source.faces(indices)) for indices in every] == [{0}, {0}]
    unseen = np.concatenate([split.held_out_faces.of(label) for label in range(9)])
    assert set(source.faces(unseen)) == {1, 2}
    assert sum(map(len, every)) + len(unseen) == len(source)


def test_splits_that_leave_nothing_are_refused():
    with pytest.raises(RunError, match="no face 'klee'"):
        split_source(TinySource(), 0.05, ["klee"])
    with pytest.raises(RunError, match="nothing to train on for 9 characters"):
        split_source(TinySource(), 0.05, ["*"])


def test_characters_with_the_same_numbers_share_memory():
    split = split_source(TinySource(RAGGED), 0.1)
    assert len(split.train.lists) == len(set(RAGGED))


def test_a_sample_is_even_and_repeatable():
    held = split_source(TinySource(RAGGED), 0.5).held_out
    sample = held.sample(45)
    labels, counts = np.unique(TinySource(RAGGED).labels(sample), return_counts=True)
    assert len(labels) == 9
    assert (counts == np.minimum(5, held.counts)).all()
    assert (sample == held.sample(45)).all()
    assert len(held.sample(10**6)) == len(held)


# ── order ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def epoch_of(order, epoch):
    return np.concatenate([order.batch(epoch, k) for k in range(order.batches)])


@settings(max_examples=40, deadline=None)
@example(counts=[1, 1, 1, 1], batch=1, ranks=3, by_number=False)
@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=9),
    batch=st.integers(1, 50),
    ranks=st.integers(1, 3),
    by_number=st.booleans(),
)
def test_an_epoch_shows_every_image_and_walks_characters_evenly(counts, batch, ranks, by_number):
    source = TinySource(counts, characters=CHARACTERS[: len(counts)])
    train = split_source(source, 0.0).train
    size = max(counts) * len(counts)
    if -(-size // (batch * ranks)) * ranks > size:
        with pytest.raises(RunError, match="too few"):
            EpochOrder(train, batch, 0, ranks=ranks)
        return
    order = EpochOrder(train, batch, 0, by_number=by_number, ranks=ranks)
    assert order.batches % ranks == 0
    sizes = [len(order.batch(0, k)) for k in range(order.batches)]
    assert max(sizes) <= batch
    assert max(sizes) - min(sizes) <= 1
    shown = epoch_of(order, 0)
    assert set(shown) == set(range(len(source)))
    walks = source.labels(shown).reshape(-1, len(counts))
    assert (np.sort(walks, axis=1) == np.arange(len(counts))).all()


def test_batches_can_be_asked_for_in_any_order():
    train = split_source(TinySource(RAGGED), 0.1).train
    order, again = EpochOrder(train, 16, 3), EpochOrder(train, 16, 3)
    forwards = [order.batch(epoch, k).tolist() for epoch in (0, 1) for k in range(5)]
    backwards = [again.batch(epoch, k).tolist() for epoch in (1, 0) for k in reversed(range(5))]
    assert forwards == backwards[::-1]
    assert pickle.loads(pickle.dumps(order)).batch(1, 3).tolist() == order.batch(1, 3).tolist()


def test_epochs_and_seeds_differ():
    train = split_source(TinySource(), 0.1).train
    shown = {tuple(EpochOrder(train, 16, seed).batch(epoch, 0)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(shown) == 4


def test_by_number_a_walk_shows_one_image_number():
    source = TinySource(40)
    order = EpochOrder(split_source(source, 0.0).train, 9, 0, by_number=True)
    shown = epoch_of(order, 0)
    numbers = (shown - source.offsets[source.labels(shown)]).reshape(-1, 9)
    assert (numbers == numbers[:, :1]).all()
    mixed = epoch_of(EpochOrder(split_source(source, 0.0).train, 9, 0), 0)
    spread = (mixed - source.offsets[source.labels(mixed)]).reshape(-1, 9)
    assert np.mean([len(set(row)) for row in spread]) > 6


# ── schedule, average, precision, device ────────────────────────────────────────────────────────────────────────────


def test_one_cycle_rises_and_falls():
    rates = [learning_rate("one_cycle", 0.1, share, 0.2) for share in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(0.004)
    assert max(rates) == rates[20] == pytest.approx(0.1)
    assert rates[-1] == pytest.approx(1e-5)
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert learning_rate("one_cycle", 0.1, 0.0, 0.0) == pytest.approx(0.1)
    assert {learning_rate("constant", 0.1, share) for share in (0.0, 0.5, 1.0)} == {0.1}


def test_the_average_follows_weights_and_buffers():
    model = torch.nn.BatchNorm1d(2)
    average = average_of(model, 0.5)
    for value in (1.0, 3.0):
        with torch.no_grad():
            model.weight.fill_(value)
            model.running_mean.fill_(10 * value)
            model.num_batches_tracked.fill_(int(value))
        average.update_parameters(model)
    # the first call copies; at the second n = 1, so the decay is min(0.5, 2/11)
    expected = 1.0 + (1 - 2 / 11) * 2.0
    assert average.module.weight.tolist() == pytest.approx([expected] * 2)
    assert average.module.running_mean.tolist() == pytest.approx([10 * expected] * 2)
    assert int(average.module.num_batches_tracked) == 3


def test_the_probe_leaves_the_model_as_it_was():
    model = TinyModel().build(16, 9)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    probe = probe_precision(model, torch.rand(8, 1, 16, 16), torch.zeros(8, dtype=torch.int64))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert probe.chosen in ("float32", "bfloat16")
    assert set(probe.seconds) >= {"float32"}
    assert all(parameter.grad is None for parameter in model.parameters())


class Sluggish(torch.nn.Module):
    """A model of which a step takes a second and more, however small the batch."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(1, 9)
        self.seen = []

    def forward(self, images):
        self.seen.append(len(images))
        time.sleep(1.2)
        return self.head(images.mean((2, 3)))

    def __deepcopy__(self, memo):
        return self


def test_a_slow_model_is_probed_with_few_images_and_few_steps():
    model = Sluggish()
    probe = probe_precision(model, torch.rand(64, 1, 16, 16), torch.zeros(64, dtype=torch.int64))
    assert probe.images == 2 and set(model.seen) == {2}
    assert len(model.seen) <= 4, "four seconds are over"
    assert probe.chosen == "float32"


def test_a_probe_ends_between_two_steps_when_told_to():
    asked = []

    def between():
        asked.append(1)
        if len(asked) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        probe_precision(TinyModel().build(16, 9), torch.rand(8, 1, 16, 16), torch.zeros(8, dtype=torch.int64), between)
    assert len(asked) == 3


def test_without_bfloat16_in_the_processor_there_is_nothing_to_probe(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "x86_64", "avx2": True})
    assert not has_bfloat16(cpu)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": True})
    assert has_bfloat16(cpu)
    assert not has_bfloat16(torch.device("mps"))


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_each_process_of_torchrun_takes_a_gpu_of_its_own(monkeypatch, name):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert choose_device(name) == torch.device("cuda", 3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused():
    assert choose_device("auto").type in ("cpu", "mps")
    with pytest.raises(UsageError, match=r"--device cuda: .*leave --device out"):
        choose_device("cuda")
    with pytest.raises(UsageError, match="--device tpu: not one of auto"):
        choose_device("tpu")


# ── feed ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_in_order_whoever_makes_them(workers):
    source = TinySource(RAGGED)
    order = EpochOrder(split_source(source, 0.1).train, 16, 0)
    first = order.batches - 4
    feed = open_feed(source, order, first, 2, workers, open_tiny)
    try:
        for position in range(first, first + 12, 2):  # across the end of an epoch
            expected = BatchMaker(source, order, None).make(position)
            got = feed.next(lambda: None)
            assert (got.images.numpy() == expected[0]).all()
            assert (got.labels.numpy() == expected[1]).all()
        if workers:
            for process in multiprocessing.active_children():
                process.kill()
            with pytest.raises(RunError, match="a process that makes batches died"):
                while True:
                    feed.next(lambda: None)
    finally:
        feed.close()


class Noise:
    """Outliers without a face."""

    share = 0.25

    def __init__(self, level=200):
        self.level = level

    def images(self, numbers):
        keys = Keys(mix64(np.asarray(numbers).astype(np.uint64)))
        return keys.uniform(0, self.level, shape=(16, 16)).astype(np.uint8)

    def with_augments(self, augments):
        return Noise(augments[0]["level"])


def test_outliers_come_last_in_a_batch_each_once():
    source = TinySource(RAGGED)
    order = EpochOrder(split_source(source, 0.1).train, 16, 0)
    plain, maker = BatchMaker(source, order, None), BatchMaker(source, order, Noise())
    seen = set()
    for position in range(2 * order.batches):
        images, labels = maker.make(position)
        own, own_labels = plain.make(position)
        assert (images[: len(own)] == own).all() and (labels[: len(own)] == own_labels).all()
        assert (labels[len(own) :] == UNREAD).all() and len(labels) - len(own) == 4
        seen |= {image.tobytes() for image in images[len(own) :]}
    assert len(seen) == 2 * order.batches * 4
    fainter = maker.with_augments([{"level": 40}], source)
    assert fainter.make(0)[0][-4:].max() <= 40


def test_a_model_that_learnt_from_outliers_is_unsure_of_them():
    source, outliers = TinySource(), Noise()
    order = EpochOrder(split_source(source, 0.1).train, 32, 0)
    found = []
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        model = TinyModel().build(16, len(source.characters))
        chosen = TrainingOptions(outlier_weight=weight, averaging=0.0, threads=1)
        learner = Learner(model, chosen, torch.device("cpu"), Alone())
        maker = BatchMaker(source, order, outliers)
        for position in range(120):
            images, labels = map(torch.from_numpy, maker.make(position))
            loss, logits = learner.learn(images, labels, 0.01, position)
            assert torch.isfinite(loss) and len(logits) == len(labels)
        model.eval()
        with torch.inference_mode():
            unseen = learner.to_device(torch.from_numpy(outliers.images(np.arange(10_000, 10_200))))
            held = learner.to_device(torch.from_numpy(source.images(np.arange(0, len(source), 7))))
            found.append([certainty(model(images).numpy()).mean() for images in (unseen, held)])
    assert found[1][0] < 0.1 < found[0][0], "only the one that gave outliers' loss a weight is unsure"
    assert found[1][1] > 0.4, "and not of its characters"


def test_a_preview_shows_characters_alone():
    images, labels = torch.zeros(6, 16, 16, dtype=torch.uint8), torch.tensor([0, 1, 2, UNREAD, UNREAD, UNREAD])
    preview = preview_batch(3, images, labels, torch.eye(6), "かがさざたや")
    assert (preview.truths, preview.readings, len(preview.images)) == ("かがさ", "かがさ", 3)


def test_without_processes_only_what_is_wanted_is_made():
    source = TinySource()
    order = EpochOrder(split_source(source, 0.1).train, 9, 0)
    feed = open_feed(source, order, 0)
    assert sum(len(feed.next(lambda: None).labels) for _ in range(10)) == source.asked
    feed.close()


def test_a_batch_made_while_the_network_learns_is_the_next_one():
    source = TinySource()
    order = EpochOrder(split_source(source, 0.1).train, 9, 0)
    feed, position = open_feed(source, order, 0), 0

    def is_next():
        nonlocal position
        images, labels = BatchMaker(TinySource(), order, None).make(position)
        got = feed.next(lambda: None)
        position += 1
        return (got.images.numpy() == images).all() and (got.labels.numpy() == labels).all()

    for ahead in (True, True, False, True, False, False):
        assert is_next()
        if ahead:
            with feed.making_ahead():
                pass
            asked = source.asked
            assert is_next() and source.asked == asked, "it is made at the end of the block"
    with feed.making_ahead():
        pass
    feed.change(position, source, [])
    assert is_next(), "a batch with the augmentations of before is discarded"
    feed.close()


@pytest.mark.parametrize("ahead", [False, True])
def test_what_fails_in_the_feed_is_raised_in_the_trainer(ahead):
    source = TinySource(fail_at=0)
    feed = open_feed(source, EpochOrder(split_source(source, 0.0).train, 32, 0), 0)
    with pytest.raises(ValueError, match="this source is broken"):
        for _ in range(20):  # image 0 comes some time in the epoch
            with feed.making_ahead() if ahead else contextlib.nullcontext():
                pass
            feed.next(lambda: None)
    feed.close()
