"""Start everything, show how far it is, watch over it, and stop it all in the end."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from rich.console import Console

from corpus.catalog import Catalog, RunId
from muniment.children import Child, end_all, last_lines
from muniment.errors import DataFolderUnusable, ProgramEnded
from muniment.listening import require_free
from muniment.model_server import (
    ModelPlan,
    OwnModelServer,
    plan_model,
    prepare_judge,
    require_installed,
)
from muniment.progress import RunDisplay
from muniment.running import Running, hold_data_folder
from muniment.samples import (
    add_sample_accounts,
    add_sample_source,
    read_samples,
    sample_passwords,
)
from muniment.settings import Settings, child_environment
from muniment.silence import environment as silent_environment
from muniment.stores import open_catalog, open_identity, open_record, utc_now
from rag.set_up import SetUp

POLL_SECONDS = 0.3
PROBE_SECONDS = 2.0
SIGNER_PAUSE_SECONDS = 5.0
NEEDED_BYTES = 1024**3
"""Free room asked for at the start: the converted model, the index and the originals."""


def bring_up(settings: Settings, *, samples: bool, console: Console) -> None:
    """Start everything and stay until SIGTERM, Ctrl-C, or the end of a program.

    Args:
        settings: What the operator chose.
        samples: Whether the sample documents and people are wanted.
        console: Where progress and addresses are shown.

    Raises:
        MunimentError: It cannot start, or a program ended by itself; nothing is left running.
    """
    with _stop_signals() as stop:
        me = Running(stop.pid, settings.port, settings.service_port)
        with hold_data_folder(settings.data, me):
            plan = _plan(settings)
            _check(settings, plan)
            run_ids = _prepare(settings, samples=samples)
            code = _set_up_code(settings)
            site = _build(settings, plan, console)
            try:
                site.start()
                if site.wait_until_ready(stop, run_ids):
                    _announce(settings, console, set_up_code=code)
                    site.watch(stop)
            finally:
                console.print("Stopping …")
                site.stop()
    console.print("Stopped; nothing is left running.")


@dataclass(slots=True)
class _Stop:
    """Set once the operator wants everything to end."""

    pid: int
    event: threading.Event = field(default_factory=threading.Event)

    def asked(self) -> bool:
        return self.event.is_set()

    def wait(self, seconds: float) -> bool:
        return self.event.wait(seconds)


@dataclass(slots=True)
class _Site:
    """The programs of one `up`."""

    settings: Settings
    console: Console
    catalog: Catalog
    service: Child
    page: Child
    signer: Child
    model: OwnModelServer | None
    judge: subprocess.Popen[bytes] | None = None
    """Preparing the larger judge's model, where no model server of our own does."""
    started: float = field(default_factory=time.monotonic)
    _ready: set[str] = field(default_factory=set)
    _signer_started: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        self.console.print(
            "Starting the service, the page" + (" and the model server" if self.model else "")
        )
        self.signer.start()
        self.service.start()
        self.page.start()
        if self.model is not None:
            self.model.start()
        if self.model is None or self.model.plan.folder != self.settings.larger_judge_folder():
            self.judge = prepare_judge(self.settings, log=self.settings.data / "logs" / "judge.log")

    def wait_until_ready(self, stop: _Stop, run_ids: list[RunId]) -> bool:
        """Show progress until questions can be asked; False when told to stop before."""
        with RunDisplay(self.console) as display:
            while not stop.wait(POLL_SECONDS):
                self._require_alive()
                self._look_at_programs()
                runs = [self.catalog.run(run_id) for run_id in run_ids]
                display.show(runs)
                ingested = all(run.state in {"done", "failed"} for run in runs)
                if ingested and {"service", "page", "model server"} <= self._ready:
                    return True
        return False

    def watch(self, stop: _Stop) -> None:
        """Keep everything running until told to stop."""
        while not stop.wait(POLL_SECONDS):
            self._require_alive()
            self._look_at_signer()
            self._look_at_model()

    def stop(self) -> None:
        """End every program; those that questions come through first."""
        children = [self.page, self.service]
        if self.model is not None:
            self.model.stop_conversion()
            children.append(self.model.child)
        if self.judge is not None:
            self.judge.terminate()
            self.judge.wait()
        end_all(children)
        # The service has its last checkpoint signed as it ends.
        end_all([self.signer])
        self.catalog.close()

    def _require_alive(self) -> None:
        for child in (self.service, self.page):
            if not child.alive():
                raise ProgramEnded(
                    f"The {child.name} ended by itself, so everything was stopped. Its log, "
                    f"{child.log}, ends with:\n{last_lines(child.log)}"
                )

    def _look_at_programs(self) -> None:
        self._look_at_model()
        if "service" not in self._ready and _answers(f"{self.settings.service_address}/ready"):
            self._report("service")
        page = f"http://{_reachable(self.settings.host)}:{self.settings.port}/sign-in"
        if "service" in self._ready and "page" not in self._ready and _answers(page):
            self._report("page")

    def _look_at_model(self) -> None:
        state = "ready" if self.model is None else self.model.step()
        if state not in {"ready", "given up"}:
            self._ready.discard("model server")
        elif "model server" not in self._ready:
            if self.model is None or state == "given up":
                self._ready.add("model server")
            else:
                self._report("model server")

    def _look_at_signer(self) -> None:
        """Start the signer again when it has ended; while it is away, questions wait for it."""
        if self.signer.alive() or time.monotonic() - self._signer_started < SIGNER_PAUSE_SECONDS:
            return
        self._signer_started = time.monotonic()
        self.console.print("  The signer had ended; it was started again")
        self.signer.start()

    def _report(self, name: str) -> None:
        self._ready.add(name)
        seconds = time.monotonic() - self.started
        self.console.print(f"  {name} ready after {seconds:.0f} s")


