"""Registry of models by name; any module in this package that registers a class is found."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from trainer.errors import InputError
from trainer.settings import Settings

if TYPE_CHECKING:
    from trainer.models.retrieval.base import RetrievalModel
    from trainer.models.tag_profiles.base import ProfileModel

Model: TypeAlias = "RetrievalModel | ProfileModel"
ModelClass: TypeAlias = "type[RetrievalModel] | type[ProfileModel]"

_models: dict[str, ModelClass] = {}
_Model = TypeVar("_Model", bound=ModelClass)


def register(name: str) -> Callable[[_Model], _Model]:
    """Class decorator: makes a model available under ``name``.

    Raises:
      ValueError: the name is taken by another class.
    """

    def decorate(model: _Model) -> _Model:
        known = _models.get(name)
        if known is not None and known.__qualname__ != model.__qualname__:
            raise ValueError(f"The model name {name!r} is taken by {known.__qualname__}. Choose another.")
        _models[name] = model
        return model

    return decorate


def names(family: str | None = None) -> list[str]:
    """The registered names, sorted: all of them, or those of a family."""
    _import_all()
    return sorted(name for name, model in _models.items() if family in (None, model.family))


def get(name: str) -> ModelClass:
    """The model's class.

    Raises:
      InputError: no model has that name.
    """
    _import_all()
    if name not in _models:
        raise InputError(f"model.name: there is no model {name!r}. The models are: {', '.join(names())}.")
    return _models[name]


def settings_class(name: str) -> type[Settings]:
    """The class of the model's section of the configuration.

    Raises:
      InputError: no model has that name.
    """
    return get(name).settings_class


def describe(name: str) -> str:
    """The first line of the model's documentation.

    Raises:
      InputError: no model has that name.
    """
    return (get(name).__doc__ or "").strip().splitlines()[0]


def _import_all() -> None:
    package = importlib.import_module("trainer.models")
    for module in pkgutil.walk_packages(package.__path__, "trainer.models."):
        importlib.import_module(module.name)
