"""Features as users know them: by the columns of their tables."""

from serving.bundle.signatures import profile_feature
from trainer.data import schema as names


def column_of(feature: str) -> str:
    """The column that a profile feature is made of.

    Args:
      feature: name of a feature; one that is no profile feature is given back.
    """
    return profile_feature(feature) or feature


def spelt(feature: str) -> str:
    """A feature's name, and the column's where that is not plain from it.

    Args:
      feature: name of a feature.
    """
    column = None if feature == names.USER_ID else profile_feature(feature)
    return feature if column is None or names.USER_PREFIX + column == feature else f"{feature} (column {column!r})"