@contextmanager
def _stop_signals() -> Iterator[_Stop]:
    """Turn Ctrl-C and the signals that end programs into a wish that is heard between steps."""
    stop = _Stop(os.getpid())
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    earlier = {number: signal.signal(number, lambda *_: stop.event.set()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _plan(settings: Settings) -> ModelPlan | None:
    """What model server to start; None where there is one already or none is wanted."""
    return None if settings.model_off or settings.model_url else plan_model(settings)


def _check(settings: Settings, plan: ModelPlan | None) -> None:
    """Refuse to start what could not work, before anything has started."""
    free = shutil.disk_usage(settings.data).free
    if free < NEEDED_BYTES:
        raise DataFolderUnusable(
            f"Only {free // 1024**2} MiB are free on the disk of {settings.data}; "
            f"{NEEDED_BYTES // 1024**2} MiB are needed. Make room, or choose another folder with "
            "MUNIMENT_DATA."
        )
    settings.larger_judge_folder()  # refuses one that was chosen and holds no model
    require_free(settings.host, settings.port, setting="port", what="the page")
    require_free("127.0.0.1", settings.service_port, setting="service_port", what="the service")
    if plan is not None:
        require_installed(plan)
        require_free("127.0.0.1", plan.port, setting="model_port", what="the model server")


def _prepare(settings: Settings, *, samples: bool) -> list[RunId]:
    """Bring the databases up to date, declare the samples, and queue what is to be read."""
    with (
        closing(open_catalog(settings)) as catalog,
        closing(open_record(settings)) as record,
        closing(open_identity(settings)) as identity,
    ):
        if not samples:
            return []
        declared = read_samples()
        add_sample_accounts(declared, identity, record, settings.data)
        source = add_sample_source(declared, catalog, record)
        return [catalog.queue_run(source.source_id)]


def _set_up_code(settings: Settings) -> str:
    """Return the code that makes the first account; empty where there is one already."""
    with closing(open_identity(settings)) as identity:
        return SetUp(identity, clock=utc_now).offer()


def _build(settings: Settings, plan: ModelPlan | None, console: Console) -> _Site:
    variables = settings.as_variables()
    # From here on nothing but the signer signs, also where no setting says so.
    variables["MUNIMENT_SIGNER_SOCKET"] = str(settings.signer_socket_path)
    logs = settings.data / "logs"
    model = None
    if plan is not None:
        variables |= {
            "MUNIMENT_MODEL_URL": plan.url,
            "MUNIMENT_MODEL_NAME": plan.name,
            "MUNIMENT_MODEL_KEY": plan.key,
        }
        model = OwnModelServer(
            plan,
            log=logs / "model.log",
            say=lambda text: console.print(text, markup=False, soft_wrap=True),
        )
    environment = silent_environment(child_environment(variables, keep_settings=False))
    return _Site(
        settings=settings,
        console=console,
        catalog=open_catalog(settings),
        service=_program("service", "rag", environment, logs / "service.log"),
        page=_program("page", "ui", environment, logs / "page.log"),
        signer=_program("signer", "signer", environment, logs / "signer.log"),
        model=model,
    )


def _program(name: str, verb: str, environment: dict[str, str], log: Path) -> Child:
    command = [sys.executable, "-P", "-m", "muniment", "serve", verb]
    return Child(name, command, environment, log)


def _announce(settings: Settings, console: Console, *, set_up_code: str) -> None:
    """Say where the page is, how to sign in, and how to stop."""
    address = f"http://{_reachable(settings.host)}:{settings.port}"
    lines = ["", f"Muniment is ready: {address}"]
    passwords = sample_passwords(settings.data)
    if set_up_code:
        lines += [
            f"Nobody has an account yet. Make the first at {address}/set-up",
            f"with this set-up code, good once and for a day: {set_up_code}",
        ]
    elif passwords:
        lines.append("Sign in as one of these sample people (name, password, who it is):")
        lines += [f"  {name:<10} {password}  {about}" for name, password, about in passwords]
        lines.append(f'Or ask in another terminal: {_command()} ask "…" --as {passwords[0][0]}')
    else:
        lines.append(f"Make an account with: {_command()} user add NAME --groups GROUP")
    lines.append(f"Logs are in {settings.data / 'logs'}. Stop with Ctrl-C.")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _command() -> str:
    """How a terminal in the same folder names this program; it need not be on the PATH."""
    return os.path.relpath(Path(sys.executable).with_name("muniment"))


def _reachable(host: str) -> str:
    """The address to reach a server that listens on this one."""
    return "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound


def _answers(url: str) -> bool:
    try:
        return not httpx.get(url, timeout=PROBE_SECONDS, trust_env=False).is_server_error
    except httpx.HTTPError:
        return False
