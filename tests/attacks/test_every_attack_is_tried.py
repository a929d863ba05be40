"""Each attack on access of the threat model has a test or a probe that bears its number."""

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ON_ACCESS = (*range(1, 10), *range(24, 28), *range(33, 38), *range(43, 47))


def tried() -> set[str]:
    """Return the first word of every test and probe, such as ``a05``."""
    return {
        node.name.removeprefix("test_").partition("_")[0]
        for path in HERE.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("attack", [f"a{number:02}" for number in ON_ACCESS])
def test_an_attack_on_access_is_tried(attack: str) -> None:
    assert attack in tried()


def test_every_probe_is_made_with_every_guard_in_place() -> None:
    from tests.attacks import probes, side_doors  # noqa: PLC0415 - loads the whole service

    made = {probe.__name__ for probe in (*probes.PROBES, *side_doors.SIDE_DOORS)}
    written = {
        name
        for module in (probes, side_doors)
        for name, found in vars(module).items()
        if callable(found) and name.startswith("a") and name[1:3].isdecimal()
    }

    assert written <= made
