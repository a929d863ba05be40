"""Muniment's worker in a process of its own, there to be killed: works until nothing is asked."""

# First of all: the silence every program keeps.
import muniment.silence  # isort: split

import sys
import time
from pathlib import Path

from muniment.assembly import open_house
from muniment.programs import working
from muniment.settings import load_settings

muniment.silence.enforce()

OPEN = frozenset({"queued", "running"})


def main() -> None:
    """Say "ready" when work begins and "done" when there is none left."""
    settings = load_settings(data=Path(sys.argv[1]), model_off=True, ocr="off")
    with open_house(settings, worker=True) as house:
        print("ready", flush=True)
        with working(house):
            catalog = house.catalog
            while catalog.erasures() or any(run.state in OPEN for run in catalog.runs()):
                time.sleep(0.05)
    print("done", flush=True)


if __name__ == "__main__":
    main()
