"""The family of a model, by name: the one place where training tells families apart."""

from trainer.families.base import Family
from trainer.families.retrieval import Retrieval
from trainer.families.tag_profiles import TagProfiles
from trainer.models import registry

FAMILIES: dict[str, Family] = {family.name: family for family in (Retrieval(), TagProfiles())}


def family_of(model: str) -> Family:
    """The family of a model.

    Args:
      model: its name in the registry.

    Raises:
      InputError: no model has that name.
    """
    return FAMILIES[registry.get(model).family]
