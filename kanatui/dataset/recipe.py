"""Recipes: everything that determines the pixels of a data set, as TOML."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit

from kanatui.core import paths, storage
from kanatui.core.errors import KanatuiError, ParameterError, RecipeError, UsageError
from kanatui.core.params import Choice, Configurable, Float, Int, Text, Words
from kanatui.kana.alphabet import DEFAULT_SET, SETS
from kanatui.kana.sets import parse_characters, spell_characters
from kanatui.plugins.bases import GlyphSource, Pixel, Placement
from kanatui.plugins.registry import Registry

DEFAULT = "handwriting"


class Chance(Configurable):
    """The parameter that every step has besides those of its plugin."""

    p = Float(1.0, min=0.0, max=1.0, step=0.05, label="probability", help="share of the images that it changes")


@dataclasses.dataclass(frozen=True)
class Augment:
    """One step of a recipe: a plugin's id, the probability that it applies, and the parameters that were set."""

    plugin: str
    p: float = 1.0
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the step as it stands in TOML."""
        chance = {} if self.p == 1.0 else {"p": self.p}
        return {"plugin": self.plugin} | chance | {key: _plain(value) for key, value in self.values.items()}


class Outliers(Configurable):
    """What a training shows a model besides its characters, so that it learns to be unsure of what it cannot read."""

    id = "outliers"
    characters = Words(("latin", "digits", "joyo"), help="sets of characters, each shown as often as the others")
    faces = Words((), help="as for the recipe's; none: the recipe's")
    share = Float(0.1, min=0.0, max=1.0, step=0.01, help="outliers for each image of a character")
    shapes = Float(0.3, min=0.0, max=1.0, step=0.05, help="share of them that are scribbles, blots and textures")
    glyphs = Int(4000, min=1, max=200_000, help="how many glyphs (a character in a face) to draw for it at most")

    def pinned(self, held_out: Sequence[str]) -> Outliers:
        """Return the same with its characters spelled out, and without the faces that a training holds out."""
        characters = [spell_characters(parse_characters(spec)) for spec in self.characters]
        faces = [*(self.faces or ("*",)), *(f"-{pattern}" for pattern in held_out)] if held_out else self.faces
        return Outliers(**self.values | {"characters": characters, "faces": faces})


class Recipe(Configurable):
    """The description of a data set. Immutable: ``but``, ``without`` and ``set`` return changed copies.

    Raises :class:`ParameterError` for unknown keys and values out of range.
    """

    id = "recipe"
    description = Text("", help="one line that says what it is for")
    characters = Text(DEFAULT_SET, help=f"{', '.join(SETS)}, a-z, U+4E00-U+4E2F, a text file, or characters")
    faces = Words(("*",), help="ids with *, or style:gothic|mincho|handwriting|brush; a leading - leaves out")
    image_size = Int(64, min=16, max=512, step=8, unit="px", help="side of the square images")
    mode = Choice("random", choices=("grid", "random"), help="every combination, or drawn at random")
    images_per_character = Int(0, min=0, max=10_000_000, help="how many if random; in a grid the most, 0 for all")
    seed = Int(0, min=0, max=2**53, help="another seed gives other images")
    rendering = Choice("placed", choices=("placed", "exact"), help="resampled masters (fast), or each by ImageMagick")
    balance = Choice("face", choices=("face", "style"), help="what is equally frequent: faces, or their styles")

    def __init__(
        self,
        name: str = "",
        augments: Sequence[Augment] = (),
        train: Mapping[str, Any] | None = None,
        outliers: Outliers | None = None,
        sources: Mapping[str, Mapping[str, Any]] | None = None,
        **values: Any,
    ) -> None:
        super().__init__(**values)
        self.name = name
        self.augments = tuple(augments)
        self.train = dict(train or {})
        self.outliers = outliers
        self.sources = {plugin: dict(settings) for plugin, settings in (sources or {}).items() if settings}
        """The parameters that are set of glyph sources, by the plugins' ids."""
        if self.mode == "random" and self.images_per_character == 0:
            raise ParameterError("recipe.images_per_character: a random recipe needs a number above 0")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], name: str = "") -> Recipe:
        """Build a recipe from what TOML holds. ParameterError for anything unknown or out of range."""
        apart = ("augment", "train", "outliers", "source", "name")
        fields = {key: value for key, value in data.items() if key not in apart}
        tables = {key: data.get(key, {}) for key in ("train", "outliers")}
        for key, table in tables.items():
            if not isinstance(table, Mapping):
                raise ParameterError(f"recipe.{key}: not a table")
        steps = [_augment(step) for step in _tables(data, "augment", "a step")]
        outliers = Outliers(**tables["outliers"]) if "outliers" in data else None
        return cls(str(data.get("name", name)), steps, tables["train"], outliers, _sources(data), **fields)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``from_dict`` reads back."""
        data: dict[str, Any] = {"name": self.name} if self.name else {}
        data |= {key: _plain(value) for key, value in self.values.items() if value != "" or key != "description"}
        data["augment"] = [augment.to_dict() for augment in self.augments]
        if self.sources:
            data["source"] = source_tables(self.sources)
        if self.outliers:
            data["outliers"] = {key: _plain(value) for key, value in self.outliers.values.items()}
        return data | ({"train": dict(self.train)} if self.train else {})

    def to_toml(self) -> str:
        """Return the recipe as a TOML file."""
        return tomlkit.dumps(self.to_dict())

    def fingerprint(self) -> str:
        """Return a hash of everything that decides the pixels of its characters.

        Name, description, training defaults and outliers do not.
        """
        data = {k: v for k, v in self.to_dict().items() if k not in ("name", "description", "train", "outliers")}
        return hashlib.sha256(json.dumps(data, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def but(self, **changes: Any) -> Recipe:
        """Return a copy with some fields changed (``augments``, ``train``, ``outliers``, ``sources`` among them)."""
        names = ("name", "augments", "train", "outliers", "sources")
        apart = {key: changes.pop(key, getattr(self, key)) for key in names}
        return Recipe(**apart, **(self.values | changes))

    def pinned(self, characters: str, faces: Sequence[str], held_out: Sequence[str] = ()) -> Recipe:
        """Return the recipe for the characters and faces that it came to on a machine, whatever there is elsewhere.

        Args:
            characters: those that are drawn, in order.
            faces: their ids.
            held_out: patterns of those that are not trained on; outliers are not drawn with them.
        """
        outliers = self.outliers.pinned(held_out) if self.outliers else None
        return self.but(characters=spell_characters(characters), faces=list(faces), outliers=outliers)

    def steps(self, registry: Registry) -> list[tuple[Placement | Pixel, float]]:
        """Make the augmentations, in order, each with its probability.

        Raises:
            PluginError: a plugin is unknown or failed to load.
            ParameterError: a parameter is unknown or out of range.
        """
        return [(registry.augmentation(step.plugin)(**step.values), step.p) for step in self.augments]

    def glyph_sources(self, registry: Registry) -> dict[str, GlyphSource]:
        """Make all glyph sources, by id, with the parameters that are set here.

        Raises:
            PluginError: there is no such source.
            ParameterError: a parameter is unknown or out of range.
        """
        made = {plugin: registry.glyph_source(plugin)(**values) for plugin, values in self.sources.items()}
        return {id: made[id] if id in made else cls() for id, cls in registry.glyph_sources.items()}

    def without(self, ids: Sequence[str]) -> Recipe:
        """Leave augmentations out. UsageError for one that is not in the recipe."""
        for id in ids:
            self._require(id, "--without")
        return self.but(augments=[step for step in self.augments if step.plugin not in ids])

    def added(self, id: str, place: str = "") -> Recipe:
        """Add an augmentation: last, at a place (``1`` is the first), or before another one, by its id.

        UsageError if there is no such place.
        """
        steps = [*self.augments, Augment(id)]
        present = [step.plugin for step in self.augments]
        if place in present:
            steps.insert(present.index(place), steps.pop())
        elif place.isdecimal() and 1 <= int(place) <= len(steps):
            steps.insert(int(place) - 1, steps.pop())
        elif place:
            known = ", ".join(present) or "none"
            raise UsageError(
                f"--with {id}@{place}: neither a number from 1 to {len(steps)} nor a step (it has: {known})"
            )
        return self.but(augments=steps)

    def set(self, assignment: str, registry: Registry) -> Recipe:
        """Apply ``plugin.param=value`` or ``field=value`` as typed. UsageError, which names it, if it is invalid."""
        target, equals, text = assignment.partition("=")
        plugin, dot, param = target.strip().rpartition(".")
        if not equals or not param:
            raise UsageError(f"--set {assignment}: not of the form plugin.param=value")
        try:
            if not dot or plugin == self.id:
                return self.but(**{param: self.parse(param, text)})
            if plugin == Outliers.id:
                known = self.outliers.values if self.outliers else {}
                return self.but(outliers=Outliers(**known | {param: Outliers.parse(param, text)}))
            if plugin in {**registry.glyph_sources, **registry.outlier_sources}:
                set_before = self.sources.get(plugin, {})
                value = registry.glyph_source(plugin).parse(param, text)
                return self.but(sources={**self.sources, plugin: {**set_before, param: value}})
            self._require(plugin, f"--set {assignment}")
            return self.but(augments=[_with(step, param, text, registry) for step in self._matching(plugin)])
        except ParameterError as error:
            raise UsageError(f"--set {assignment}: {error}") from None

    def _matching(self, plugin: str) -> list[tuple[Augment, bool]]:
        return [(step, step.plugin == plugin) for step in self.augments]

    def _require(self, id: str, option: str) -> None:
        present = [step.plugin for step in self.augments]
        if id not in present:
            raise UsageError(
                f"{option}: the recipe has no augmentation {id!r} (it has: {', '.join(present) or 'none'})"
            )


def _with(step: tuple[Augment, bool], param: str, text: str, registry: Registry) -> Augment:
    augment, matches = step
    if not matches:
        return augment
    if param == "p":
        try:
            return dataclasses.replace(augment, p=Chance.p.parse(text))
        except ValueError as error:
            raise ParameterError(f"{augment.plugin}.p: {error}") from None
    value = registry.augmentation(augment.plugin).parse(param, text)
    return dataclasses.replace(augment, values=dict(augment.values) | {param: value})


def source_tables(sources: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the ``[[source]]`` tables of glyph sources' parameters, given by the plugins' ids."""
    return [
        {"plugin": plugin} | {key: _plain(value) for key, value in values.items()} for plugin, values in sources.items()
    ]


