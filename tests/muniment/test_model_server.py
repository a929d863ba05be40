import dataclasses
import sys
import time
from pathlib import Path

import pytest

from muniment import model_server
from muniment.children import end_all
from muniment.errors import ModelServerFailed
from muniment.model_server import (
    RESTARTS,
    ModelPlan,
    OwnModelServer,
    command_of,
    plan_model,
    prepare_judge,
    prepare_model,
    require_installed,
    variables_of,
)
from muniment.settings import load_settings

PLAN = ModelPlan(
    environment=Path("/srv/vllm"),
    folder=Path("/srv/models/one"),
    name="one",
    port=20123,
    key="not-to-be-seen",
    gpu=False,
)


def test_the_model_server_listens_on_loopback_only_and_serves_the_folder() -> None:
    command = " ".join(command_of(PLAN))

    assert "--host 127.0.0.1 --port 20123" in command
    assert "--model /srv/models/one --served-model-name one" in command
    assert "--disable-fastapi-docs" in command


def test_the_key_is_never_on_the_command_line() -> None:
    assert PLAN.key not in " ".join(command_of(PLAN))
    assert variables_of(PLAN, processors=[0, 1])["VLLM_API_KEY"] == PLAN.key


def test_every_start_has_another_key() -> None:
    settings = load_settings()

    assert plan_model(settings).key != plan_model(settings).key


def test_nothing_is_fetched_and_nothing_is_reported() -> None:
    variables = variables_of(PLAN, processors=[0, 1])

    assert variables["HF_HUB_OFFLINE"] == "1"
    assert variables["VLLM_NO_USAGE_STATS"] == "1"
    assert variables["VLLM_HOST_IP"] == "127.0.0.1"


def test_without_a_gpu_all_processors_compute_and_the_prompt_is_limited() -> None:
    assert variables_of(PLAN, processors=[0, 3])["VLLM_CPU_OMP_THREADS_BIND"] == "0,3"
    assert "--enforce-eager" in command_of(PLAN)
    assert "--max-model-len" in command_of(PLAN)


@pytest.mark.parametrize(("native", "format_"), [(True, "bfloat16"), (False, "float32")])
def test_a_processor_is_not_made_to_emulate_its_numbers(
    native: bool, format_: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_server, "multiplies_bfloat16", lambda: native)

    command = command_of(dataclasses.replace(PLAN, folder=tmp_path))

    assert command[command.index("--dtype") + 1] == format_


def test_a_model_too_large_for_wider_numbers_keeps_the_narrow_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_server, "multiplies_bfloat16", lambda: False)
    monkeypatch.setattr(model_server, "SHARE_OF_MEMORY_FOR_WEIGHTS", 1e-12)
    (tmp_path / "model.safetensors").write_bytes(b"weights")

    assert model_server.number_format(tmp_path) == "bfloat16"


def test_on_a_gpu_the_processor_settings_are_left_out() -> None:
    plan = dataclasses.replace(PLAN, gpu=True)

    assert "--enforce-eager" not in command_of(plan)
    assert "VLLM_CPU_KVCACHE_SPACE" not in variables_of(plan, processors=[0])


def test_a_configured_folder_is_served_under_its_own_name(tmp_path: Path) -> None:
    plan = plan_model(load_settings(model_folder=str(tmp_path / "our-model")))

    assert (plan.folder, plan.name) == (tmp_path / "our-model", "our-model")


def test_a_configured_folder_without_a_model_is_named(tmp_path: Path) -> None:
    plan = dataclasses.replace(PLAN, folder=tmp_path)

    with pytest.raises(ModelServerFailed, match="MUNIMENT_MODEL_FOLDER"):
        prepare_model(plan, log=tmp_path / "model.log")


def converter_that_notes(environment: Path) -> Path:
    """An environment whose Python writes down how it was called."""
    (environment / "bin").mkdir(parents=True)
    program = environment / "bin" / "python"
    program.write_text('#!/bin/sh\necho "$@" >"$0.called"\n')
    program.chmod(0o755)
    return program.with_name("python.called")


def test_the_model_of_the_larger_judge_is_prepared_where_another_one_answers(
    tmp_path: Path,
) -> None:
    called = converter_that_notes(tmp_path)
    (tmp_path / "packaged-model").mkdir()
    settings = load_settings(data=tmp_path / "data", model_environment=str(tmp_path))

    conversion = prepare_judge(settings, log=tmp_path / "judge.log")

    assert conversion is not None
    assert conversion.wait() == 0
    assert called.read_text().split()[1:] == [
        str(tmp_path / "packaged-model"),
        str(tmp_path / "data" / "models" / "smollm2-135m-instruct"),
    ]


@pytest.mark.parametrize(
    "settings", [{"model_off": True}, {"judge_folder": "none"}, {"judge_folder": "/srv/judge"}, {}]
)
def test_it_is_not_prepared_where_it_is_not_wanted_or_its_package_is_not_there(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    called = converter_that_notes(tmp_path)
    if settings:
        (tmp_path / "packaged-model").mkdir()
    chosen = load_settings(data=tmp_path, model_environment=str(tmp_path), **settings)

    assert prepare_judge(chosen, log=tmp_path / "judge.log") is None
    assert not called.exists()


def test_a_prepared_model_is_not_prepared_again(tmp_path: Path) -> None:
    (tmp_path / "packaged-model").mkdir()
    settings = load_settings(data=tmp_path, model_environment=str(tmp_path))
    folder = tmp_path / "models" / "smollm2-135m-instruct"
    folder.mkdir(parents=True)
    (folder / "config.json").touch()

    assert prepare_judge(settings, log=tmp_path / "judge.log") is None


def test_a_missing_environment_is_said_with_what_to_do() -> None:
    with pytest.raises(ModelServerFailed, match=r"/srv/vllm.*make up.*--no-model"):
        require_installed(PLAN)


def test_a_model_server_that_keeps_dying_is_given_up_with_a_sentence(tmp_path: Path) -> None:
    environment, folder = tmp_path / "environment", tmp_path / "model"
    (environment / "bin").mkdir(parents=True)
    folder.mkdir()
    (folder / "config.json").touch()
    program = environment / "bin" / "python"
    program.write_text("#!/bin/sh\necho it broke\nexit 1\n")
    program.chmod(0o755)
    plan = dataclasses.replace(PLAN, environment=environment, folder=folder)
    said: list[str] = []
    server = OwnModelServer(
        plan, log=tmp_path / "model.log", say=said.append, monotonic=lambda: time.monotonic() * 1000
    )

    server.start()
    deadline = time.monotonic() + 60
    while server.step() != "given up" and time.monotonic() < deadline:
        time.sleep(0.02)
    end_all([server.child])

    assert len(said) == RESTARTS + 1
    assert "it broke" in said[-1]
    assert "in the documents' own words" in said[-1]
    assert sys.executable not in said[-1]
