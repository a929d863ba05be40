"""The documents of an invented firm, the questions about them, and what makes and checks both."""
