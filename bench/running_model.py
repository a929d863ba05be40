"""The model server of this machine, for benchmarks that ask it."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from muniment.children import end_all
from muniment.model_server import OwnModelServer, plan_model
from muniment.settings import load_settings
from rag.generation import ModelServer

READY_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Served:
    """A model server that runs.

    Attributes:
        url: Its address.
        name: The served model's name.
        key: Without it the server answers nothing.
    """

    url: str
    name: str
    key: str

    def client(self) -> ModelServer:
        """Return what speaks to it."""
        return ModelServer(url=self.url, name=self.name, api_key=self.key)


@contextmanager
def served_model() -> Iterator[Served | None]:
    """Yield the server that MUNIMENT_MODEL_URL names, else start this machine's and end it.

    None where neither is there, or where it did not start, after that was printed.
    """
    settings = load_settings()
    if settings.model_url:
        with closing(ModelServer(url=settings.model_url, api_key=settings.model_key)) as asked:
            name = settings.model_name or asked.name
        yield Served(settings.model_url, name, settings.model_key)
        return
    plan = plan_model(settings)
    if not plan.environment.exists():
        print("There is no model server here (make up installs one).")
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="muniment-model-") as folder:
        server = OwnModelServer(plan, log=Path(folder, "log"), say=print)
        server.start()
        try:
            until = time.monotonic() + READY_SECONDS
            while server.step() not in {"ready", "given up"} and time.monotonic() < until:
                time.sleep(0.5)
            yield Served(plan.url, plan.name, plan.key) if server.state == "ready" else None
        finally:
            server.stop_conversion()
            end_all([server.child])
