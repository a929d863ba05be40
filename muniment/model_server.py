"""Start, watch and restart a vLLM of our own, for sites that do not run one already."""

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from corpus.processor import multiplies_bfloat16
from muniment.children import Child, last_lines
from muniment.errors import ModelServerFailed
from muniment.settings import (
    CHECKOUT,
    PACKAGED_MODEL,
    Settings,
    child_environment,
    has_model,
    own_processors,
)
from muniment.silence import environment as silent_environment

MAXIMUM_MODEL_LENGTH = 4_096
MAXIMUM_SEQUENCES = 8
MAXIMUM_SEQUENCES_ON_GPU = 32
SHARE_OF_MEMORY_FOR_WEIGHTS = 0.25
RESTARTS = 5
"""More than this in one run of `up` and the model server is left down, with a sentence."""
FIRST_PAUSE_SECONDS = 2.0
HEALTH_SECONDS = 2.0
NICENESS_ON_CPU = 10
"""A model computes for seconds, the search before it for milliseconds: as equals on the same
processors, each waits for the other's threads, and a question takes seconds more.
"""
TOKENS_A_STEP_ON_CPU = 256
"""What is no longer wanted is read to the end of its step: of a prompt, a fifth or so."""


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What is to be served, and how it is reached.

    Attributes:
        environment: Python environment that vLLM is installed in.
        folder: Model in safetensors.
        name: Name it is served under.
        port: Loopback port.
        key: API key, new with every start of `up`.
        gpu: Whether an NVIDIA GPU serves it.
    """

    environment: Path
    folder: Path
    name: str
    port: int
    key: str
    gpu: bool

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


def plan_model(settings: Settings) -> ModelPlan:
    """Decide what to serve: the configured folder, else the packaged model."""
    chosen = settings.model_folder
    folder = Path(chosen) if chosen else settings.data / "models" / PACKAGED_MODEL
    return ModelPlan(
        environment=settings.model_environment_folder,
        folder=folder,
        name=settings.model_name or (folder.name if chosen else PACKAGED_MODEL),
        port=settings.model_port,
        key=secrets.token_urlsafe(32),
        gpu=gpu_present(),
    )


def gpu_present() -> bool:
    """Say whether this machine has an NVIDIA GPU whose driver answers."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    return subprocess.run([program], capture_output=True, check=False).returncode == 0  # noqa: S603


