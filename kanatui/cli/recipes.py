"""The command `recipes`: list, show and save recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import complain, out, print_json, print_text
from kanatui.cli.options import build_recipe, recipe_options
from kanatui.core.errors import RecipeError
from kanatui.core.harmless import harmless

if TYPE_CHECKING:
    from kanatui.dataset.recipe import Recipe


@click.group("recipes", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def recipes_command(context: click.Context, as_json: bool) -> int:
    """List the recipes; `recipes show NAME` prints one, `recipes save NAME` saves a changed one."""
    if context.invoked_subcommand:
        return 0
    from rich.table import Table

    from kanatui.dataset.recipe import DEFAULT, read_recipe, recipe_files

    recipes: dict[str, Recipe] = {}
    status = 0
    for name, path in recipe_files().items():
        try:
            recipes[name] = read_recipe(path)
        except RecipeError as error:  # one that is broken does not take the others from the list
            complain(str(error))
            status = error.exit_status
    if as_json:
        print_json({name: recipe.to_dict() for name, recipe in recipes.items()})
        return status
    table = Table("recipe", "mode", "px", "what it is for", box=None, header_style="bold", pad_edge=False)
    for name, recipe in recipes.items():
        mark = " (default)" if name == DEFAULT else ""
        table.add_row(name, recipe.mode, str(recipe.image_size), harmless(recipe.description, 200) + mark)
    out.print(table)
    return status


@recipes_command.command("show")
@click.argument("name")
@recipe_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def recipes_show(name: str, as_json: bool, **options: Any) -> None:
    """Print a recipe as TOML, with the changes given as options."""
    recipe = _checked(build_recipe(**options | {"recipe": name}))
    if as_json:
        print_json(recipe.to_dict())
    else:
        print_text(recipe.to_toml())


@recipes_command.command("save")
@click.argument("name")
@recipe_options
def recipes_save(name: str, **options: Any) -> None:
    """Save a recipe, with the changes given as options, under a new name."""
    from kanatui.dataset.recipe import save_recipe

    out.print(f"saved {save_recipe(_checked(build_recipe(**options)), name)}", soft_wrap=True)


def _checked(recipe: Recipe) -> Recipe:
    from kanatui.kana.sets import parse_characters
    from kanatui.plugins.registry import load

    recipe.steps(load())
    recipe.glyph_sources(load())
    parse_characters(recipe.characters)
    return recipe
