"""Names for what a container holds: none leads out of it, none is used twice."""

from pathlib import PurePosixPath

LONGEST_STEP = 150


class PartNames:
    """Gives the parts of one container their names."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def safe(self, told: str, *, otherwise: str = "unnamed") -> str:
        """Return a name for a part.

        Args:
            told: What the container calls it; may be empty, absolute or full of "..".
            otherwise: Its name where nothing is left of that.
        """
        printable = "".join(each if each.isprintable() else " " for each in told)
        steps = [step.strip() for step in printable.replace("\\", "/").split("/")]
        kept = [_short(step) for step in steps if step not in {"", ".", ".."}]
        name = "/".join(kept).replace("!/", "!_/") or otherwise
        return self._unused(name)

    def _unused(self, name: str) -> str:
        path = PurePosixPath(name)
        number = 1
        while name in self._given:
            number += 1
            name = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
        self._given.add(name)
        return name


def _short(step: str) -> str:
    if len(step) <= LONGEST_STEP:
        return step
    suffix = PurePosixPath(step).suffix[:20]
    return step[: LONGEST_STEP - len(suffix)].rstrip() + suffix
