"""Families by name: the one place where a run tells them apart."""

from pipeline.families.base import Family
from pipeline.families.retrieval import Retrieval
from pipeline.families.tag_profiles import TagProfiles

FAMILIES: dict[str, Family] = {family.name: family for family in (Retrieval(), TagProfiles())}
