"""Say who one is here, and lead to one's second factor."""

import streamlit as st

from ui.session import person

WHAT_ROLES_DO = {
    "reader": "You ask, and read what you are admitted to.",
    "contributor": "You upload documents.",
    "owner": "You own a source: you look after it and see who can read it.",
    "administrator": "You configure. That alone lets you read nothing.",
    "auditor": "You read the record. That alone lets you configure and read nothing.",
    "privacy-officer": "You answer people about their data, and agree to erasures.",
}


def show() -> None:
    """Draw the page."""
    who = person()
    st.header("Account")
    st.text(who.name)
    st.subheader("What you may do")
    for role in who.roles:
        st.text(WHAT_ROLES_DO.get(role, role))
    if not who.roles:
        st.text("You have no role here. Whoever runs Muniment here gives you one.")
    st.subheader("Groups")
    st.text(", ".join(who.groups) or "You are in no group.")
    st.subheader("Second factor")
    st.link_button("Set up or take off a second factor", "/second-factor")
