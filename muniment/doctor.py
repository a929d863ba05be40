"""The command ``doctor``: look at every part and say what is wrong and what to do."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.util import find_spec

import click
import httpx

from muniment.errors import MunimentError
from muniment.listening import require_free
from muniment.model_server import plan_model
from muniment.running import make_data_folder, running_in
from muniment.settings import Settings, has_model
from muniment.stores import open_catalog, open_record
from muniment.terminal import KNOWN, ExitCode, example, plain, print_json, sentence_of
from rag.contract import Readiness
from rag.generation import ModelServer

NEEDED_DISK_BYTES = 2 * 1024**3
NEEDED_MEMORY_BYTES = 8 * 1024**3
PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one part.

    Attributes:
        part: Which one.
        well: Whether it can do its work.
        said: How it is, and what to do if it is not well.
    """

    part: str
    well: bool
    said: str


@click.command(epilog=example("muniment doctor --json"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def doctor(context: click.Context, *, as_json: bool) -> None:
    """Check every part and say what is wrong. Ends with 3 when a part is not well."""
    findings = list(_examine(context.obj))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            sign = "ok   " if finding.well else "wrong"
            click.echo(plain(f"{sign}  {finding.part:<14} {finding.said}"))
    if not all(finding.well for finding in findings):
        context.exit(ExitCode.UNAVAILABLE)


def _examine(settings: Settings) -> Iterator[Finding]:
    """Look at one part after the other; a fault in one does not hide the next."""
    parts: dict[str, Callable[[Settings], str]] = {
        "python": _python,
        "data folder": _data_folder,
        "disk": _disk,
        "memory": _memory,
        "record": _record,
        "catalog": _catalog,
        "service": _service,
        "model server": _model_server,
        "larger judge": _larger_judge,
        "recognition": _recognition,
        "ports": _ports,
    }
    for part, look in parts.items():
        try:
            yield Finding(part, well=True, said=look(settings))
        except (*KNOWN, OSError) as error:
            yield Finding(part, well=False, said=sentence_of(error))


def _python(settings: Settings) -> str:
    del settings
    version = ".".join(str(number) for number in sys.version_info[:3])
    return f"{version} at {sys.executable}"


def _data_folder(settings: Settings) -> str:
    make_data_folder(settings.data)
    return f"{settings.data} can be written"


def _disk(settings: Settings) -> str:
    free = shutil.disk_usage(settings.data).free
    said = f"{free / 1024**3:.1f} GiB free"
    if free < NEEDED_DISK_BYTES:
        raise MunimentError(f"{said}; {NEEDED_DISK_BYTES // 1024**3} GiB are needed. Make room.")
    return said


def _memory(settings: Settings) -> str:
    del settings
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    said = f"{total / 1024**3:.1f} GiB"
    if total < NEEDED_MEMORY_BYTES:
        raise MunimentError(
            f"{said}; {NEEDED_MEMORY_BYTES // 1024**3} GiB are needed with a model. Use --no-model."
        )
    return said


def _record(settings: Settings) -> str:
    with closing(open_record(settings)) as record:
        verdict = record.verify()
    if not verdict.intact:
        raise MunimentError(
            f"altered: {verdict.fault}. Keep the data folder as it is and tell your auditor."
        )
    return f"intact, {verdict.entries} entries"


def _catalog(settings: Settings) -> str:
    with closing(open_catalog(settings)) as catalog:
        documents, quarantined = catalog.live_document_count(), len(catalog.quarantined())
    return f"{documents} documents, {quarantined} files in quarantine"


def _service(settings: Settings) -> str:
    running = running_in(settings.data)
    if running is None and not settings.service_url:
        return "not running; 'muniment up' starts it"
    address = running.service_address if running else settings.service_address
    try:
        reply = httpx.get(f"{address}/ready", timeout=PROBE_SECONDS, trust_env=False)
        ready = Readiness.model_validate_json(reply.content)
    except (httpx.HTTPError, ValueError) as error:
        raise MunimentError(
            f"does not answer at {address}; see {settings.data / 'logs' / 'service.log'}"
        ) from error
    said = f"record: {ready.record}; index: {ready.index}; model: {ready.model}"
    if not ready.ready:
        raise MunimentError(f"answers at {address}, but is not ready ({said})")
    return f"answers at {address}; {said}"


def _model_server(settings: Settings) -> str:
    if running_in(settings.data) is not None:
        return "as the running service says"
    if settings.model_off:
        return "switched off; answers are in the documents' own words"
    if settings.model_url:
        server = ModelServer(
            url=settings.model_url, name=settings.model_name, api_key=settings.model_key
        )
        state = server.state()
        if state != "ready":
            raise MunimentError(f"{settings.model_url} is {state}")
        return f"{settings.model_url} is ready"
    plan = plan_model(settings)
    if not (plan.environment / "bin" / "python").exists():
        raise MunimentError(
            f"not installed in {plan.environment}; run 'make up', or use --no-model"
        )
    device = "on the GPU" if plan.gpu else "on the processor"
    return f"installed in {plan.environment}; serves {plan.name} {device}"


def _larger_judge(settings: Settings) -> str:
    folder = settings.larger_judge_folder()
    if folder is None:
        return "switched off; the smaller judge decides alone"
    if not has_model(folder):
        return "not prepared; the smaller judge decides alone until 'muniment up' has prepared it"
    return f"stands on {folder}"


def _recognition(settings: Settings) -> str:
    if settings.ocr == "off":
        return "switched off; pages that are pictures are quarantined"
    tesseract = shutil.which("tesseract")
    if settings.ocr == "tesseract" and tesseract is None:
        raise MunimentError("tesseract is not installed; install it, or set MUNIMENT_OCR=rapidocr")
    if tesseract and settings.ocr != "rapidocr":
        return f"tesseract at {tesseract}"
    if find_spec("rapidocr") is None:
        raise MunimentError("RapidOCR is not installed; run 'make up', or set MUNIMENT_OCR=off")
    return "RapidOCR"


def _ports(settings: Settings) -> str:
    running = running_in(settings.data)
    if running is not None:
        return f"in use by the running muniment (process id {running.pid})"
    require_free(settings.host, settings.port, setting="port", what="the page")
    require_free("127.0.0.1", settings.service_port, setting="service_port", what="the service")
    if not (settings.model_off or settings.model_url):
        require_free(
            "127.0.0.1", settings.model_port, setting="model_port", what="the model server"
        )
    return "free"
