import re
from pathlib import Path

import pytest

from muniment.errors import SettingsInvalid
from muniment.settings import CHECKOUT, Settings, load_settings, variable_of


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*map(variable_of, Settings.model_fields), "MUNIMENT_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_a_variable_wins_over_the_file_and_an_argument_over_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "muniment.toml").write_text('port = 9001\nservice_port = 9002\nocr = "off"\n')
    monkeypatch.setenv("MUNIMENT_PORT", "9003")
    monkeypatch.setenv("MUNIMENT_SERVICE_PORT", "9004")

    settings = load_settings(port=9005)

    assert (settings.port, settings.service_port, settings.ocr) == (9005, 9004, "off")


def test_an_unknown_variable_is_named_with_the_nearest_known_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MUNIMENT_PROT", "9000")

    with pytest.raises(SettingsInvalid, match=r"MUNIMENT_PROT.*MUNIMENT_PORT"):
        load_settings()


def test_an_unknown_key_is_named_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "muniment.toml").write_text("prot = 9000\n")

    with pytest.raises(SettingsInvalid, match=r"'prot' in muniment\.toml.*port"):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MUNIMENT_PORT", "eighty"),
        ("MUNIMENT_PORT", "70000"),
        ("MUNIMENT_OCR", "magic"),
        ("MUNIMENT_MODEL_OFF", "perhaps"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsInvalid, match=variable):
        load_settings()


def test_a_settings_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUNIMENT_CONFIG", "nowhere.toml")

    with pytest.raises(SettingsInvalid, match=r"nowhere\.toml"):
        load_settings()


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUNIMENT_MODEL_KEY", "s3cret-one")
    monkeypatch.setenv("MUNIMENT_QDRANT_KEY", "s3cret-two")

    shown = repr(load_settings())

    assert "s3cret" not in shown


def test_a_child_reads_the_settings_it_is_handed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = load_settings(data=tmp_path, port=9001, model_off=True, model_key="key")
    for variable, value in settings.as_variables().items():
        monkeypatch.setenv(variable, value)

    assert load_settings() == settings


def test_the_larger_judge_stands_on_what_up_prepares_unless_told_otherwise(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").touch()

    usual = load_settings(data=tmp_path).larger_judge_folder()
    chosen = load_settings(judge_folder=str(other)).larger_judge_folder()
    left_out = load_settings(judge_folder="none").larger_judge_folder()

    assert usual == tmp_path / "models" / "smollm2-135m-instruct"
    assert chosen == other
    assert left_out is None


def test_a_judge_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"no config\.json.*MUNIMENT_JUDGE_FOLDER"):
        load_settings(judge_folder=str(tmp_path)).larger_judge_folder()


def test_hosts_that_settings_name_may_be_reached() -> None:
    settings = load_settings(
        model_url="http://gpu.example:8000/v1", allowed_hosts="10.0.0.0/8, mail.example"
    )

    assert settings.reachable_hosts == ("gpu.example", "10.0.0.0/8", "mail.example")


def test_every_setting_is_documented_and_nothing_else() -> None:
    documented = re.findall(
        r"^\| `(MUNIMENT_\w+)` \|", (CHECKOUT / "docs" / "settings.md").read_text(), re.MULTILINE
    )

    assert sorted(documented) == sorted(map(variable_of, Settings.model_fields))


def test_documented_defaults_are_the_real_ones() -> None:
    rows = re.findall(
        r"^\| `(MUNIMENT_\w+)` \| (?:`(.*?)`)? ?\|",
        (CHECKOUT / "docs" / "settings.md").read_text(),
        re.MULTILINE,
    )
    real = {variable_of(name): field.default for name, field in Settings.model_fields.items()}

    assert {name: default.lower() for name, default in rows} == {
        name: str(default).lower() for name, default in real.items()
    }
