"""Every file of the evaluation data through sniffing and the jail: what becomes of it, by format.

What mails and archives hold is read too, as documents of their own.
"""

from collections import defaultdict

from rich.console import Console
from rich.table import Table

from ingest.settings import Limits
from tests.ingest.outcomes import Outcome, data_folder, outcomes

FOLDERS = ("hostile", "files")


def main() -> None:
    """Print the table by format, and every file in quarantine with its reason."""
    console = Console(width=150)
    data = data_folder()
    if not (data / FOLDERS[0]).is_dir():
        console.print(f"Skipped: there is no evaluation data in {data}.")
        return
    found = [each for name in FOLDERS for each in outcomes(data / name, limits=Limits())]
    console.print(_by_format(found))
    console.print(_quarantined(found))


def _by_format(found: list[Outcome]) -> Table:
    groups: defaultdict[str, list[Outcome]] = defaultdict(list)
    for each in found:
        groups[each.format].append(each)
    table = Table(title="Every file of the evaluation data, parts of mails and archives included")
    for heading in (
        "format",
        "files",
        "live",
        "quarantined",
        "pages",
        "words on pages",
        "CPU s",
        "s",
        "peak MiB",
    ):
        table.add_column(heading, justify="left" if heading == "format" else "right")
    for name, group in [*sorted(groups.items()), ("all", found)]:
        live = [each for each in group if not each.reason]
        paged = [each.anchored for each in live if each.pages]
        table.add_row(
            name,
            str(len(group)),
            str(len(live)),
            str(len(group) - len(live)),
            str(sum(each.pages for each in live)),
            f"{sum(paged) / len(paged):.0%}" if paged else "",
            f"{sum(each.cpu_seconds for each in group):.1f}",
            f"{sum(each.seconds for each in group):.1f}",
            str(max(each.peak_bytes for each in group) >> 20),
        )
    return table


def _quarantined(found: list[Outcome]) -> Table:
    table = Table(title="In quarantine")
    for heading in ("file", "format", "reason", "detail"):
        table.add_column(heading)
    for each in found:
        if each.reason:
            table.add_row(each.path[-70:], each.format, each.reason, each.detail)
    return table
