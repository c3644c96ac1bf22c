"""A form made from declared parameters (:mod:`kanatui.core.params`), as recipes and options use them.

Data flows one way, from the fields to whoever listens. What listens never writes back: an answer to an older text
would replace the newer one, whose change then asks for the older again, and so on for ever. Only
:meth:`ParameterForm.reset` and :meth:`ParameterForm.put` write into fields, for what the user chose elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Checkbox, Input, Label, Select, Static
from typing_extensions import override

from kanatui.core.params import Bool, Choice, Float, Int, Parameter

_STEPS = 20
"""Key presses that take a number from its minimum to its maximum, if no step is declared."""

_LONGEST_DEFAULT = 24
"""Characters of a default that are shown: a grid's list of sizes has seventy."""

Check = Callable[[Any], str]
"""Returns what is wrong with a value beyond what its declaration says, "" if nothing is."""


class NumberInput(Input):
    """A number field. Up and down change it by the declared step."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(1)", "More", show=False),
        Binding("down", "step(-1)", "Less", show=False),
    ]

    def __init__(self, parameter: Parameter[Any], **options: Any) -> None:
        super().__init__(**options)
        self._parameter = parameter

    def action_step(self, direction: int) -> None:
        """Go one step up or down, within the bounds; does nothing if the text is not a number."""
        parameter = self._parameter
        try:
            number = float(parameter.parse(self.value))
        except ValueError:
            return
        number += direction * self._step()
        least = parameter.min if parameter.min is not None else number
        most = parameter.max if parameter.max is not None else number
        number = round(max(least, min(number, most)), 10)
        self.value = parameter.format(int(number) if isinstance(parameter, Int) else number)

    def _step(self) -> float:
        parameter = self._parameter
        if parameter.step is not None:
            return parameter.step
        if isinstance(parameter, Int):
            return 1.0
        if parameter.min is None or parameter.max is None:
            return 1.0
        return (parameter.max - parameter.min) / _STEPS


class Field(Vertical):
    """One parameter: its name, a control and its unit. :class:`FieldHelp` says what it means and what is wrong."""

    def __init__(self, parameter: Parameter[Any], value: Any) -> None:
        super().__init__(classes="field")
        self.parameter = parameter
        self.error = ""
        self._value = value
        self._label = Label(parameter.label, classes="label", markup=False)
        self.control = self._control()

    @override
    def compose(self) -> ComposeResult:
        with Horizontal():
            yield self._label
            yield self.control
            yield Label(self.parameter.unit, classes="unit", markup=False)

    def _control(self) -> Input | Checkbox | Select[str]:
        parameter, text = self.parameter, self.parameter.format(self._value)
        if isinstance(parameter, Bool):
            return Checkbox("", self._value, compact=True)
        if isinstance(parameter, Choice):
            choices = [(choice, choice) for choice in parameter.choices]
            return Select(choices, value=self._value, allow_blank=False, compact=True)
        if isinstance(parameter, Int | Float):
            return NumberInput(parameter, value=text, compact=True)
        return Input(text, compact=True)

    def read(self) -> Any:
        """Return the value that the control shows now. ValueError, saying why, if it is not valid."""
        if isinstance(self.control, Input):
            return self.parameter.parse(self.control.value)
        return self.parameter.check(self.control.value)

    def mark(self, error: str) -> None:
        """Mark the field as wrong, with a cross as well as the colour, for those who do not see it; "": as right."""
        if error != self.error:
            self.error = error
            self.set_class(bool(error), "invalid")
            self._label.update(f"✗ {self.parameter.label}" if error else self.parameter.label)

    def put(self, value: Any) -> None:
        """Show another value, without a message."""
        control = self.control
        with control.prevent(Input.Changed, Checkbox.Changed, Select.Changed):
            control.value = self.parameter.format(value) if isinstance(control, Input) else value
        if isinstance(control, Input) and not control.has_focus:
            self._show_beginning()

    @on(events.DescendantBlur)
    def _show_beginning(self) -> None:
        """Show the beginning of a long text again: it says more than its end."""
        if isinstance(self.control, Input):
            self.control.cursor_position = 0

    def explain(self) -> tuple[str, str, str]:
        """Return for :class:`FieldHelp`: the name; what it takes, its default and its meaning; what is wrong."""
        parameter = self.parameter
        default = parameter.format(parameter.default)
        if len(default) > _LONGEST_DEFAULT:
            default = f"{default[:_LONGEST_DEFAULT]}…"
        facts = [parameter.allowed(), f"default {default}" if default else "default: none", parameter.help]
        return parameter.label, " · ".join(filter(None, facts)), self.error


class FieldHelp(Static):
    """Says what the field with the focus takes, its default, its meaning and what is wrong: always at this place."""

    def __init__(self, hint: str = "", **options: Any) -> None:
        """Make the line; ``hint`` is shown while no field has the focus, and without one the line is hidden then."""
        super().__init__("", markup=False, **options)
        self._hint = hint

    def on_mount(self) -> None:
        self.follow(None)

    def follow(self, focused: Widget | None) -> None:
        """Tell about the field that contains the focused widget, or the widget's own tooltip."""
        nodes = focused.ancestors_with_self if focused else []
        field = next((node for node in nodes if isinstance(node, Field)), None)
        if field is not None:
            name, facts, error = field.explain()
            wrong = [(f"✗ {error} · ", "$text-error")] if error else []
            self._say(Content.assemble((f"{name}: ", "bold $foreground"), *wrong, facts))
        elif focused is not None and isinstance(focused.tooltip, str):
            name, colon, text = focused.tooltip.partition(": ")
            self._say(Content.assemble((name + colon, "bold $foreground" if colon else ""), text))
        else:
            self._say(Content(self._hint))
        self.display = bool(self.content)

    def _say(self, text: Content) -> None:
        if self.content != text:
            self.update(text, layout=False)


