"""The one command line: assembles and starts the rest."""
