"""What Streamlit runs for every person, on every change: the menu and the chosen page."""

from pathlib import Path

import streamlit as st

from rag.contract import Person
from ui.components import go_to_sign_in, sign_out_button
from ui.errors import NotSignedIn, UiError
from ui.session import person
from ui.text import label
from ui.views import ask, audit, ingestion, library

STATIC = Path(__file__).parent / "static"


def pages_for(who: Person) -> list[st.Page]:
    """Return the pages a person's roles open; the service checks every request again."""
    pages = [
        st.Page(ask.show, title="Ask", icon=":material/forum:", url_path="ask", default=True),
        st.Page(library.show, title="Library", icon=":material/folder_open:", url_path="library"),
    ]
    if "administrator" in who.roles:
        pages.append(
            st.Page(ingestion.show, title="Ingestion", icon=":material/sync:", url_path="ingestion")
        )
    if "auditor" in who.roles:
        pages.append(
            st.Page(audit.show, title="Audit log", icon=":material/receipt_long:", url_path="audit")
        )
    return pages


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
