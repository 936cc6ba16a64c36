"""Families by name: the one place where building a bundle tells them apart."""

from serving.families.base import Family
from serving.families.retrieval import Retrieval
from serving.families.tag_profiles import TagProfiles

FAMILIES: dict[str, Family] = {family.name: family for family in (Retrieval(), TagProfiles())}


def family_before(tasks: object) -> str:
    """The family of a model whose description names none, as those of an earlier polyrec: only profiles have tasks."""
    return TagProfiles.name if tasks else Retrieval.name
