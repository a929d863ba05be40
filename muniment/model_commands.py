"""The command ``model``: what the model behind the answers is fit for."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import click
from rich.console import Console
from rich.table import Table

from audit.events import ModelProfiled
from muniment.assembly import profile_file
from muniment.children import end_all
from muniment.errors import ModelServerFailed
from muniment.model_server import OwnModelServer, plan_model
from muniment.running import make_data_folder
from muniment.settings import CHECKOUT, Settings
from muniment.stores import open_record
from muniment.terminal import example, operator, print_json
from rag.generation import ModelServer
from rag.profiles import Finding, Profile, keep_profile, probe, read_items
from rag.rewording import probe_rewording

ITEMS = CHECKOUT / "samples" / "claims"
PATIENCE_SECONDS = 600.0
LOOK_SECONDS = 1.0


@click.group(epilog=example("muniment model probe"))
def model() -> None:
    """What the model behind the answers is fit for."""


@model.command("probe", epilog=example("muniment model probe --questions 40"))
@click.option("--questions", default=24, show_default=True, type=click.IntRange(4, 400))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def probe_model(settings: Settings, questions: int, *, as_json: bool) -> None:
    """Put questions with known answers to the model and keep what it deserves.

    Asks MUNIMENT_MODEL_URL, or starts the model of this machine for as long as it takes. What is
    kept is its profile for MUNIMENT_MODEL_PROFILE=auto, from the next question on.
    """
    console = Console(stderr=True, highlight=False)
    make_data_folder(settings.data)
    items = read_items(ITEMS)
    with reached_model(settings, console) as server, closing(open_record(settings)) as record:
        name = server.name
        findings = probe(
            server,
            items,
            questions=questions,
            progress=lambda ability: console.print(f"Measuring: {ability}"),
        )
        console.print("Measuring: reword")
        findings.append(probe_rewording(server))
        profile = keep_profile(profile_file(settings), name, findings)
        record.append(ModelProfiled(operator(), name, _named(profile)))
    if as_json:
        print_json({"model": name, "profile": _named(profile), "findings": _plain(findings)})
    else:
        _print(name, profile, findings)


@contextmanager
def reached_model(settings: Settings, console: Console) -> Iterator[ModelServer]:
    """Yield the configured model server, or one of this machine that ends with the block.

    Raises:
        ModelServerFailed: It cannot be started.
    """
    if settings.model_url:
        server = ModelServer(
            url=settings.model_url, name=settings.model_name, api_key=settings.model_key
        )
        with closing(server):
            yield server
        return
    plan = plan_model(settings)
    log = settings.data / "logs" / "model-probe.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    own = OwnModelServer(plan, log=log, say=console.print)
    own.start()
    try:
        console.print("Starting the model server")
        until = time.monotonic() + PATIENCE_SECONDS
        while (state := own.step()) != "ready":
            if state == "given up" or time.monotonic() > until:
                raise ModelServerFailed(f"The model server did not start. Its log: {log}")
            time.sleep(LOOK_SECONDS)
        with closing(ModelServer(url=plan.url, name=plan.name, api_key=plan.key)) as server:
            yield server
    finally:
        own.stop_conversion()
        end_all([own.child])


def _print(name: str, profile: Profile, findings: list[Finding]) -> None:
    table = Table("Ability", "Reached", "Wanted", "Questions", "Deserved", "What was counted")
    for found in findings:
        table.add_row(
            found.ability,
            f"{found.value:.2f}",
            f"{found.wanted:.2f}",
            str(found.tried),
            "yes" if found.fit else "no",
            found.why,
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(f"The profile of {name}: {_named(profile)}.")


def _named(profile: Profile) -> str:
    has = {
        "cites": profile.cites,
        "form": profile.keeps_form,
        "judge": profile.judges,
        "reword": profile.rewords,
    }
    return ", ".join(name for name, deserved in has.items() if deserved) or "none"


def _plain(findings: list[Finding]) -> list[dict[str, object]]:
    return [
        {"ability": one.ability, "reached": one.value, "wanted": one.wanted, "fit": one.fit}
        for one in findings
    ]
