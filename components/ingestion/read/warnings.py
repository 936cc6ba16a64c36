"""Warnings about suspicious tables and logs."""

from components.ingestion.cut.sequences import ECHO_SECONDS
from components.ingestion.files.report import (
    FIRST_TIME,
    KEPT_ITEM,
    LARGEST_ITEM,
    LARGEST_USER,
    LAST_TIME,
    Report,
    day,
    rows_used,
)
from components.ingestion.read.folders import OTHER_FOLDER
from components.ingestion.values.columns import NULL_LIKE_NOTE
from components.ingestion.values.time_numbers import BILLION, FIRST_PLAUSIBLE, UNITS

_REPEATED = 0.01
_TIED = 0.1
_HALF = 0.5
_MOST_ITEMS = 0.9
_LARGEST_SHARE = 0.05
_TIMES_THE_MEAN = 20
_PLAUSIBLE_LAST = 788_918_400  # 1995 in seconds: a log ends later


def warnings_of(report: Report) -> list[str]:
    """Sentences, each with its number and what to do; none for a log as it should be."""
    return [*_rows(report), *_times(report), *_users_and_items(report), *report.warnings]


def _rows(report: Report) -> list[str]:
    found = []
    for name, table in report.tables.items():
        if table.bad_rows:
            reasons = ", ".join(f"{count:,} x {reason}" for reason, count in sorted(table.bad.items()))
            found.append(f"{name}: {table.bad_rows:,} of {table.rows:,} rows are bad and were dropped ({reasons}).")
        for note, count in sorted(table.notes.items()):
            if note.endswith(NULL_LIKE_NOTE):
                found.append(f"{name}: {count:,} x {note}. data.drop_null_like_ids: true drops them.")
            if note.endswith(OTHER_FOLDER):
                found.append(f"{name}: {count:,} x {note}. Correct the column or the names of the folders.")
    counts = report.counts
    rows, kept = (
        report.table("interactions").rows if "interactions" in report.tables else 0,
        counts["interactions_kept"],
    )
    rare = counts["rows_of_rare_items"] + counts["rows_of_rare_users"]
    if rows and rare > _HALF * rows:
        found.append(
            f"interactions: {rare:,} of {rows:,} rows are of rare items or users and were dropped. Lower "
            "data.min_item_count or data.min_user_count to keep more."
        )
    if counts["repeated"] > _REPEATED * kept:
        found.append(
            f"interactions: {counts['repeated']:,} of {kept:,} repeat the user, item and time of another, so a model "
            "is asked for what it has just seen. If rows were logged twice, set data.drop_repeats_within to 0, or to a "
            "number of seconds."
        )
    if counts["echoed"] > _REPEATED * kept:
        found.append(
            f"interactions: {counts['echoed']:,} of {kept:,} are the item of the one before again, within "
            f"{ECHO_SECONDS} s. If each is logged twice, set data.drop_repeats_within to {ECHO_SECONDS}."
        )
    return found


def _times(report: Report) -> list[str]:
    counts = report.counts
    found: list[str] = []
    if FIRST_TIME not in report.least or LAST_TIME not in report.most:
        return found
    first, last = report.least[FIRST_TIME], report.most[LAST_TIME]
    kept = counts["interactions_kept"]
    if first == last and kept > 1:
        found.append(f"times: all are the same ({day(first)}): the order of the files is taken for that of the events.")
    elif counts["tied"] > _TIED * kept:
        found.append(
            f"times: {counts['tied']:,} of {kept:,} interactions have the time of their user's one before. Their order "
            "in the files is taken; give finer times if they exist."
        )
    if counts["times_future"]:
        found.append(f"times: {counts['times_future']:,} lie in the future, up to {day(last)}.")
    real = counts["times_dated"] + sum(counts[f"times_{kind}"] for kind in UNITS)
    if counts["times_zero"] and real:
        found.append(f"times: {counts['times_zero']:,} are 0 (1970-01-01): are they unknown?")
    small = counts["times_small"] + counts["times_like_dates"] + counts["times_like_serials"]
    if small and real:
        found.append(f"times: {small:,} lie near 1970-01-01, and {real:,} elsewhere: are they of another kind?")
    if real and last < _PLAUSIBLE_LAST * BILLION:
        found.append(f"times: the last is of {day(last)}. Are they in the unit that they were read in?")
    if first < -FIRST_PLAUSIBLE * BILLION:
        found.append(f"times: the first is of {day(first)}.")
    return found


def _users_and_items(report: Report) -> list[str]:
    counts, found = report.counts, []
    rows = rows_used(report, "interactions") + counts["rows_beyond_the_latest"] if counts["users"] else 0
    largest = report.most.get(LARGEST_USER, 0)
    total = report.table("interactions").rows if counts["users"] else 0
    if total and largest > _LARGEST_SHARE * total and largest * counts["users"] > _TIMES_THE_MEAN * total:
        found.append(
            f"users: one has {largest:,} of {total:,} rows ({largest / total:.0%}). Is it a robot? Of each user the "
            "latest data.max_user_events are kept."
        )
    if rows and counts["rows_beyond_the_latest"] > _TIED * rows:
        found.append(
            f"users: {counts['rows_beyond_the_latest']:,} of {rows:,} rows were dropped because their users have more "
            "than data.max_user_events. Raise it to keep them."
        )
    found += _largest_item(report)
    looked_up, unknown = counts["log_rows_looked_up"], counts["log_rows_not_in_catalogue"]
    if looked_up and looked_up - unknown < _MOST_ITEMS * looked_up:
        found.append(
            f"items: {unknown:,} of {looked_up:,} interactions ({unknown / looked_up:.0%}) are with items that the "
            "table lacks. Are the ids of both tables spelt alike?"
        )
    users, known = counts["users_kept"], counts["users_with_profile"]
    if "users_with_profile" in counts and known < _HALF * users:
        found.append(f"users: the users' table has only {known:,} of {users:,} users ({known / users:.0%}).")
    return found


def _largest_item(report: Report) -> list[str]:
    counts = report.counts
    if KEPT_ITEM in report.least and report.least[KEPT_ITEM] == report.most[KEPT_ITEM]:
        advice = "Is data.columns.item the column of the items?"
        if counts["items"] > 1:
            advice = (
                f"The log has {counts['items']:,}: lower data.min_item_count or data.min_user_count, or raise "
                "data.max_user_events, to keep more."
            )
        return [
            f"items: all {counts['interactions_kept']:,} interactions that are kept are with one single item, so a "
            f"model has nothing to tell apart. {advice}"
        ]
    if not counts["users"]:  # another table's report
        return []
    log, largest = report.table("interactions"), report.most.get(LARGEST_ITEM, 0)
    total = log.rows - log.bad_rows - counts["rows_that_repeat"]
    if largest > _HALF * total:
        return [
            f"items: one has {largest:,} of {total:,} interactions ({largest / total:.0%}). Is it an item, or a word "
            "for an unknown one?"
        ]
    return []
