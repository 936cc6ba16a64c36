"""Checks that the evaluation's filter names existing values."""

import difflib
import logging
from collections.abc import Mapping, Sequence

from trainer.data.item_attributes import ItemAttributes
from trainer.data.spelling import spelled_entry
from trainer.errors import InputError

_SHOWN = 5

progress = logging.getLogger("polyrec.progress")


def check_values(wanted: Mapping[str, Sequence[str]], attributes: ItemAttributes) -> None:
    """Tells which values of the evaluation's filter no item has, and refuses a filter that lets no item through.

    Args:
      wanted: ``allow`` and ``deny`` -> ``attribute=value``.
      attributes: of the items.

    Raises:
      InputError: none of the values that are allowed of an attribute is any item's.
    """
    counted = zip(attributes.values, attributes.counts.tolist(), strict=True)
    known = {value for value, count in counted if count}
    matched = {key: [spelled_entry(value.encode()) in known for value in values] for key, values in wanted.items()}
    let_through: dict[str, bool] = {}
    for value, found in zip(wanted.get("allow", ()), matched.get("allow", ()), strict=True):
        attribute = value.partition("=")[0]
        let_through[attribute] = let_through.get(attribute, False) or found
    for key, values in wanted.items():
        for value, found in zip(values, matched[key], strict=True):
            if found:
                continue
            words = f"evaluation.{key}: no item has {value}{_nearest(value, known)}"
            if key == "allow" and not let_through[value.partition("=")[0]]:
                raise InputError(f"{words}. With this filter every list is empty: correct it, or leave it out.")
            progress.warning("%s, so it filters nothing", words)


def _nearest(value: str, known: set[bytes]) -> str:
    """The values of the same attribute, those that look most alike first."""
    start = value.partition("=")[0] + "="
    others = sorted(text for entry in known if (text := entry.decode(errors="replace")).startswith(start))
    alike = difflib.get_close_matches(value, others, n=_SHOWN, cutoff=0.0)
    shown = alike or others[:_SHOWN]
    more = "" if len(shown) == len(others) else ", ..."
    return f" (items have {', '.join(shown)}{more})" if shown else " (no item has a value of this attribute)"
