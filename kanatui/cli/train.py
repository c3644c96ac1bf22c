"""The command `train`: start a new run, continue one, or repeat one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import complain, counting, out, with_json
from kanatui.cli.options import LABELS_HELP, build_recipe, chosen_characters, open_stream, recipe_options
from kanatui.cli.runs import say_what_next, told_of
from kanatui.cli.training_options import observer_settings, recipe_keys, settle, training_options
from kanatui.cli.watch import display
from kanatui.core import processes
from kanatui.core.errors import KanatuiError, RunError, UsageError
from kanatui.training.options import TrainingOptions

if TYPE_CHECKING:
    from kanatui.dataset.recipe import Recipe
    from kanatui.dataset.source import ImageSource
    from kanatui.training.distributed import Alone
    from kanatui.training.runs import Run


@click.command("train")
@click.argument("name", required=False, metavar="[RECIPE]")
@click.option("--data", metavar="DATASET|DIR", help="Train on a data set, or on labelled pictures, not on a recipe.")
@click.option("--labels", metavar="NOTATION|FILE", help=f"How the labels of pictures are written: {LABELS_HELP}.")
@click.option("--resume", metavar="RUN", help="Continue a stopped or crashed run exactly.")
@click.option("--replay", metavar="RUN", help="Repeat a run exactly, including changes made while it trained.")
@click.option("--detach", is_flag=True, help="Train in the background; `kanatui attach` shows it.")
@click.option("--name", "run_name", metavar="NAME", help="Name of the run (default: the recipe's).")
@click.option("--model-set", "assignments_of_model", multiple=True, metavar="PARAM=VALUE", help="e.g. width=48")
@click.option("--observer-set", "watching", multiple=True, metavar="ID.PARAM=VALUE", help="e.g. tensorboard.write=on")
@training_options
@recipe_options
@click.option("--run-dir", type=click.Path(path_type=Path), hidden=True)
@with_json
@click.pass_context
def train_command(
    context: click.Context,
    /,
    name: str | None,
    data: str | None,
    labels: str | None,
    resume: str | None,
    replay: str | None,
    detach: bool,
    run_name: str | None,
    assignments_of_model: tuple[str, ...],
    watching: tuple[str, ...],
    run_dir: Path | None,
    **options: Any,
) -> dict[str, Any] | None:
    """Train a model on images generated on the fly, or on a data set.

    Defaults come from the recipe's [train] table. Ctrl-C stops with a checkpoint; --resume continues from it.
    """
    from kanatui.training.runs import Run

    if run_dir:
        _train_in_background(Run(run_dir))
        return None
    if resume:
        _refuse_with("--resume", context, allowed=("resume", "detach", "as_json"))
        return told_of(_begin(lambda: _resumable(resume), detach, _device_of(resume), fresh=False))
    if replay:
        _refuse_with("--replay", context, allowed=("replay", "detach", "run_name", "as_json"))
        return told_of(_begin(lambda: _repeating(replay, run_name), detach, _device_of(replay)))
    _let_defaults_yield(context, options, bool(name or data))
    if name and options["recipe"]:
        raise UsageError("give the recipe once: as an argument or as --recipe")
    pictures = Path(data) if data and _holds_pictures(data) else None
    if labels and not pictures:
        raise UsageError("--labels: only with --data and labelled pictures; a data set knows its labels")
    if data and not pictures:
        if name or options["recipe"]:
            raise UsageError("give a recipe or --data, not both")
        unfit = ("name", "recipe", *(key for key in recipe_keys(options) if key != "seed"))
        _refuse_with("--data", context, refused=unfit)
    options |= {"recipe": name or options["recipe"]}
    observers = observer_settings(watching)
    if pictures:
        return told_of(_train_on(pictures, labels, run_name, assignments_of_model, options, detach, observers))
    return told_of(_train_new(data, run_name, assignments_of_model, options, detach, observers))


def _let_defaults_yield(context: click.Context, options: dict[str, Any], source_given: bool) -> None:
    """Drop defaults of the user's file that what was typed excludes: the other budget, another recipe."""

    def typed(name: str) -> bool:
        return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE

    for one, other in (("epochs", "minutes"), ("minutes", "epochs")):
        if typed(one) and not typed(other):
            options[other] = None
    if source_given and not typed("recipe"):
        options["recipe"] = None


def _refuse_with(
    option: str, context: click.Context, allowed: tuple[str, ...] | None = None, refused: tuple[str, ...] = ()
) -> None:
    """Raise UsageError for options that cannot be combined with ``option``."""
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "") is click.core.ParameterSource.COMMANDLINE
        if given and (parameter.name in refused if allowed is None else parameter.name not in allowed):
            raise UsageError(f"{parameter.opts[0]}: cannot be combined with {option}")


# ── a new run ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _train_new(
    data: str | None,
    name: str | None,
    assignments: tuple[str, ...],
    options: dict[str, Any],
    detach: bool,
    observers: Mapping[str, Mapping[str, Any]],
) -> Run:
    from kanatui.training.config import make_config
    from kanatui.training.runs import Run, plain_run_name

    recipe = _recipe_of_data(data) if data else build_recipe(**{key: options[key] for key in recipe_keys(options)})
    chosen, parameters = settle(recipe, options, assignments)
    # Wrong options are told before this: torch takes a second to import.
    from kanatui.training.device import choose_device

    choose_device(chosen.device)  # before the source is opened, which can take a minute
    source = _open(data, recipe)
    faces = source.face_ids
    config = make_config(source.spec(), source.characters, faces, chosen, parameters, recipe.name, observers)
    name = name or plain_run_name(Path(data or recipe.name).stem)
    return _begin(lambda: Run.create(name, config), detach, chosen.device, source)


