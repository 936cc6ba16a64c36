"""Reasons to refuse a whole log after it was counted."""

from components.ingestion.files.inputs import reads_users, table_path
from components.ingestion.files.report import Report, rows_used
from components.ingestion.read.batches import refuse_too_many_bad_rows
from components.ingestion.values.labels import refuse_constant
from components.ingestion.values.time_numbers import UNITS
from components.settings import DataSettings
from trainer.data.schema import TEST_SPLIT, TRAIN_SPLIT, VALID_SPLIT
from trainer.errors import InputError

_MOSTLY = 0.8


def refuse_useless(report: Report, settings: DataSettings) -> None:
    """Checks that what was counted can train and evaluate a model.

    Raises:
      InputError: the first reason why not.
    """
    if report.failures:
        raise InputError(" ".join(report.failures))
    paths = {"interactions": settings.interactions, "users": settings.users if reads_users(settings) else None}
    for name, path in paths.items():
        if path is not None:
            refuse_too_many_bad_rows(name, report.table(name), settings.max_bad_rows, table_path(settings, path))
    counts, examples = report.counts, report.examples
    log = table_path(settings, settings.interactions)
    _refuse_unclear_times(report, settings, log)
    if (lost := rows_used(report, "interactions") - counts["interactions_kept"]) != 0:
        raise RuntimeError(
            f"{lost:,} rows of {log} are neither used nor counted as dropped. This is an error of polyrec."
        )
    if not counts["items_kept"]:
        raise InputError(
            f"Nothing is left of {log}: none of its {counts['items']:,} items has data.min_item_count = "
            f"{settings.min_item_count} interactions. Lower it, or give a longer log."
        )
    if not counts["users_kept"]:
        raise InputError(
            f"Nothing is left of {log}: none of its {counts['users']:,} users has data.min_user_count = "
            f"{settings.min_user_count} interactions with kept items. Lower it or data.min_item_count, or give a "
            "longer log."
        )
    if reads_users(settings) and not counts["users_with_profile"]:
        raise InputError(
            f"None of the {counts['users_kept']:,} kept users has a row in "
            f"{table_path(settings, str(settings.users))}. Set data.user_columns.user to the column with the log's "
            "ids, or leave data.users out."
        )
    if settings.labels:
        _refuse_useless_impressions(report, settings, log)
    method = settings.split.method
    if not examples[TRAIN_SPLIT]:
        held_out = " before the two that are held out" if method == "leave_last_out" else ""
        raise InputError(
            f"There is nothing to train on in {log}: none of the {counts['users_kept']:,} kept users"
            f"{' in the train split' if method == 'user_hash' else ''} has more than data.min_history = "
            f"{settings.min_history} interactions{held_out}. Lower data.min_history, or give a longer log."
        )
    for split in (VALID_SPLIT, TEST_SPLIT):
        if not examples[split]:
            raise InputError(
                f"The split {split!r} is empty: only {counts['users_kept']:,} users of {log} are kept, too few to "
                "divide. Set data.split.method to leave_last_out, which holds out the last items of every user, or "
                "change data.split.seed."
            )


def _refuse_unclear_times(report: Report, settings: DataSettings, log: str) -> None:
    counts = report.counts
    column = f"Column {settings.columns.timestamp!r} of {log}"
    units = {kind: counts[f"times_{kind}"] for kind in UNITS if counts[f"times_{kind}"]}
    if len(units) > 1:
        found = ", ".join(f"{count:,} {UNITS[kind]}" for kind, count in units.items())
        raise InputError(
            f"{column} mixes units: by their size it holds {found}. Write all times in one unit, or set data.time_unit "
            f"to the one that all of them are in ({', '.join(UNITS)})."
        )
    strange = counts["times_like_dates"], counts["times_like_serials"]
    numbers = sum(units.values()) + counts["times_small"] + counts["times_zero"] + sum(strange)
    if strange[0] > numbers / 2:
        raise InputError(
            f"{column}: {strange[0]:,} of its {numbers:,} numbers look like dates such as 20240131. Write them as "
            "2024-01-31, or set data.time_unit to s if they are seconds or positions."
        )
    if strange[1] > _MOSTLY * numbers:
        raise InputError(
            f"{column}: {strange[1]:,} of its {numbers:,} numbers look like days of a spreadsheet. Set data.time_unit "
            "to spreadsheet if they are days since 1899-12-30, or to s if they are seconds or positions."
        )


def _refuse_useless_impressions(report: Report, settings: DataSettings, log: str) -> None:
    labels = settings.labels
    first = next(iter(labels))
    for split in (TRAIN_SPLIT, VALID_SPLIT, TEST_SPLIT):
        if not report.examples[split] and report.counts["impressions_too_early"]:
            raise InputError(
                f"The split {split!r} of {log} is empty: {report.counts['impressions_too_early']:,} impressions were "
                f"left out because fewer than data.min_history = {settings.min_history} items with the label {first!r} "
                "came before them. Lower data.min_history (0 keeps all), or give a longer log."
            )
    if report.examples[TRAIN_SPLIT]:
        totals = {task: report.label(TRAIN_SPLIT, task) for task in labels}
        refuse_constant(labels, totals, settings.sampled_impressions, log)
