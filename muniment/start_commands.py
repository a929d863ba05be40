"""The commands ``up`` and ``serve``."""

import click
from rich.console import Console

from muniment.settings import Settings
from muniment.terminal import example


@click.command(epilog=example("muniment up", "muniment up --no-model --port 9090"))
@click.option("--no-model", is_flag=True, help="Answer in the documents' own words.")
@click.option("--no-samples", is_flag=True, help="Neither sample documents nor sample people.")
@click.option("--model-url", metavar="URL", help="Use a model server that already runs.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Port of the page.")
@click.pass_obj
def up(
    settings: Settings,
    *,
    no_model: bool,
    no_samples: bool,
    model_url: str | None,
    port: int | None,
) -> None:
    """Start everything: the model server, the service and the page.

    The first start prepares the model, makes sample accounts and reads the sample documents;
    later ones only look for changes. Ctrl-C stops everything.
    """
    from muniment.up import bring_up  # noqa: PLC0415 - only when it is used

    chosen: dict[str, object] = {"model_off": settings.model_off or no_model}
    chosen |= {"model_url": model_url} if model_url else {}
    chosen |= {"port": port} if port else {}
    bring_up(
        settings.model_copy(update=chosen),
        samples=not no_samples,
        console=Console(highlight=False),
    )


@click.command(hidden=True, epilog=example("muniment serve rag --host 0.0.0.0"))
@click.argument("program", type=click.Choice(["rag", "ui", "ingest", "signer"]))
@click.option("--host", default="", help="Address to listen on, in place of the default.")
@click.pass_obj
def serve(settings: Settings, program: str, host: str) -> None:
    """Run one program in the foreground: the service, the page, the worker, or the signer."""
    if program == "ui":
        from muniment.page import serve_ui  # noqa: PLC0415 - the service needs no Streamlit

        serve_ui(settings, host=host or settings.host)
        return
    if program == "signer":
        from muniment.record_programs import serve_signer  # noqa: PLC0415 - it needs little

        serve_signer(settings)
        return
    from muniment.programs import serve_ingest, serve_rag  # noqa: PLC0415 - nor this the page

    if program == "rag":
        serve_rag(settings, host=host or "127.0.0.1")
    else:
        serve_ingest(settings)
