"""The protective marking of what is shown, as a banner nobody can overlook."""

import streamlit as st

from ui.text import label


def marking_banner(marking: str) -> None:
    """Draw the banner; nothing where there is no marking."""
    if marking:
        st.badge(label(marking, limit=80), icon=":material/shield_lock:", color="red")
