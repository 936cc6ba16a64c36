"""Names of filterable attributes in a configuration."""

from collections.abc import Mapping, Sequence

from trainer.errors import InputError


def check_filter(wanted: Mapping[str, Sequence[str]], attributes: Sequence[str]) -> None:
    """Refuses a filter of the evaluation that no request could have.

    Args:
      wanted: ``allow`` and ``deny`` -> values.
      attributes: that items can have.

    Raises:
      InputError: a value is not ``attribute=value``, or there is no such attribute.
    """
    for key, values in wanted.items():
        for value in values:
            attribute, equals, _ = value.partition("=")
            if not equals or attribute not in attributes:
                raise InputError(
                    f"evaluation.{key}: {value!r} should be attribute=value, with an attribute that items have: "
                    f"{', '.join(attributes) or 'none'}. Attributes are the columns of data.item_columns.attributes, "
                    "and category where there is data.item_columns.category."
                )
