"""Leaf through the pages of a document; the page on show stands in the address, from 1."""

import streamlit as st


def leaf(page: int, count: int) -> None:
    """Draw the way to the page before, which page is on show, and the way to the next."""
    _turn("Page back", ":material/chevron_left:", page - 1, disabled=page == 1)
    st.caption(f"Page {page} of {count}", width="content")
    _turn("Page on", ":material/chevron_right:", page + 1, disabled=page >= count)


def _turn(text: str, icon: str, page: int, *, disabled: bool) -> None:
    st.button(
        text,
        key=f"turn-{text}",
        icon=icon,
        type="tertiary",
        disabled=disabled,
        on_click=_go_to,
        args=(page,),
    )


def _go_to(page: int) -> None:
    st.query_params["page"] = str(page)