def without_folders(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's plain data for others: with the mere names of the folders that its glyph sources read."""
    tables = [
        {key: Path(value).name if Path(str(value)).is_absolute() else value for key, value in table.items()}
        for table in data.get("source", [])
    ]
    return {**data, "source": tables} if tables else dict(data)


def _tables(data: Mapping[str, Any], name: str, called: str) -> list[Mapping[str, Any]]:
    """Return an array of tables, each of which names its plugin."""
    tables = data.get(name, [])
    if not isinstance(tables, Sequence) or not all(isinstance(table, Mapping) for table in tables):
        raise ParameterError(f"recipe.{name}: not an array of tables ([[{name}]])")
    if not all(isinstance(table.get("plugin"), str) for table in tables):
        raise ParameterError(f'recipe.{name}: {called} lacks its plugin (plugin = "…")')
    return list(tables)


def _sources(data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for table in _tables(data, "source", "a source"):
        if table["plugin"] in found:
            raise ParameterError(f"recipe.source: {table['plugin']} is there twice")
        found[table["plugin"]] = {key: value for key, value in table.items() if key != "plugin"}
    return found


def _augment(step: Mapping[str, Any]) -> Augment:
    plugin = str(step["plugin"])
    try:
        p = Chance.p.check(step.get("p", 1.0))
    except ValueError as error:
        raise ParameterError(f"{plugin}.p: {error}") from None
    return Augment(plugin, p, {key: value for key, value in step.items() if key not in ("plugin", "p")})


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe file; plugin parameters are checked when it is used (:meth:`Recipe.steps`).

    Raises:
        RecipeError: the file cannot be read, is not TOML (line and column are named), or a value is wrong.
    """
    data = storage.read_toml(path, RecipeError)
    try:
        return Recipe.from_dict(data, name=path.stem)
    except KanatuiError as error:
        raise RecipeError(f"{path}: {error}") from None


def recipe_files() -> dict[str, Path]:
    """Return the files of all named recipes: built-in ones, and the user's, which take precedence."""
    builtin = Path(__file__).parent / "recipes"
    found = [*sorted(builtin.glob("*.toml")), *sorted((paths.config() / "recipes").glob("*.toml"))]
    return {path.stem: path for path in found}


def find_recipe(reference: str) -> Recipe:
    """Return a recipe by name or by path. UsageError if there is none, RecipeError if it is broken."""
    files = recipe_files()
    if reference in files:
        return read_recipe(files[reference])
    path = Path(reference)
    if path.suffix == ".toml" or os.path.isfile(path):
        return read_recipe(path)
    near = difflib.get_close_matches(reference, files, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(files)}"
    raise UsageError(f"unknown recipe {reference!r} ({hint})")


def save_recipe(recipe: Recipe, name: str) -> Path:
    """Save the recipe among the user's own and return the file.

    Raises:
        UsageError: the name is not a plain one.
        StorageError: it cannot be written.
    """
    if problem := paths.name_problem(name):
        raise UsageError(f"recipe {name!r}: {problem}")
    folder = storage.make_folder(paths.config() / "recipes")
    storage.write_bytes(folder / f"{name}.toml", recipe.but(name=name).to_toml().encode())
    return folder / f"{name}.toml"
