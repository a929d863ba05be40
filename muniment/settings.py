"""Every setting of every program: one place reads the environment.

A setting ``name`` is given as the variable ``MUNIMENT_NAME`` or as ``name = …`` in one TOML
file (``MUNIMENT_CONFIG``, else ``muniment.toml`` in the working folder); the variable wins.
"""

import difflib
import hashlib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from muniment.errors import SettingsInvalid

PREFIX = "MUNIMENT_"
CONFIG_VARIABLE = "MUNIMENT_CONFIG"
EVALUATION_VARIABLE = "MUNIMENT_EVAL_DATA"
"""Where tests and benchmarks find documents and questions; no setting of any program."""
DEFAULT_CONFIG = Path("muniment.toml")
SHORTEST_TERM_MONTHS = 6
"""What is on the record stays readable for at least so long (audit.erasure says the same)."""
PACKAGED_MODEL = "smollm2-135m-instruct"
CHECKOUT = Path(__file__).resolve().parents[1]
"""Where the samples and the model server's installer lie."""


def has_model(folder: Path) -> bool:
    """Say whether a folder holds a model; one that is being prepared appears when it is whole."""
    return (folder / "config.json").exists()


class Settings(BaseSettings):
    """What an operator may choose. Read once at the start and never changed."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True
    )

    data: Path = Field(Path("data"), description="Folder of everything that is kept.")
    host: str = Field("127.0.0.1", description="Address the page listens on.")
    host_names: str = Field(
        "localhost,127.0.0.1",
        description="Names under which browsers reach the page, separated by commas.",
    )
    https: bool = Field(
        default=False, description="Browsers reach the page over https, through a proxy."
    )
    port: int = Field(8080, ge=1, le=65_535, description="Port of the page.")
    service_port: int = Field(8081, ge=1, le=65_535, description="Loopback port of the service.")
    model_port: int = Field(8082, ge=1, le=65_535, description="Loopback port of the model server.")
    service_url: str = Field(
        "", description="Address of the service when it runs on another machine."
    )
    model_url: str = Field(
        "", description="A model server that already runs, such as http://10.0.0.5:8000."
    )
    model_name: str = Field("", description="Name under which the model server serves its model.")
    model_key: str = Field("", repr=False, description="Key the model server asks for.")
    model_folder: str = Field("", description="Model in safetensors to serve instead of SmolLM2.")
    model_profile: str = Field(
        "auto",
        pattern=r"^(auto|none|(cites|form|judge|reword)(, ?(cites|form|judge|reword))*)$",
        description="What the model may do beyond wording: auto, none, or of cites, form, judge, "
        "reword.",
    )
    model_off: bool = Field(
        default=False, description="Answer in the documents' own words, without a model."
    )
    model_context: int = Field(
        0, ge=0, description="The model's window in tokens; 0 asks the model server."
    )
    model_silence_seconds: int = Field(
        60, ge=1, description="Longest silence of the model before it counts as away."
    )
    quotes_only: bool = Field(
        default=False, description="Answer in the documents' own words, whatever is asked for."
    )
    quotes_only_sources: str = Field(
        "", description="Sources that are only quoted and never shown to a model, with commas."
    )
    prompt_tokens: int = Field(
        1_500, ge=128, description="Most tokens of passages that a model is given."
    )
    answer_seconds: int = Field(180, ge=1, description="Time a model may take for an answer.")
    answers_at_once: int = Field(
        4, ge=1, description="Answers worded at the same time; further questions wait in turn."
    )
    model_environment: str = Field(
        "", description="Python environment of the model server; .venv-model in the checkout."
    )
    embedding_folder: str = Field(
        "", description="Embedding model to use instead of all-MiniLM-L6-v2."
    )
    reranker_folder: str = Field(
        "", description="A cross-encoder that reads the best candidates once more; off by default."
    )
    judge_folder: str = Field(
        "",
        description="SmolLM2-135M-Instruct, on which the larger judge stands; none leaves it out.",
    )
    qdrant_url: str = Field("", description="A Qdrant server instead of the embedded index.")
    qdrant_key: str = Field("", repr=False, description="Key the Qdrant server asks for.")
    database_url: str = Field(
        "", repr=False, description="A PostgreSQL database instead of SQLite in the data folder."
    )
    allowed_hosts: str = Field(
        "", description="Further hosts that sockets may reach, separated by commas."
    )
    ocr: Literal["auto", "tesseract", "rapidocr", "off"] = Field(
        "auto", description="What reads pages that are pictures: auto, tesseract, rapidocr or off."
    )
    session_idle_minutes: int = Field(
        30, ge=1, description="Minutes without a request after which a person is signed out."
    )
    session_hours: int = Field(
        12, ge=1, description="Hours after which a person must sign in again."
    )
    administrators_need_code: bool = Field(
        default=True,
        description="Administrators act only with a second factor; sample accounts are let off.",
    )
    service_key_file: str = Field(
        "", description="File of the key that seals secrets of accounts; service.key."
    )
    proxy_addresses: str = Field(
        "127.0.0.1",
        description="Proxies whose word on where a visitor comes from counts; * for whoever asks.",
    )
    oidc_issuer: str = Field("", description="Address of an identity provider (OpenID Connect).")
    oidc_client_id: str = Field("", description="Under which the provider knows Muniment.")
    oidc_client_secret: str = Field(
        "", repr=False, description="By which the provider knows Muniment."
    )
    oidc_redirect: str = Field(
        "", description="Where the provider sends browsers: https://NAME/sign-in/back."
    )
    oidc_name: str = Field("Single sign-on", description="What people call the provider.")
    oidc_algorithms: str = Field(
        "RS256,PS256,ES256", description="In which the provider may sign, separated by commas."
    )
    oidc_scopes: str = Field("openid profile", description="What the provider is asked for.")
    oidc_name_claim: str = Field(
        "preferred_username", description="The claim accounts are named after."
    )
    oidc_groups_claim: str = Field("", description="The claim that lists groups; none when empty.")
    oidc_groups: str = Field(
        "*", description="Patterns of groups taken from that claim, separated by commas."
    )
    oidc_most_groups: int = Field(
        150, ge=1, description="With more groups than this in a token, none is taken."
    )
    oidc_keys_file: str = Field(
        "", description="The provider's keys (JWKS) as a file; then they are never fetched."
    )
    oidc_adopt: bool = Field(
        default=False,
        description="Who first comes with the name of an account the directory made, gets it.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="How much the programs log: debug, info, warning or error."
    )
    directory: str = Field(
        "",
        description="Where people and groups come from: a folder of CSV files, or ldaps://server.",
    )
    directory_options: str = Field(
        "", description="TOML file of how an LDAP directory is read, with its password."
    )
    directory_seconds: int = Field(
        30, ge=10, description="How often the service brings itself into step with the directory."
    )
    directory_percent: int = Field(
        20,
        ge=0,
        le=100,
        description="A directory that would lock more than this share of its people is stopped.",
    )
    markings: str = Field(
        "",
        description="Protective markings from the lowest to the highest, separated by commas.",
    )
    maximum_file_megabytes: int = Field(
        200, ge=1, description="A larger file is quarantined instead of being read."
    )
    source_credentials: str = Field(
        "", description="TOML file of what sources behind an address need to let Muniment in."
    )
    gone_percent: int = Field(
        20,
        ge=0,
        le=100,
        description="A run asks before it withdraws more than this share of a source.",
    )
    gone_at_least: int = Field(
        10, ge=1, description="But fewer documents than this are withdrawn without asking."
    )
    office_pages: bool = Field(
        default=True, description="Draw Office documents as pages where LibreOffice is installed."
    )
    chunk_words: int = Field(
        130, ge=20, le=1000, description="A chunk this long takes no further paragraph."
    )
    parse_seconds: int = Field(120, ge=1, description="Time one document may take to be parsed.")
    parse_memory_megabytes: int = Field(
        3000, ge=256, description="Memory one document may take to be parsed."
    )

    record_key_file: str = Field(
        "", description="File of the key that wraps the keys of payloads; audit/payload.key."
    )
    signer_folder: str = Field(
        "", description="Folder of the signer's key and memory; signer in the data folder."
    )
    signer_socket: str = Field(
        "", description="Socket of a signer that alone may sign; socket in the signer's folder."
    )
    signer_minutes: int = Field(
        5, ge=0, description="Minutes without a signature after which no questions are taken."
    )
    witness_url: str = Field("", description="A witness that cosigns over HTTP.")
    witness_folder: str = Field("", description="Folder that requests to a witness are left in.")
    witness_vkey: str = Field("", description="Key of the witness, as it printed it.")
    witness_minutes: int = Field(
        0, ge=0, description="Minutes without a witness after which no questions are taken."
    )
    checkpoint_seconds: int = Field(60, ge=1, description="Longest time between two checkpoints.")
    checkpoint_entries: int = Field(256, ge=1, description="Most entries between two checkpoints.")
    checkpoint_folder: str = Field("", description="Folder that every checkpoint is written to.")
    checkpoint_syslog: str = Field(
        "", description="Syslog that every checkpoint is sent to: a socket's path or host:port."
    )
    checkpoint_mail_folder: str = Field(
        "", description="Maildir that a checkpoint a day is left in."
    )
    checkpoint_mail_to: str = Field("", description="Whom that message is for.")
    heartbeat_minutes: int = Field(
        5, ge=1, description="How often the record says that it is alive."
    )
    export_schedule: str = Field(
        "", description="Times at which the record is exported, as cron writes them (UTC)."
    )
    export_folder: str = Field("", description="Folder that these exports are written to.")
    export_format: Literal["bundle", "ocsf", "cef", "syslog", "csv", "parquet", "pdf", "jsonl"] = (
        Field("bundle", description="Form of these exports.")
    )

    record_database_url: str = Field(
        "", repr=False, description="A PostgreSQL database for the record instead of a file."
    )
    retention_questions_months: int = Field(
        0, ge=0, description="Months that questions and answers are kept; 0 keeps them."
    )
    retention_documents_months: int = Field(
        0, ge=0, description="Months that the names of documents are kept on record; 0 keeps them."
    )
    retention_access_months: int = Field(
        0, ge=0, description="Months that sign-ins and denials are kept by name; 0 keeps them."
    )
    retention_administration_months: int = Field(
        0, ge=0, description="Months that administrators' acts are kept by name; 0 keeps them."
    )

    @field_validator(
        "retention_questions_months",
        "retention_documents_months",
        "retention_access_months",
        "retention_administration_months",
    )
    @classmethod
    def _long_enough(cls, value: int) -> int:
        if 0 < value < SHORTEST_TERM_MONTHS:
            raise ValueError(f"it must be 0 or at least {SHORTEST_TERM_MONTHS} months")
        return value

    @field_validator("data")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let arguments win over variables, and variables over the TOML file; nothing else."""
        del dotenv_settings, file_secret_settings
        file = InitSettingsSource(settings_cls, init_kwargs=_read_config())
        return (init_settings, env_settings, file)

    @property
    def catalog_url(self) -> str:
        """Where the catalog lives."""
        return self.database_url or f"sqlite:///{self.data / 'catalog.db'}"

    @property
    def jobs_url(self) -> str:
        """Where unfinished documents are remembered."""
        return self.database_url or f"sqlite:///{self.data / 'jobs.db'}"

    @property
    def signer_key_folder(self) -> Path:
        """Where the signer keeps its key and what it has signed last."""
        chosen = self.signer_folder
        return Path(chosen).expanduser() if chosen else self.data / "signer"

    @property
    def signer_socket_path(self) -> Path:
        """Where the signer answers."""
        chosen = self.signer_socket
        return Path(chosen).expanduser() if chosen else self.signer_key_folder / "socket"

    @property
    def service_database_url(self) -> str:
        """Where accounts, sessions and conversations live."""
        return self.database_url or f"sqlite:///{self.data / 'service.db'}"

    @property
    def retention_terms(self) -> dict[str, int]:
        """Months by retention class of the record."""
        return {
            "questions": self.retention_questions_months,
            "documents": self.retention_documents_months,
            "access": self.retention_access_months,
            "administration": self.retention_administration_months,
        }

    @property
    def service_address(self) -> str:
        """Where the service answers: as configured, else on this machine."""
        return self.service_url.rstrip("/") or f"http://127.0.0.1:{self.service_port}"

    @property
    def reachable_hosts(self) -> tuple[str, ...]:
        """Hosts besides this machine that sockets may reach, because a setting names them."""
        urls = (
            self.service_url,
            self.model_url,
            self.qdrant_url,
            self.database_url,
            self.record_database_url,
            self.witness_url,
            self.oidc_issuer,
            self.directory if "://" in self.directory else "",
            f"tcp://{self.checkpoint_syslog}" if ":" in self.checkpoint_syslog else "",
        )
        named = [urlsplit(url).hostname or "" for url in urls if url]
        return tuple(dict.fromkeys(host for host in (*named, *listed(self.allowed_hosts)) if host))

    @property
    def page_host_names(self) -> tuple[str, ...]:
        """The names under which browsers may reach the page."""
        return tuple(listed(self.host_names))

    @property
    def only_quoted_sources(self) -> frozenset[str]:
        """Names of the sources that no model is shown anything of."""
        names = self.quotes_only_sources.split(",")
        return frozenset(name.strip() for name in names if name.strip())

    @property
    def marking_levels(self) -> tuple[str, ...]:
        """The protective markings in use, from the lowest to the highest."""
        return tuple(listed(self.markings))

    @property
    def model_environment_folder(self) -> Path:
        """The Python environment vLLM is installed in."""
        chosen = self.model_environment
        return Path(chosen).expanduser().resolve() if chosen else CHECKOUT / ".venv-model"

    def larger_judge_folder(self) -> Path | None:
        """Where the model of the larger judge is, or will be; None where it is left out.

        Raises:
            SettingsInvalid: It was chosen, and there is none.
        """
        if self.judge_folder == "none":
            return None
        if not self.judge_folder:
            return self.data / "models" / PACKAGED_MODEL
        chosen = Path(self.judge_folder).expanduser()
        if not has_model(chosen):
            raise SettingsInvalid(
                f"There is no model in {chosen} (no config.json). Correct MUNIMENT_JUDGE_FOLDER, "
                "or leave it empty for the model that 'muniment up' prepares."
            )
        return chosen

    def fingerprint(self) -> str:
        """A SHA-256 over every setting but the secrets, for the record."""
        secrets = {"model_key", "qdrant_key", "database_url", "record_database_url"}
        shown = self.model_dump_json(exclude=secrets)
        return hashlib.sha256(shown.encode()).hexdigest()

    def as_variables(self) -> dict[str, str]:
        """Every setting as the variable that would give it, for a child process."""
        return {
            variable_of(name): str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in self
            if value != ""
        }


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment and the TOML file.

    Args:
        overrides: Settings given on the command line; None means not given.

    Raises:
        SettingsInvalid: A variable, key or value that is not known, named.
    """
    _refuse_unknown_variables(os.environ)
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsInvalid(_explain(error)) from error


def child_environment(extra: Mapping[str, str], *, keep_settings: bool = True) -> dict[str, str]:
    """This process's environment with additions, for a child process.

    Args:
        extra: What is set on top.
        keep_settings: False leaves Muniment's own variables out.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if keep_settings or not name.startswith(PREFIX)
    }
    return {**inherited, **extra}


