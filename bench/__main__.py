"""Run the benchmarks by name, or all of them: ``python -m bench [name ...]``."""

import importlib
import pkgutil
import sys

import bench


def main() -> None:
    """Run the named benchmarks: every module of this package that has a ``main``."""
    names = sorted(
        module.name for module in pkgutil.iter_modules(bench.__path__) if module.name != "__main__"
    )
    asked = sys.argv[1:]
    unknown = sorted(set(asked) - set(names))
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(unknown)}. There are: {', '.join(names)}.")
    for name in asked or names:
        run = getattr(importlib.import_module(f"bench.{name}"), "main", None)
        if run is not None:
            run()


if __name__ == "__main__":
    main()
