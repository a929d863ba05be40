"""A hundred times kill the record's writer, a hundred times fill its disk, and see what is left.

    python -m bench record_faults           100 rounds of each
    python -m bench.record_faults 20 1234   so many, with another seed

tests/audit/record_faults.py tells what happens in a round; a few are among the tests.
"""

import random
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.audit.record_faults import Outcome, full_round, kill_round, small_disk

ROUNDS = 100
SEED = 7
ROUNDS_ON_ONE_RECORD = 10


def main() -> None:
    """Run the rounds and print what they came to; end with 1 at the first thing amiss."""
    given = [int(each) for each in sys.argv[1:] if each.isdecimal()]
    rounds, seed = (*given, ROUNDS, SEED)[:2] if len(given) != 1 else (given[0], SEED)
    chosen = random.Random(seed)  # noqa: S311 - not for secrets
    table = Table("fault", "rounds", "words shown", "final answers", "refused", "gaps")
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / f"killed{n // ROUNDS_ON_ONE_RECORD}" for n in range(rounds)]
        killed = [kill_round(folder, chosen) for folder in folders]
        table.add_row("kill -9", *_totals(killed))
        full: list[Outcome] = []
        how = ""
        for number in range(rounds):
            with small_disk(Path(name) / f"small{number}") as disk:
                full.append(full_round(disk, chosen))
                how = "tmpfs" if disk.mounted else "RLIMIT_FSIZE, for mounting is not permitted"
        table.add_row(f"disk full ({how})", *_totals(full))
    Console(width=120).print(table)
    print(f"Seed {seed}: nothing was shown that is not on record; every record verifies.")


def _totals(outcomes: list[Outcome]) -> list[str]:
    return [
        f"{len(outcomes)}",
        f"{sum(each.shown for each in outcomes):,}",
        f"{sum(each.final for each in outcomes):,}",
        f"{sum(each.refused for each in outcomes):,}",
        f"{sum(each.gaps for each in outcomes):,}",
    ]


if __name__ == "__main__":
    main()
