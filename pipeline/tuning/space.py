"""Search spaces: the ``search`` section of a model's YAML, beside the defaults that it varies.

Each key is the path of a setting anywhere in the file, each value its range::

    search:
      training.optimizer.learning_rate: {kind: float, low: 0.01, high: 0.1, log: true}
      network.widths: {kind: categorical, choices: [[32, 64, 128, 256], [48, 96, 192, 384]]}
      training.schedule: {kind: categorical, choices: [{name: one_cycle}, {name: cosine, warmup_epochs: 1}]}
      training.schedule.warmup_epochs: {kind: int, low: 0, high: 4, when: {training.schedule.name: cosine}}

A condition applies to the values that the settings above it were given.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.config import Section, parse
from pipeline.core.errors import InputError
from pipeline.core.paths import model_path
from pipeline.training.model_file import ModelRecipe, adapted, recipe_from
from pipeline.training.recipes.model_yaml import Settings, get_setting, overlay_settings, read_model
from pipeline.tuning.parameters import CategoricalParameter, OptunaValue, Parameter, Suggester


class SearchSection(Section):
    """The search space of a model's file.

    Attributes:
        search: settings of this file, by path, each with the values that tuning may try.
    """

    search: dict[str, Parameter]


@dataclass(frozen=True)
class Space:
    """A model, and its settings that may vary.

    Attributes:
        path: the model's file.
        default: the model's settings in full, defaults of the schema included.
        parameters: by path, in the order of the file.
        mirror: whether mirrored images keep their class.
    """

    path: Path
    default: Settings
    parameters: dict[str, Parameter]
    mirror: bool

    def suggest_settings(self, trial: Suggester) -> Settings:
        """Lets a trial suggest every parameter whose condition holds; returns values by path."""
        chosen: Settings = {}
        for name, parameter in self.parameters.items():
            if self._holds(parameter, chosen):
                chosen[name] = parameter.suggest_value(trial, name)
        return chosen

    def make_recipe(self, settings: Settings) -> ModelRecipe:
        """Returns the model with some settings replaced.

        Raises:
            InputError: the settings do not agree with each other.
        """
        return adapted(recipe_from(overlay_settings(self.default, settings), str(self.path)), self.mirror)

    def default_params(self) -> dict[str, OptunaValue]:
        """Returns the model's own values of the parameters, as Optuna stores them.

        Raises:
            InputError: a default lies outside its space.
        """
        params: dict[str, OptunaValue] = {}
        for name, parameter in self.parameters.items():
            if not self._holds(parameter, {}):
                continue
            try:
                params[name] = parameter.to_optuna(self._as_choice(name, parameter))
            except ValueError as error:
                raise InputError(
                    f"{self.path}: search.{name} does not hold the model's own value "
                    f"{get_setting(self.default, name)!r}: {error}; widen the range, as the default is always tried"
                ) from error
        return params

    def check(self) -> None:
        """Checks every bound and every choice alone.

        Raises:
            InputError: a setting that does not exist, a value that the model's file does not accept, a condition that
                never holds, or a default outside its space.
        """
        for name, parameter in self.parameters.items():
            base = self._where_it_holds(name, parameter)
            for value in parameter.extremes():
                try:
                    self.make_recipe(base | {name: value})
                except InputError as error:
                    raise InputError(f"{self.path}: search.{name} allows {value!r}, but then {error}") from error
        self.default_params()

    def _as_choice(self, name: str, parameter: Parameter) -> Any:
        """The default in the form that it has among the choices, which may leave out defaults of their own."""
        value = get_setting(self.default, name)
        if isinstance(parameter, CategoricalParameter) and value not in parameter.choices:
            own = self.make_recipe({})
            return next((choice for choice in parameter.choices if self.make_recipe({name: choice}) == own), value)
        return value

    def _holds(self, parameter: Parameter, chosen: Settings) -> bool:
        if not parameter.when:
            return True
        settings = self.fill_settings(chosen)
        return all(_has(settings, path, value) for path, value in parameter.when.items())

    def fill_settings(self, chosen: Settings) -> Settings:
        """Returns the model's settings in full with some replaced; sections take defaults for what they leave out."""
        recipe = recipe_from(overlay_settings(self.default, chosen), str(self.path))
        settings: Settings = recipe.model_dump(mode="json")
        return settings

    def _where_it_holds(self, name: str, parameter: Parameter) -> Settings:
        """Settings of the parameters above under which a parameter is suggested."""
        for candidate in self._candidates(name):
            try:
                if self._holds(parameter, candidate):
                    return candidate
            except InputError:
                continue  # reported where that parameter is checked
        raise InputError(
            f"{self.path}: search.{name}: when {parameter.when!r} never holds; it must name settings above it, by path"
        )

    def _candidates(self, name: str) -> Iterator[Settings]:
        yield {}
        above = list(self.parameters)[: list(self.parameters).index(name)]
        each = list[Settings]()
        for other in above:
            base = self._where_it_holds(other, self.parameters[other])  # which may have a condition itself
            each += [base | {other: value} for value in self.parameters[other].extremes()]
        yield from each
        wanted = self.parameters[name].when
        yield {path: value for path, value in wanted.items() if path in above}
        together: Settings = {}  # one setting above for each part of the condition
        for path, value in wanted.items():
            together |= next((one for one in each if self._reaches(one, path, value)), {})
        yield together

    def _reaches(self, chosen: Settings, path: str, value: Any) -> bool:
        try:
            return _has(self.fill_settings(chosen), path, value)
        except InputError:
            return False


def load_space(root: Path, model: str, mirror: bool) -> Space:
    """Reads a model's search space and checks all of it.

    Raises:
        InputError: the model has none, or `Space.check` refuses it.
    """
    settings, search = read_model(root, model)
    path = model_path(root, model)
    if not search:
        raise InputError(
            f"{path} has no section search, so there is nothing to tune; docs/tuning.md describes how to write one"
        )
    parameters = parse({"search": search}, SearchSection, str(path)).search
    full: Settings = recipe_from(settings, str(path)).model_dump(mode="json")
    space = Space(path, full, parameters, mirror)
    space.check()
    return space


def _has(settings: Settings, path: str, value: Any) -> bool:
    try:
        return bool(get_setting(settings, path) == value)
    except InputError:
        return False
