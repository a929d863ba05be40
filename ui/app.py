"""What Streamlit runs for every person, on every change: the menu and the chosen page."""

from pathlib import Path

import streamlit as st

from rag.contract import Person
from ui.components import go_to_sign_in, sign_out_button
from ui.errors import NotSignedIn, UiError
from ui.menu import entries_for
from ui.session import person
from ui.text import label

STATIC = Path(__file__).parent / "static"


def pages_for(who: Person) -> list[st.Page]:
    """Return the pages of a person's menu, the first of which is shown first."""
    return [
        st.Page(one.show, title=one.title, icon=one.icon, url_path=one.path, default=number == 0)
        for number, one in enumerate(entries_for(who))
    ]


def main() -> None:
    """Draw the page."""
    st.set_page_config(page_title="Muniment", page_icon=str(STATIC / "mark.png"), layout="centered")
    st.html(STATIC / "page.css")
    st.logo(str(STATIC / "mark.svg"), size="large", link=None)
    try:
        who = person()
        chosen = st.navigation(pages_for(who))
        for notice in who.notices:
            st.error(label(notice, limit=400), icon=":material/emergency:")
        chosen.run()
        with (
            st.sidebar,
            st.container(key="who", horizontal=True, vertical_alignment="center", wrap=False),
        ):
            st.text(who.name)
            with st.container(width="content", key="leave"):
                sign_out_button(key="sign-out")
    except NotSignedIn:
        st.text("You are signed out.")
        go_to_sign_in()
    except UiError as error:
        st.warning(label(str(error), limit=400), icon=":material/cloud_off:")
        st.button("Try again")


main()
