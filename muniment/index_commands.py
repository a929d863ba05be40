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
    new model in MUNIMENT_EMBEDDING_FOLDER. On a Qdrant server each model has a collection of its
    own; 'muniment index prune' removes those of other models, once nothing uses them.
    """
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
            url=settings.qdrant_url,
            api_key=settings.qdrant_key,
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
    if settings.qdrant_url:
        console.print(
            "The collection of this model is complete. Start every Muniment again with the model "
            "in MUNIMENT_EMBEDDING_FOLDER; then remove the earlier one: muniment index prune"
        )
        return
    mark_complete(folder)
    try:
        take_place(folder, embedder.fingerprint)
    except IndexUnavailable as waiting:
        console.print(str(waiting))
    else:
        console.print("The new index is in place.")


@index.command("prune", epilog=example("muniment index prune"))
@click.pass_obj
def prune_index(settings: Settings) -> None:
    """Remove what a Qdrant server keeps for embedding models other than the one of the settings.

    Do so once every Muniment on that server runs with this model: those that do not find nothing
    afterwards. The embedded index removes its predecessor by itself.
    """
    if not settings.qdrant_url:
        raise InputMissing(
            "There is no Qdrant server (MUNIMENT_QDRANT_URL); the embedded index removes its "
            "predecessor by itself."
        )
    from corpus.index.server import ServerIndex  # noqa: PLC0415 - slow to import

    embedder = load_embedder(settings)
    with closing(open_catalog(settings)) as catalog:
        live = {version.version_id for version in catalog.live_versions()}
    with closing(
        ServerIndex(
            url=settings.qdrant_url,
            api_key=settings.qdrant_key,
            dimension=embedder.dimension,
            fingerprint=embedder.fingerprint,
        )
    ) as kept:
        if not kept.count():
            raise InputMissing(
                "The collection of this model is empty, so the others are left. Build it first: "
                "muniment index rebuild"
            )
        if missing := live - kept.versions(live=True):
            raise InputMissing(
                f"{len(missing)} documents are not in the collection of this model yet, so the "
                "others are left. Build it to its end first: muniment index rebuild"
            )
        removed = kept.remove_others()
    console = Console(highlight=False)
    console.print(f"Removed: {', '.join(removed)}" if removed else "There is nothing to remove.")


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
