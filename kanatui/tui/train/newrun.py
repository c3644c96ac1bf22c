"""The form for a new training."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Button, Collapsible, Input, Label, Select, Static
from typing_extensions import override

from kanatui.core import paths
from kanatui.core.errors import KanatuiError
from kanatui.dataset.catalogue import Catalogue
from kanatui.dataset.recipe import DEFAULT, Recipe, find_recipe, read_recipe, recipe_files
from kanatui.training.runs import Run
from kanatui.tui.host import host
from kanatui.tui.starting import begin_training, prepare
from kanatui.tui.train.choices import BUDGET, Defaults, Source, first_options, job_arguments, more_options
from kanatui.tui.widgets.form import FieldHelp, ParameterForm, checked
from kanatui.tui.widgets.picklist import PickList
from kanatui.tui.widgets.pluginforms import PluginForms
from kanatui.tui.words import in_the_app

if TYPE_CHECKING:
    from kanatui.plugins.registry import Registry

_EDITED = "edited:"
_HINT = "ctrl+s starts; the training continues when the app is closed"
_ABOUT_SOURCE = "train on: a recipe, whose images are made as they are needed, or a written data set"
_ABOUT_NAME = "name: of the run · default: that of the recipe or data set"
_ABOUT_MODEL = "model: the network to train; its own parameters are below · default: the recipe's"


class NewRun(Vertical):
    """What to train on, what to train, for how long."""

    class Started(Message):
        """A training was started."""

        def __init__(self, run_id: str) -> None:
            super().__init__()
            self.run_id = run_id

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._registry: Registry | None = None
        self._edited: Recipe | None = None
        self._source: Source | None = None
        self._defaults = Defaults.of({})
        self.model_form: ParameterForm | None = None
        """The chosen model's parameters, None while none is chosen."""
        self._form_of: tuple[int, str] | None = None
        self._sources_taken = 0
        self._choices: list[tuple[str, str]] = []
        self._models: list[str] = []
        self._filling = asyncio.Lock()
        self._loaded = asyncio.Event()
        self.starting = False

    @override
    def compose(self) -> ComposeResult:
        """Yield the button and its hint, and the fields below."""
        with Horizontal(id="new-start"):
            yield Button("Start training", id="start", variant="primary", compact=True)
            yield Static(_HINT, id="new-say", markup=False)
        with VerticalScroll(id="new-form", can_focus=False):
            yield from _field(
                "train on", PickList([], id="new-source", prompt="loading …", compact=True), _ABOUT_SOURCE
            )
            yield from _field("name", Input(id="new-name", placeholder="as the recipe", compact=True), _ABOUT_NAME)
            yield from _field("model", PickList([], id="new-model", prompt="loading …", compact=True), _ABOUT_MODEL)
            yield Vertical(id="new-parameters")
            yield ParameterForm(first_options(), self._defaults.options, id="new-first")
            with Collapsible(title="more", id="new-more"):
                yield ParameterForm(more_options(), self._defaults.options, id="new-rest")
            with Collapsible(title="observers", id="new-watched"):
                yield PluginForms(id="new-observers")
        yield FieldHelp("Press tab for the fields: the range, default and meaning of each are shown here.")

    def on_mount(self) -> None:
        """Fill in the choices."""
        self._load()

    def focus_first(self) -> None:
        """Focus the first field."""
        self._look_again()
        # Not animated: the fields above are made again meanwhile, and an animation would end at its old place.
        self.query_one("#new-form", VerticalScroll).scroll_home(animate=False)
        self.query_one("#new-source", Select).focus(scroll_visible=False)

    @property
    def in_a_field(self) -> bool:
        """Whether one of its fields has the focus."""
        return self.query_one("#new-form").has_focus_within

    def leave_fields(self) -> None:
        """Focus the button that starts the training; while one starts, it takes no focus, and nothing has it."""
        button = self.query_one("#start", Button)
        self.screen.set_focus(None if button.disabled else button)

    async def choose(self, recipe: dict[str, Any] | None, dataset: str | None) -> None:
        """Choose what to train on: a recipe as edited (``Recipe.to_dict()``), or a data set by name."""
        await self._loaded.wait()
        if recipe is not None:
            try:
                self._edited = Recipe.from_dict(recipe)
            except KanatuiError as error:
                self._say(str(error), wrong=True)
                return
        wanted = _EDITED if recipe is not None else f"dataset:{dataset}"
        await self._fill_sources(wanted)

    # ── what there is ─────────────────────────────────────────────────────────────────────────────────────────────

    @work(group="new-load")
    async def _load(self) -> None:
        registry, problems = await asyncio.to_thread(_load_registry)
        self._registry = registry
        self.query_one(PluginForms).show(registry.observers, problems)
        await self._fill_sources(f"recipe:{DEFAULT}")
        self._loaded.set()

    @work(group="new-load")
    async def _look_again(self) -> None:
        """Look for new data sets and recipes, and at plugins that were loaded again."""
        if self._loaded.is_set():
            await self._fill_sources("")
            registry, problems = await asyncio.to_thread(_load_registry)
            self.query_one(PluginForms).show(registry.observers, problems)
            if registry is not self._registry:
                self._registry, self._models, self._form_of = registry, [], None
                self._fill_models(self._model)

    async def _fill_sources(self, wanted: str) -> None:
        """Offer what exists now, and choose ``wanted`` or what was chosen before."""
        async with self._filling:
            choices = await asyncio.to_thread(_list_sources, self._edited)
            select = self.query_one("#new-source", Select)
            target = wanted or ("" if select.is_blank() else str(select.value))
            values = [value for _, value in choices]
            with select.prevent(Select.Changed):
                if choices != self._choices:
                    self._choices = choices
                    select.set_options(choices)
                select.value = target = target if target in values else values[0]
            await self._take_source(target)

    @on(Select.Changed, "#new-source")
    async def _other_source(self, event: Select.Changed) -> None:
        event.stop()
        if not event.select.is_blank():
            await self._take_source(str(event.value))

    async def _take_source(self, value: str) -> None:
        """Fill the form with the source's values; if it is chosen already, keep what was typed."""
        try:
            source = await asyncio.to_thread(_open_source, value, self._edited)
            defaults = Defaults.of(source.recipe.train)
        except KanatuiError as error:
            self._source = None
            self._say(str(error), wrong=True)
            return
        if self._source is not None and self._source.same_as(source):
            return
        self._source, self._defaults = source, defaults
        self._sources_taken += 1
        self._say(_HINT)
        self.query_one("#new-name", Input).placeholder = source.run_name
        for form in (self.query_one("#new-first", ParameterForm), self.query_one("#new-rest", ParameterForm)):
            form.reset(defaults.options, keep=self.screen.focused)
        self._fill_models()

    def _fill_models(self, chosen: str = "") -> None:
        """Offer the models that there are, with ``chosen`` or the source's own chosen."""
        registry, wanted = self._registry, chosen or self._defaults.model
        if registry is None:
            return
        select = self.query_one("#new-model", Select)
        ids = sorted(registry.models)
        with select.prevent(Select.Changed):
            if self._models != ids:
                self._models = ids
                select.set_options([(id, id) for id in ids])
            if wanted in ids:
                select.value = wanted
        self._show_parameters()
        if wanted not in ids:
            self._say(f"the model {wanted} is not there: choose another", wrong=True)

    @on(Select.Changed, "#new-model")
    def _other_model(self, event: Select.Changed) -> None:
        event.stop()
        self._show_parameters()

    def _show_parameters(self) -> None:
        """Make the form of the model's own parameters, unless it is there already."""
        model = self._model
        if not model or self._registry is None or self._form_of == (self._sources_taken, model):
            return
        declared = self._registry.model(model).parameters()
        self._form_of = (self._sources_taken, model)
        self.model_form = ParameterForm(declared, checked(declared, self._defaults.parameters_of(model)))
        # Not awaited: an awaited removal that is cancelled ends Textual's message loop, and with it the app.
        place = self.query_one("#new-parameters", Vertical)
        place.remove_children()
        place.mount(self.model_form)

    @property
    def _model(self) -> str:
        select = self.query_one("#new-model", Select)
        return "" if select.is_blank() else str(select.value)

    # ── changes ───────────────────────────────────────────────────────────────────────────────────────────────────

    @on(ParameterForm.Changed)
    def _changed(self, event: ParameterForm.Changed) -> None:
        event.stop()
        if event.form.id == "new-first":
            self._one_budget(event.form, event.name, event.value)

    def _one_budget(self, form: ParameterForm, name: str, value: Any) -> None:
        """Set the other budget to 0 if one is given."""
        if name in BUDGET and value:
            other = next(budget for budget in BUDGET if budget != name)
            form.reset({other: type(form.values[other])(0)}, keep=self.screen.focused)

    @on(Input.Changed, "#new-name")
    def _named(self, event: Input.Changed) -> None:
        event.stop()
        wrong = _name_problem(event.value)
        self._say(wrong, wrong=bool(wrong))

    def _say(self, text: str, wrong: bool = False) -> None:
        for line in self.query("#new-say").results(Static):  # none if the app is left while a training starts
            line.set_class(wrong, "wrong")
            line.update(f"✗ {in_the_app(text)}" if wrong else text, layout=False)

    # ── starting ──────────────────────────────────────────────────────────────────────────────────────────────────

    @on(Button.Pressed, "#start")
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.start()

    @work(exclusive=True, group="new-start")
    async def start(self) -> None:
        """Start the training of this form."""
        if self.starting:
            return
        wrong = self._what_is_wrong()
        if wrong:
            self._say(wrong, wrong=True)
            return
        self._set_starting(True)
        try:
            self._say("starting …")
            name, wanted = self._wanted()
            config = await prepare(host(self).engine("train"), "configure", self._say, **wanted)
            run = await asyncio.to_thread(Run.create, name, config)
            await begin_training(run, self._say)
        except KanatuiError as error:
            self._say(str(error), wrong=True)
        else:
            self._say("")
            self.post_message(self.Started(run.id))
        finally:
            self._set_starting(False)

    def _set_starting(self, starting: bool) -> None:
        self.starting = starting
        for button in self.query("#start").results(Button):
            button.disabled = starting

    def _what_is_wrong(self) -> str:
        forms = self.query(ParameterForm)
        for form in forms:  # what was typed last may still be under way
            for name, value in form.settle().items():
                self._one_budget(form, name, value)
        for form in forms:
            if wrong := form.wrong:
                return f"{wrong.parameter.label}: {wrong.error}"
        if wrong_name := _name_problem(self.query_one("#new-name", Input).value):
            return wrong_name
        if self._source is None:
            return "choose what to train on"
        return "" if self.model_form is not None and self._model else "choose a model"

    def _wanted(self) -> tuple[str, dict[str, Any]]:
        """Return the run's name, and the arguments that its configuration is made from."""
        assert self._source is not None
        assert self.model_form is not None
        assert self._registry is not None
        options: Mapping[str, Any] = {
            **self.query_one("#new-first", ParameterForm).values,
            **self.query_one("#new-rest", ParameterForm).values,
        }
        declared, parameters = self._registry.model(self._model).parameters(), self.model_form.values
        name = self.query_one("#new-name", Input).value.strip() or self._source.run_name
        wanted = job_arguments(self._source, self._model, declared, parameters, options, self._defaults)
        return name, wanted | {"observers": self.query_one(PluginForms).settings}


