"""docker-compose.yml and what it refers to, read as an operator's auditor would read them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from muniment import silence
from muniment.settings import CONFIG_VARIABLE, Settings, variable_of

REPOSITORY = Path(__file__).parents[1]
DEPLOY = REPOSITORY / "deploy"
OURS = ("rag", "ingest", "ui", "signer")
SERVICES = {"proxy", "vllm", "qdrant", "postgres", *OURS}

Service = dict[str, Any]


@pytest.fixture(scope="module")
def site() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(
        (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
    )
    return loaded


@pytest.fixture(scope="module")
def services(site: dict[str, Any]) -> dict[str, Service]:
    found: dict[str, Service] = site["services"]
    return found


@pytest.fixture(scope="module")
def door() -> str:
    return (DEPLOY / "nginx.conf").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the secrets, is not installed")
    folder = tmp_path_factory.mktemp("site") / "secrets"
    subprocess.run([DEPLOY / "make-secrets.sh", "site.example", folder], check=True)
    return folder


def names(entries: list[Any]) -> set[str]:
    """Return what short and long entries of a list refer to."""
    return {
        str(entry["source"]) if isinstance(entry, dict) else str(entry).split(":")[0]
        for entry in entries
    }


def test_the_site_has_the_services_of_the_house(services: dict[str, Service]) -> None:
    assert set(services) == SERVICES


def test_only_the_proxy_publishes_a_port_and_only_on_loopback_unless_told(
    services: dict[str, Service],
) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}

    assert published == {"proxy": ["${PUBLISH_ADDRESS:-127.0.0.1}:443:8443"]}


def test_only_the_proxy_stands_on_a_network_with_a_way_out(
    site: dict[str, Any], services: dict[str, Service]
) -> None:
    open_networks = {
        name for name, network in site["networks"].items() if not network.get("internal")
    }

    assert open_networks == {"edge"}
    assert [name for name, one in services.items() if "edge" in one["networks"]] == ["proxy"]


def test_the_page_reaches_the_service_and_no_store(services: dict[str, Service]) -> None:
    stores = set().union(*(services[name]["networks"] for name in ("qdrant", "postgres", "vllm")))

    assert stores == {"inside"}
    assert stores.isdisjoint(services["ui"]["networks"])
    assert stores.isdisjoint(services["proxy"]["networks"])


@pytest.mark.parametrize("kind", ["networks", "volumes", "secrets", "configs"])
def test_what_a_service_uses_is_declared_and_what_is_declared_is_used(
    kind: str, site: dict[str, Any], services: dict[str, Service]
) -> None:
    used: set[str] = set()
    for service in services.values():
        entries = [one for one in service.get(kind, []) if not _is_bind(one)]
        used |= names(entries)

    assert used == set(site[kind])


def _is_bind(entry: object) -> bool:
    return isinstance(entry, dict) and entry.get("type") == "bind"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_runs_with_as_little_as_it_can(name: str, services: dict[str, Service]) -> None:
    service = services[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not str(service["user"]).startswith(("0", "root"))
    assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & set(service)
    assert "docker.sock" not in str(service)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_watched_bounded_and_logs_no_more_than_fits(
    name: str, services: dict[str, Service]
) -> None:
    service = services[name]

    assert service["healthcheck"]["test"]
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert service["logging"]["options"]["max-size"]
    assert service["restart"] == "unless-stopped"


def test_only_the_signer_can_read_the_key_that_signs_the_record(
    services: dict[str, Service],
) -> None:
    mounted = {
        name: {str(volume).split(":")[0] for volume in service.get("volumes", [])}
        for name, service in services.items()
    }

    assert [name for name, volumes in mounted.items() if "signer" in volumes] == ["signer"]
    askers = {name for name, volumes in mounted.items() if "signer-socket" in volumes}
    assert askers == {"signer", "rag", "ingest"}
    users = {name: services[name]["user"].split(":")[0] for name in askers}
    assert users["signer"] not in {users["rag"], users["ingest"]}
    for name in askers:
        variables = services[name]["environment"]
        assert variables["MUNIMENT_SIGNER_SOCKET"].startswith("/run/signer/")


def test_services_start_in_order(services: dict[str, Service]) -> None:
    waits = {name: service.get("depends_on", {}) for name, service in services.items()}

    assert waits["proxy"] == {"ui": {"condition": "service_healthy"}}
    assert waits["ui"] == {"rag": {"condition": "service_healthy"}}
    assert waits["rag"]["postgres"] == waits["rag"]["qdrant"] == {"condition": "service_healthy"}


def test_every_image_names_its_version(services: dict[str, Service]) -> None:
    for name, service in services.items():
        _, _, tag = service["image"].rpartition(":")
        assert re.search(r"\d+\.\d+", tag), f"{name} runs {service['image']}"


def test_every_base_image_names_its_version() -> None:
    bases = re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)

    assert bases
    assert all(re.search(r":\d+\.\d+\.\d+", base) for base in bases)


def test_no_password_or_key_stands_in_the_file(services: dict[str, Service]) -> None:
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            secret = re.search(r"PASSWORD|_KEY|SECRET|TOKEN|DATABASE_URL", variable)
            assert not secret or variable.endswith("_FILE"), f"{name} is given {variable}"
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), f"{name}: {variable}"


def test_our_programs_are_given_settings_that_exist(services: dict[str, Service]) -> None:
    known = {variable_of(name) for name in Settings.model_fields} | {CONFIG_VARIABLE}

    for name in OURS:
        given = {key for key in services[name]["environment"] if key.startswith("MUNIMENT_")}
        assert given
        assert given <= known


def test_statistics_are_off_wherever_they_could_be_sent(services: dict[str, Service]) -> None:
    assert services["qdrant"]["environment"]["QDRANT__TELEMETRY_DISABLED"] == "true"
    for name in ("vllm", *OURS):
        variables = services[name]["environment"]
        for switch in ("DO_NOT_TRACK", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
            assert variables[switch] == silence.SWITCHES[switch]
    assert services["vllm"]["environment"]["VLLM_NO_USAGE_STATS"] == "1"


def test_the_model_server_gets_the_gpus_and_never_code_from_a_model(
    services: dict[str, Service],
) -> None:
    vllm = services["vllm"]
    devices = vllm["deploy"]["resources"]["reservations"]["devices"]

    assert devices == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]
    assert "trust-remote-code" not in str(vllm)
    assert "/model" in vllm["command"][0]


def test_every_file_that_is_referred_to_is_there(
    site: dict[str, Any], services: dict[str, Service], secrets: Path
) -> None:
    for config in site["configs"].values():
        assert (REPOSITORY / config["file"]).is_file()
    for name, secret in site["secrets"].items():
        assert secret["file"] == f"./deploy/secrets/{name}"
        assert (secrets / name).is_file()
    for name in OURS:
        assert (REPOSITORY / services[name]["build"]["dockerfile"]).is_file()
    for source in re.findall(
        r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE
    ):
        for part in source.split():
            assert (REPOSITORY / part).exists(), part


def test_every_variable_an_operator_must_give_is_in_the_example() -> None:
    text = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
    wanted = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", text))
    example = (DEPLOY / "site.env").read_text(encoding="utf-8")

    assert wanted == set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))


def test_two_sites_share_no_secret(secrets: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run([DEPLOY / "make-secrets.sh", "site.example", other], check=True)

    for mine in secrets.iterdir():
        assert mine.read_bytes() != (other / mine.name).read_bytes()


def test_making_secrets_again_keeps_those_in_use(secrets: Path) -> None:
    before = {path.name: path.read_bytes() for path in secrets.iterdir()}

    subprocess.run([DEPLOY / "make-secrets.sh", "site.example", secrets], check=True)

    assert {path.name: path.read_bytes() for path in secrets.iterdir()} == before


def test_nobody_else_may_look_into_the_folder_of_secrets(secrets: Path) -> None:
    assert secrets.stat().st_mode & 0o077 == 0


def test_our_secrets_are_settings_that_exist(secrets: Path) -> None:
    keys = set(re.findall(r"^(\w+) =", (secrets / "muniment.toml").read_text(), re.MULTILINE))

    assert keys == {"database_url", "qdrant_key", "model_key"}
    assert keys <= set(Settings.model_fields)


@pytest.mark.parametrize(
    "path",
    [
        "/_stcore/metrics",
        "/library/_stcore/metrics",
        "/_stcore/agent/openapi.json",
        "/_stcore/upload_file/x",
        "/v1/session",
        "/docs",
        "/openapi.json",
    ],
)
def test_the_door_is_shut_to_inner_paths(path: str, door: str) -> None:
    shut = re.findall(r"location ~ (\S+) \{ return 404; \}", door)

    assert any(re.search(pattern, path) for pattern in shut)


@pytest.mark.parametrize(
    "path", ["/", "/library", "/sign-in", "/_stcore/stream", "/_stcore/health"]
)
def test_the_door_is_open_to_the_page(path: str, door: str) -> None:
    shut = re.findall(r"location ~ (\S+) \{ return 404; \}", door)

    assert not any(re.search(pattern, path) for pattern in shut)


def test_the_door_replaces_what_a_visitor_says_about_himself(door: str) -> None:
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in door
    assert "$proxy_add_x_forwarded_for" not in door
    for header in ("X-Forwarded-User", "Remote-User", "Forwarded"):
        assert f'proxy_set_header {header} "";' in door


def test_the_door_carries_the_page_s_connection_and_a_policy(door: str) -> None:
    assert "proxy_set_header Upgrade $http_upgrade;" in door
    assert "ssl_protocols TLSv1.2 TLSv1.3;" in door
    policy = re.search(r'add_header Content-Security-Policy "([^"]+)" always;', door)
    assert policy
    assert "default-src 'self'" in policy[1]
    assert "connect-src 'self'" in policy[1]
    assert "http" not in policy[1]


def test_the_door_is_well_formed(door: str) -> None:
    code = [line.strip() for line in door.splitlines() if line.strip() and line.strip()[0] != "#"]

    assert door.count("{") == door.count("}")
    assert all(line[-1] in ";{}" for line in code)


def test_the_door_knows_the_site_by_name_only(door: str) -> None:
    assert "server_name ${SITE_NAME};" in door
    assert "ssl_reject_handshake on;" in door