def listed(text: str) -> list[str]:
    """Return what a setting lists, separated by commas."""
    return [item.strip() for item in text.split(",") if item.strip()]


def _read_config() -> dict[str, object]:
    named = os.environ.get(CONFIG_VARIABLE, "")
    path = Path(named) if named else DEFAULT_CONFIG
    if not path.is_file():
        if named:
            raise SettingsInvalid(
                f"{CONFIG_VARIABLE} names {path}, which is not a file. Correct or unset it."
            )
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsInvalid(f"The settings file {path} cannot be read: {error}.") from error
    for key in values:
        if key not in Settings.model_fields:
            raise SettingsInvalid(
                f"Unknown setting '{key}' in {path}.{_nearest(key, Settings.model_fields)}"
            )
    return values


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    known = {variable_of(name) for name in Settings.model_fields}
    known |= {CONFIG_VARIABLE, EVALUATION_VARIABLE}
    for variable in sorted(environment):
        if variable.upper().startswith(PREFIX) and variable not in known:
            raise SettingsInvalid(f"Unknown setting {variable}.{_nearest(variable, known)}")


def _nearest(word: str, known: Mapping[str, object] | set[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.0)
    return f" Did you mean {near[0]}? docs/settings.md lists every setting." if near else ""


def _explain(error: ValidationError) -> str:
    """One sentence for the first thing wrong."""
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "?"
    return (
        f"The setting {variable_of(name)} (or '{name}' in the settings file) is wrong: "
        f"{first['msg']}. docs/settings.md says what it may be."
    )


def own_processors() -> list[int]:
    """Numbers of the processors this process may use."""
    return sorted(os.sched_getaffinity(0))