def _field(label: str, control: Select[str] | Input, about: str) -> ComposeResult:
    control.tooltip = about
    with Horizontal(classes="new-field"):
        yield Label(label, classes="label")
        yield control


def _name_problem(name: str) -> str:
    problem = paths.name_problem(name.strip()) if name.strip() else ""
    return f"name: {problem}" if problem else ""


def _list_sources(edited: Recipe | None) -> list[tuple[str, str]]:
    """Return what can be trained on, as pairs of label and value."""
    choices = [(f"recipe {name}", f"recipe:{name}") for name in recipe_files()]
    if edited is not None:
        choices.insert(0, (f"recipe {edited.name or 'without a name'}, as edited under Dataset", _EDITED))
    return choices + [
        (f"data set {entry.name} ({entry.images:,} images)", f"dataset:{entry.name}")
        for entry in Catalogue().look()
        if entry.state == "complete"
    ]


def _open_source(value: str, edited: Recipe | None) -> Source:
    kind, _, name = value.partition(":")
    if kind == "dataset":
        return Source("dataset", name, read_recipe(paths.datasets() / name / "recipe.toml"))
    if value == _EDITED and edited is not None:
        return Source("edited", edited.name, edited)
    return Source("recipe", name, find_recipe(name))


def _load_registry() -> tuple[Registry, dict[str, str]]:
    """Return the plugins, and why some observers cannot be used, by their ids."""
    from kanatui.plugins.registry import load, problem_of

    registry = load()
    problems = {id: problem_of(cls) for id, cls in registry.observers.items()}
    return registry, {id: problem for id, problem in problems.items() if problem}
