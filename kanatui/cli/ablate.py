"""The command `ablate`: compares trainings that differ in one option."""

from __future__ import annotations

import dataclasses
import functools
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import out, print_json, status
from kanatui.cli.options import build_recipe, recipe_options
from kanatui.cli.training_options import recipe_keys, settle, training_options
from kanatui.cli.watch import display
from kanatui.core import processes
from kanatui.core.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from kanatui.evaluation.ablation import Trial, Variant

_POINTS = 100  # scores are shown in hundredths


def _variable_options(command: Any) -> Any:
    """Add the options that may differ between variants: those of the recipe, the training and the model."""
    models = click.option(
        "--model-set",
        "assignments_of_model",
        multiple=True,
        metavar="PARAM=VALUE",
        help="Set a model parameter, e.g. width=48.",
    )
    return models(training_options(recipe_options(command)))


@click.command("ablate")
@click.argument("name", required=False, metavar="[RECIPE]")
@click.option(
    "--variant",
    "texts",
    multiple=True,
    metavar="'NAME: OPTIONS'",
    help="A variant to compare, e.g. 'no noise: --without noise' or 'wide: --model-set width=32'.",
)
@click.option("--each", is_flag=True, help="Also leave out each augmentation of the recipe in turn.")
@click.option(
    "--seeds", type=click.IntRange(1), default=3, show_default=True, metavar="N", help="Trainings per variant."
)
@click.option(
    "--images",
    "pictures",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Also evaluate on labelled pictures, LABEL/*.png.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_variable_options
def ablate_command(
    name: str | None,
    texts: tuple[str, ...],
    each: bool,
    seeds: int,
    pictures: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train short runs that differ in one thing, with a few seeds each, and compare their scores.

    The options are those of `kanatui train`. Given directly, they apply to all runs; inside a --variant, only to that
    variant, where repeatable options such as --set add to the common ones. Runs are kept: repeating the command trains
    only what is missing.
    """
    from kanatui.evaluation import ablation

    if name and options["recipe"]:
        raise UsageError("give the recipe once: as an argument or as --recipe")
    options["recipe"] = name or options["recipe"]
    base = _variant(ablation.BASE, options)
    variants = [base, *(_parsed(text, options) for text in texts), *(ablation.one_out(base) if each else ())]
    names = [variant.name for variant in variants]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"--variant {twice}: the name is used twice")
    processes.be_nice()
    first = options["seed"] or 0
    trials: dict[str, list[Trial]] = {name: [] for name in names}
    # Seed by seed, so that an interrupted comparison is usable as far as it got.
    for place, seed in enumerate(range(first, first + seeds)):
        for number, variant in enumerate(variants, start=1 + place * len(variants)):
            title = f"{number}/{seeds * len(variants)} {variant.name}, seed {seed}"
            trials[variant.name].append(_trial(variant, seed, pictures, title))
    if as_json:
        print_json(_plain(variants, trials))
    else:
        out.print(_table(trials, ablation.columns(pictures)))
        out.print(f"percent, mean ± standard deviation of {seeds} seeds; ↑↓ against “{ablation.BASE}”")


@click.command("variant", add_help_option=False)
def _variant_command(**options: Any) -> None:
    """Parse a variant's options; it is never run."""


_variable_options(_variant_command)


def _parsed(text: str, options: dict[str, Any]) -> Variant:
    """Parse ``NAME: OPTIONS`` on top of the common options. UsageError, naming the variant, if invalid."""
    name, colon, typed = text.partition(":")
    if not colon or not name.strip() or not typed.strip():
        raise UsageError(f"--variant {text!r}: not of the form 'NAME: OPTIONS', such as 'no noise: --without noise'")
    try:
        given = _variant_command.make_context("variant", shlex.split(typed)).params
        merged = {
            key: options[key] + value if isinstance(value, tuple) else options[key] if value is None else value
            for key, value in given.items()
        }
        return _variant(name.strip(), merged)
    except (click.ClickException, UsageError, ValueError) as error:
        said = error.format_message() if isinstance(error, click.ClickException) else str(error)
        raise UsageError(f"--variant {name.strip()}: {said}") from None


def _variant(name: str, options: dict[str, Any]) -> Variant:
    from kanatui.evaluation.ablation import Variant

    plain = {key: value for key, value in options.items() if key != "assignments_of_model"}
    recipe = build_recipe(**{key: plain[key] for key in recipe_keys(plain)})
    chosen, parameters = settle(recipe, plain, options["assignments_of_model"])
    return Variant(name, recipe, chosen, parameters)


def _trial(variant: Variant, seed: int, pictures: Path | None, title: str) -> Trial:
    from kanatui.evaluation import ablation

    with display(title) as shown:
        run = ablation.train(variant, seed, [shown.show])
    with status(f"{title}: evaluating") as shown:
        return ablation.judge(run, seed, pictures, functools.partial(_tell, shown, title))


def _tell(shown: Any, title: str, done: int, total: int, what: str) -> None:
    shown.update(f"{title}: {what}" + (f" {done:,}/{total:,}" if total else ""))


def _table(trials: dict[str, list[Trial]], columns: Sequence[str]) -> Table:
    from rich.table import Table

    from kanatui.evaluation.ablation import spread

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("variant")
    for column in (*columns, "images/s"):
        table.add_column(column, justify="right")
    base = next(iter(trials.values()))
    for name, found in trials.items():
        cells = []
        for column in columns:
            mean, deviation = spread([_POINTS * trial.scores[column] for trial in found])
            change = mean - spread([_POINTS * trial.scores[column] for trial in base])[0]
            arrow = "" if found is base or abs(change) < 0.05 else f" {'↑' if change > 0 else '↓'}{abs(change):.1f}"
            cells.append(f"{mean:.1f} ± {deviation:.1f}{arrow}")
        table.add_row(name, *cells, f"{spread([trial.rate for trial in found])[0]:,.0f}")
    return table


def _plain(variants: Sequence[Variant], trials: dict[str, list[Trial]]) -> list[dict[str, Any]]:
    return [
        {
            "variant": variant.name,
            "recipe": variant.recipe.to_dict(),
            "train": variant.options.values,
            "model": dict(variant.parameters),
            "runs": [dataclasses.asdict(trial) for trial in trials[variant.name]],
        }
        for variant in variants
    ]