def command_of(plan: ModelPlan) -> list[str]:
    """The command line of the model server; holds no secret."""
    command = [
        str(plan.environment / "bin" / "python"),
        *("-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(plan.folder)),
        *("--served-model-name", plan.name),
        *("--host", "127.0.0.1"),
        *("--port", str(plan.port)),
        *("--max-num-seqs", str(MAXIMUM_SEQUENCES_ON_GPU if plan.gpu else MAXIMUM_SEQUENCES)),
        *("--generation-config", "vllm"),
        "--enable-prompt-tokens-details",
        "--disable-fastapi-docs",
        "--disable-uvicorn-access-log",
    ]
    if not plan.gpu:
        command += ["--dtype", number_format(plan.folder), "--enforce-eager"]
        command += ["--max-model-len", str(MAXIMUM_MODEL_LENGTH)]
        command += ["--max-num-batched-tokens", str(TOKENS_A_STEP_ON_CPU)]
    return command


def number_format(folder: Path) -> str:
    """Return the number format in which this machine's CPU reads a prompt soonest.

    A CPU that only emulates bfloat16 reads a prompt some five times faster in float32, which takes
    twice the memory: a model too large for that stays in bfloat16.
    """
    doubled = 2 * sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if multiplies_bfloat16() or doubled > SHARE_OF_MEMORY_FOR_WEIGHTS * memory:
        return "bfloat16"
    return "float32"


def variables_of(plan: ModelPlan, *, processors: list[int]) -> dict[str, str]:
    """The variables the model server needs besides the silent environment.

    Args:
        plan: What is served.
        processors: Those this process may use. All are named, because vLLM left to itself keeps
            one back, which on two halves its speed.
    """
    binding = ",".join(str(number) for number in processors)
    offline = {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_HOST_IP": "127.0.0.1",
    }
    # A request may ask for this many replies at once; unset, it is thousands.
    limits = {"VLLM_API_KEY": plan.key, "VLLM_MAX_N_SEQUENCES": str(MAXIMUM_SEQUENCES)}
    processor = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": binding}
    return offline | limits | ({} if plan.gpu else processor)


def require_installed(plan: ModelPlan) -> None:
    """Stop with a sentence when the model server's environment is not there."""
    if not (plan.environment / "bin" / "python").exists():
        raise ModelServerFailed(
            f"The model server is not installed in {plan.environment}. Run 'make up', which "
            "installs it, set MUNIMENT_MODEL_URL to one that runs, or use --no-model."
        )


def prepare_model(plan: ModelPlan, *, log: Path) -> subprocess.Popen[bytes] | None:
    """Start converting the packaged model, or return None when the folder is ready."""
    if has_model(plan.folder):
        return None
    if plan.name != PACKAGED_MODEL or plan.folder.name != PACKAGED_MODEL:
        raise ModelServerFailed(
            f"There is no model in {plan.folder} (no config.json). Correct MUNIMENT_MODEL_FOLDER."
        )
    return _convert(plan.environment, plan.folder, log=log)


def prepare_judge(settings: Settings, *, log: Path) -> subprocess.Popen[bytes] | None:
    """Start converting the packaged model for the larger judge, where no model server does.

    None when it is there already, no model is wanted, or its package was never fetched: then
    questions are judged by the smaller judge alone.
    """
    if settings.model_off or settings.judge_folder:
        return None
    folder = settings.larger_judge_folder()
    environment = settings.model_environment_folder
    if folder is None or has_model(folder):
        return None
    return _convert(environment, folder, log=log) if _package(environment).is_dir() else None


def _convert(environment: Path, folder: Path, *, log: Path) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    python, converter = environment / "bin" / "python", CHECKOUT / "model-server" / "convert.py"
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - built here, no shell
            [str(python), str(converter), str(_package(environment)), str(folder)],
            env=silent_environment(child_environment({}, keep_settings=False)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _package(environment: Path) -> Path:
    return environment / "packaged-model"


class OwnModelServer:
    """The model server of this machine: converting, starting, ready, or being restarted.

    Nothing here blocks: call `step` often, from the main thread.

    Args:
        plan: What is served.
        log: File its output goes to.
        say: Called with a sentence for the operator.
        monotonic: The clock that pauses are measured with.
    """

    def __init__(
        self,
        plan: ModelPlan,
        *,
        log: Path,
        say: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.plan = plan
        self.log = log
        self.state = "starting"
        self._say = say
        self._monotonic = monotonic
        self._restarts = 0
        self._start_at = 0.0
        self._conversion: subprocess.Popen[bytes] | None = None
        inherited = silent_environment(child_environment({}, keep_settings=False))
        self.child = Child(
            "model server",
            command_of(plan),
            inherited | variables_of(plan, processors=own_processors()),
            log,
            niceness=0 if plan.gpu else NICENESS_ON_CPU,
        )

    def start(self) -> None:
        """Begin: convert the packaged model where that was never done, else start vLLM."""
        require_installed(self.plan)
        self._conversion = prepare_model(self.plan, log=self.log)
        if self._conversion is None:
            self.child.start()
        else:
            self.state = "preparing the model"

    def step(self) -> str:
        """Do what is due and return the state, "ready" when questions can be answered."""
        if self.state == "given up":
            return self.state
        if self._conversion is not None:
            self._finish_conversion(self._conversion)
        elif self._start_at:
            if self._monotonic() >= self._start_at:
                self._start_at = 0.0
                self.child.start()
        elif not self.child.alive():
            self._plan_restart()
        elif self.state != "ready" and self._healthy():
            self.state = "ready"
        return self.state

    def stop_conversion(self) -> None:
        """End a conversion that is under way; what it had written is left out of use."""
        if self._conversion is not None:
            self._conversion.terminate()
            self._conversion.wait()

    def _finish_conversion(self, conversion: subprocess.Popen[bytes]) -> None:
        code = conversion.poll()
        if code is None:
            return
        self._conversion = None
        if code != 0:
            self._give_up("The packaged model could not be prepared")
            return
        self.state = "starting"
        self.child.start()

    def _plan_restart(self) -> None:
        if self._restarts >= RESTARTS:
            self._give_up(f"The model server ended {RESTARTS + 1} times")
            return
        pause = FIRST_PAUSE_SECONDS * 2**self._restarts
        self._restarts += 1
        self._start_at = self._monotonic() + pause
        self.state = "restarting"
        self._say(
            f"The model server ended by itself; starting it again in {pause:.0f} seconds "
            f"(attempt {self._restarts} of {RESTARTS}). Its log: {self.log}"
        )

    def _give_up(self, what: str) -> None:
        self.state = "given up"
        self._say(
            f"{what}; questions are answered in the documents' own words until you start again. "
            f"Its log, {self.log}, ends with:\n{last_lines(self.log)}"
        )

    def _healthy(self) -> bool:
        try:
            reply = httpx.get(f"{self.plan.url}/health", timeout=HEALTH_SECONDS, trust_env=False)
        except httpx.HTTPError:
            return False
        return reply.is_success