class ParameterForm(Vertical):
    """Controls for declared parameters."""

    class Changed(Message):
        """A parameter has a new, valid value."""

        def __init__(self, form: ParameterForm, name: str, value: Any) -> None:
            super().__init__()
            self.form, self.name, self.value = form, name, value

        @property
        @override
        def control(self) -> ParameterForm:
            return self.form

    class Judged(Message):
        """What is wrong with the form's fields has changed."""

    def __init__(
        self,
        declared: Mapping[str, Parameter[Any]],
        values: Mapping[str, Any],
        checks: Mapping[str, Check] | None = None,
        **options: Any,
    ) -> None:
        """Build the form.

        Args:
            declared: the parameters by name.
            values: their values; missing ones have their default.
            checks: further conditions, by parameter.
        """
        super().__init__(**options)
        self.declared = declared
        self.values = {name: values.get(name, parameter.default) for name, parameter in declared.items()}
        """The latest valid value of each parameter."""
        self._fields = {name: Field(parameter, self.values[name]) for name, parameter in declared.items()}
        self._checks = checks or {}

    @override
    def compose(self) -> ComposeResult:
        yield from self._fields.values()

    @property
    def errors(self) -> dict[str, str]:
        """What is wrong, by parameter."""
        return {name: field.error for name, field in self._fields.items() if field.error}

    @property
    def wrong(self) -> Field | None:
        """The first field with an invalid value, None if all are valid."""
        return next((field for field in self._fields.values() if field.error), None)

    def reset(self, values: Mapping[str, Any], keep: Widget | None = None) -> None:
        """Show the values of something else that the user chose, such as another recipe; errors go.

        Args:
            values: by parameter.
            keep: a control to leave as it is, because the user is typing there.
        """
        for name, field in self._fields.items():
            if name in values and field.control is not keep:
                self.values[name] = values[name]
                field.put(values[name])
                self._mark(field, "")

    def put(self, name: str, value: Any) -> None:
        """Show another value of a parameter, unless its field has the focus or is invalid: what is typed stays."""
        field = self._fields[name]
        if not field.control.has_focus and not field.error and self.values[name] != value:
            self.values[name] = value
            field.put(value)

    def settle(self) -> dict[str, Any]:
        """Take what the fields show at this moment, ahead of messages under way; return the changed values by name."""
        return {name: self.values[name] for name, field in self._fields.items() if self._judge(field)}

    def reject(self, name: str, error: str) -> None:
        """Mark a value as wrong for a reason that only its user knows."""
        self._mark(self._fields[name], error)

    @on(Input.Changed)
    @on(Checkbox.Changed)
    @on(Select.Changed)
    def _take(self, event: Input.Changed | Checkbox.Changed | Select.Changed) -> None:
        """Judge what the field shows now; the message may be older."""
        event.stop()
        field = next(node for node in event.control.ancestors if isinstance(node, Field))
        if self._judge(field):
            name = field.parameter.name
            self.post_message(self.Changed(self, name, self.values[name]))

    def _judge(self, field: Field) -> bool:
        """Mark the field as right or wrong, and return whether it has a new valid value, which is taken."""
        name = field.parameter.name
        try:
            value = field.read()
        except ValueError as error:
            self._mark(field, str(error))
            return False
        wrong = self._checks[name](value) if name in self._checks else ""
        self._mark(field, wrong)
        if wrong or value == self.values[name]:
            return False
        self.values[name] = value
        return True

    def _mark(self, field: Field, error: str) -> None:
        if error != field.error:
            field.mark(error)
            self.post_message(self.Judged())


def checked(declared: Mapping[str, Parameter[Any]], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for each parameter: the one given, or the default where it is missing or wrong."""
    found = {}
    for name, parameter in declared.items():
        try:
            found[name] = parameter.check(values.get(name, parameter.default))
        except ValueError:
            found[name] = parameter.default
    return found