def _holds_pictures(data: str) -> bool:
    """Return whether ``--data`` names a place of labelled pictures instead of a data set."""
    from kanatui.core import paths

    known = any(os.path.isfile(folder / "manifest.json") for folder in (paths.datasets() / data, Path(data)))
    return os.path.exists(data) and not known


def _train_on(
    place: Path,
    labels: str | None,
    name: str | None,
    assignments: tuple[str, ...],
    options: dict[str, Any],
    detach: bool,
    observers: Mapping[str, Mapping[str, Any]],
) -> Run:
    """Train on labelled pictures, which are kept in the run's folder as they were prepared."""
    from kanatui.evaluation.adapt import train_on_pictures
    from kanatui.training.config import make_config
    from kanatui.training.runs import Run, plain_run_name

    recipe = build_recipe(**{key: options[key] for key in recipe_keys(options)})
    chosen, parameters = settle(recipe, options, assignments)
    characters = chosen_characters(options["characters"])

    def create() -> Run:
        with counting("preparing pictures", "pictures") as report:
            source, pictures, left_out = train_on_pictures(place, labels or "auto", recipe, report, characters)
        for reason in left_out:
            complain(reason)
        held = int(source.held.sum())
        learnt = f"{len(pictures.keys) - held:,} pictures of {len(source.characters)} characters"
        out.print(f"{learnt}; {held:,} are held out")
        run = Run.create(name or plain_run_name(place.stem), {})
        file = run.path / "samples.npz"
        pictures.save(file)
        spec = source.spec() | {"samples": str(file)}
        faces = source.stream.face_ids
        run.configure(make_config(spec, source.characters, faces, chosen, parameters, recipe.name, observers))
        return run

    return _begin(create, detach, chosen.device)


def _recipe_of_data(data: str) -> Recipe:
    from kanatui.dataset.read import find_dataset
    from kanatui.dataset.recipe import read_recipe

    return read_recipe(find_dataset(data) / "recipe.toml")


def _open(data: str | None, recipe: Recipe) -> ImageSource:
    if data:
        from kanatui.dataset.read import find_dataset, open_dataset

        return open_dataset(find_dataset(data))
    return open_stream(recipe)


# ── running it ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _begin(
    make: Callable[[], Run], detach: bool, device: str, source: ImageSource | None = None, fresh: bool = True
) -> Run:
    """Make or find a run and train it as :func:`start_run` does, with the other processes if torchrun started this."""
    from kanatui.training.torchrun import processes_together, run_of_launch

    if detach:
        if processes_together() > 1:
            raise UsageError("--detach: cannot be given under torchrun")
        return start_run(make(), detach, fresh=fresh)
    from kanatui.training.device import choose_device
    from kanatui.training.distributed import join

    with join(choose_device(device)) as group:
        run = start_run(run_of_launch(group, make), detach, source, group, fresh)
        if not group.first:
            click.get_current_context().exit()  # the first process says what came of it
    return run


def _device_of(reference: str) -> str:
    """Return the option ``device`` of a run."""
    from kanatui.training.runs import find_run

    table = find_run(reference).config.get("train", {})
    return str(table.get("device", TrainingOptions.device.default))


def _resumable(reference: str) -> Run:
    from kanatui.training.runs import find_run

    run = find_run(reference)
    run.require_idle()
    if run.status().state == "finished":
        raise RunError(f"run {run.id} is finished; start a new one (kanatui train --epochs or --minutes)")
    return run


def _repeating(reference: str, name: str | None) -> Run:
    from kanatui.training.replay import create_replay
    from kanatui.training.runs import find_run

    return create_replay(find_run(reference), name)


def start_run(
    run: Run, detach: bool, source: ImageSource | None = None, group: Alone | None = None, fresh: bool = False
) -> Run:
    """Train a run, here or in the background, and return it.

    A fresh one that fails before its first checkpoint is deleted.

    Raises:
        KanatuiError: it could not start or continue.
        KeyboardInterrupt: it was stopped by Ctrl-C, with a checkpoint.
    """
    first = group is None or group.first
    try:
        if detach:
            _train_detached(run)
        else:
            _train_here(run, source, group)
    except (KanatuiError, KeyboardInterrupt):
        if fresh and first:
            run.discard()
        raise
    return run


def _train_detached(run: Run) -> None:
    from kanatui.training import launch

    status = launch.start(run)
    out.print(f"run {run.id} trains in the background (process {status.pid})")
    out.print(f"watch it: kanatui attach {run.number}    stop it: kanatui stop {run.number}")


def _train_here(run: Run, source: ImageSource | None, group: Alone | None) -> None:
    from kanatui.training.session import train_run

    processes.be_nice()
    if group and not group.first:
        train_run(run, source=source, group=group)
        return
    with display(run.id) as shown:
        ended = train_run(run, [shown.show], source=source, group=group)
    _say_whether_same(run)
    if not ended.interrupted or run.checkpoint("state").exists():  # without one, the run is discarded
        say_what_next(run, ended.state)
    if ended.interrupted:
        raise KeyboardInterrupt


def _say_whether_same(run: Run) -> None:
    """Print whether a replay ended with the weights of the run it repeats."""
    from kanatui.training.replay import same_weights

    same = same_weights(run)
    if same is not None:
        other = "another device, number of threads or version of torch may be why"
        verdict = "identical, bit for bit, to those" if same else f"not identical to those ({other})"
        out.print(f"the weights are {verdict} of run {run.config['replay']}", soft_wrap=True)


def _train_in_background(run: Run) -> None:
    """Train in the process started by --detach; its standard error is the run's log."""
    from kanatui.training.session import train_run

    with display(run.id) as shown:
        train_run(run, [shown.show], detached=True)
