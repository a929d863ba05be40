"""The command ``index``."""

from contextlib import ExitStack, closing
from pathlib import Path

import click
from rich.console import Console

from corpus.errors import IndexUnavailable
from corpus.index import open_index
from corpus.index.beside import folder_beside, mark_complete, take_place
from corpus.index.bm25 import Bm25Encoder
from corpus.kept_vectors import KeptVectors
from corpus.originals import Originals
from ingest.chunking import ChunkLimits
from ingest.pipeline import Pipeline
from ingest.recutting import Recutter
from muniment.assembly import ingest_settings, load_embedder, open_house
from muniment.errors import InputMissing
from muniment.settings import Settings
from muniment.stores import open_catalog, open_record, utc_now
from muniment.terminal import example


@click.group(epilog=example("muniment index rebuild"))
def index() -> None:
    """What is searched."""


@index.command("rebuild", epilog=example("muniment index rebuild --embedding-folder /srv/model"))
@click.option(
    "--embedding-folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The embedding model of the new index; the one of the settings when not given.",
)
@click.pass_obj
def rebuild_index(settings: Settings, embedding_folder: Path | None) -> None:
    """Build the index anew, beside the one that serves, from the texts that are kept.

    Nothing is parsed again. Interrupted, the command goes on where it was. The new index takes
    the old one's place at once where no Muniment runs, else when it is started again with the
    new model in MUNIMENT_EMBEDDING_FOLDER.
    """
    if settings.qdrant_url:
        raise InputMissing("Only the embedded index is built beside itself so far.")
    chosen = settings.model_copy(
        update={"embedding_folder": str(embedding_folder)} if embedding_folder else {}
    )
    console = Console(highlight=False)
    folder = settings.data / "index"
    embedder = load_embedder(chosen)
    with ExitStack() as stack:
        catalog = stack.enter_context(closing(open_catalog(settings)))
        record = stack.enter_context(closing(open_record(settings)))
        vectors = KeptVectors(embedder, settings.data / "cache" / "vectors.db")
        stack.enter_context(closing(vectors))
        beside = open_index(
            folder=folder_beside(folder),
            url="",
            api_key="",
            dimension=embedder.dimension,
            fingerprint=embedder.fingerprint,
        )
        stack.enter_context(closing(beside))
        pipeline = Pipeline(
            catalog=catalog,
            originals=Originals(settings.data / "originals"),
            index=beside,
            embedder=embedder,
            bm25=Bm25Encoder(),
            record=record,
            settings=ingest_settings(settings),
            clock=utc_now,
            vectors=vectors,
        )
        # What becomes live meanwhile is found by looking once more.
        while put_in := pipeline.compare_index():
            console.print(f"{put_in} documents put into the new index.")
        beside.flush()
    mark_complete(folder)
    try:
        take_place(folder, embedder.fingerprint)
    except IndexUnavailable as waiting:
        console.print(str(waiting))
    else:
        console.print("The new index is in place.")


@index.command("rechunk", epilog=example("muniment index rechunk"))
@click.pass_obj
def rechunk_index(settings: Settings) -> None:
    """Cut the texts that are kept into chunks anew, after a change of how that is done.

    Nothing is parsed again, and text that stays as it was is not embedded again. Each document
    changes at once; interrupted, the command goes on where it was. A running Muniment does the
    same by itself when it has nothing else to do, and then this command says how much is left.
    """
    console = Console(highlight=False)
    cutting = ChunkLimits.of(settings.chunk_words).cutting
    with closing(open_catalog(settings)) as catalog:
        due = catalog.count_cut_otherwise(cutting)
    if not due:
        console.print("Every document is cut as the settings say.")
        return
    try:
        with open_house(settings, worker=True) as house:
            done = Recutter(house.pipeline).work(most=due) if house.pipeline else 0
    except IndexUnavailable as held:
        console.print(f"{due} documents are still cut otherwise. {held}")
        return
    console.print(f"{done} documents looked at and cut as the settings say.")
