"""The plots over the record: drawn by the library that Streamlit brings, from counts alone."""

from datetime import date, timedelta

import altair as alt
import streamlit as st

from rag.contract import DayOfEvents, DayOfQuestions

ANSWERED, REFUSED, DENIED, OTHER = "#5b64d8", "#d97706", "#d43d51", "#8a90a2"
HEIGHT = 260
FAMILIES = {
    "access": "denials",
    "acl": "rights",
    "admin": "administration",
    "audit": "the record",
    "auth": "sign-ins",
    "conversation": "conversations",
    "doc": "documents",
    "dsar": "subject access",
    "export": "exports",
    "group": "groups",
    "hold": "legal holds",
    "rag": "questions",
    "session": "sessions",
    "system": "the system",
}
"""What the families of events are called; one that is not here goes by its own name."""

LONGEST_FILLED = 400
"""Days between the first and the last that are drawn even where nothing happened."""


def questions(days: list[DayOfQuestions]) -> None:
    """Draw how many questions each day had, and how they ended."""
    ended = {"answered": ANSWERED, "refused": REFUSED, "stopped or failed": OTHER}
    rows = [
        {"day": day.day.isoformat(), "how": how, "count": count}
        for day in filled(days)
        for how, count in (
            ("answered", day.answered),
            ("refused", day.refused),
            ("stopped or failed", day.failed),
        )
    ]
    total = sum(day.asked for day in days)
    _draw(rows, ended, alternative=f"{total} questions by day and outcome")


def refusals(days: list[DayOfQuestions]) -> None:
    """Draw how many questions were refused and how often access was denied, by day."""
    rows = [
        {"day": day.day.isoformat(), "how": how, "count": count}
        for day in filled(days)
        for how, count in (("refused", day.refused), ("denied", day.denied))
    ]
    refused, denied = sum(day.refused for day in days), sum(day.denied for day in days)
    colours = {"refused": REFUSED, "denied": DENIED}
    _draw(rows, colours, alternative=f"{refused} refusals and {denied} denials by day")


def timeline(families: list[DayOfEvents]) -> None:
    """Draw what happened when: a square for every day and kind of event, darker for more."""
    rows = [
        {
            "day": each.day.isoformat(),
            "family": FAMILIES.get(each.family, each.family),
            "count": each.count,
        }
        for each in families
    ]
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rect(cornerRadius=2)
        .encode(
            x=alt.X("day:O", title=None, axis=_days_axis([str(row["day"]) for row in rows])),
            y=alt.Y("family:N", title=None, sort="ascending"),
            color=alt.Color(
                "count:Q",
                legend=None,
                scale=alt.Scale(type="sqrt", range=["#c9ccf3", "#454fc9"]),
            ),
            tooltip=[
                alt.Tooltip("day:O", title="Day"),
                alt.Tooltip("family:N", title="Events"),
                alt.Tooltip("count:Q", title="How many"),
            ],
        )
        .properties(height=HEIGHT)
    )
    st.altair_chart(chart, alt=f"Events by day in {len({each.family for each in families})} kinds")


def filled(days: list[DayOfQuestions]) -> list[DayOfQuestions]:
    """Return the days in order, with those between on which nothing happened."""
    known = {day.day: day for day in days}
    if not known:
        return []
    first, last = min(known), max(known)
    if (last - first).days > LONGEST_FILLED:
        return [known[day] for day in sorted(known)]
    return [known.get(day, DayOfQuestions(day=day)) for day in _between(first, last)]


def _between(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _draw(rows: list[dict[str, object]], colours: dict[str, str], *, alternative: str) -> None:
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(cornerRadiusTopLeft=2, cornerRadiusTopRight=2)
        .encode(
            x=alt.X("day:O", title=None, axis=_days_axis([str(row["day"]) for row in rows])),
            y=alt.Y("count:Q", title=None, axis=alt.Axis(tickMinStep=1, format="d")),
            color=alt.Color(
                "how:N",
                scale=alt.Scale(domain=list(colours), range=list(colours.values())),
                legend=alt.Legend(title=None, orient="top"),
            ),
            order=alt.Order("how:N"),
            tooltip=[
                alt.Tooltip("day:O", title="Day"),
                alt.Tooltip("how:N", title="Outcome"),
                alt.Tooltip("count:Q", title="How many"),
            ],
        )
        .properties(height=HEIGHT)
    )
    st.altair_chart(chart, alt=alternative)


def _days_axis(days: list[str]) -> alt.Axis:
    """Return an axis with a handful of days named, however many there are."""
    distinct = sorted(set(days))
    step = -(-len(distinct) // 6) or 1
    return alt.Axis(
        values=distinct[::step],
        labelAngle=0,
        labelExpr="timeFormat(toDate(datum.value), '%d %b')",
        ticks=False,
    )
