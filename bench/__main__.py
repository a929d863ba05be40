"""Run the benchmarks by name, or all of them: ``python -m bench [name ...] [option ...]``."""

import importlib
import pkgutil
import sys
from itertools import takewhile

import bench


def main() -> None:
    """Run the named benchmarks: every module of this package that has a ``main``.

    Options come after the names; each benchmark takes those that it knows.
    """
    names = sorted(
        module.name for module in pkgutil.iter_modules(bench.__path__) if module.name != "__main__"
    )
    asked = list(takewhile(lambda word: not word.startswith("-"), sys.argv[1:]))
    unknown = sorted(set(asked) - set(names))
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(unknown)}. There are: {', '.join(names)}.")
    for name in asked or names:
        run = getattr(importlib.import_module(f"bench.{name}"), "main", None)
        if run is not None:
            run()


if __name__ == "__main__":
    main()
