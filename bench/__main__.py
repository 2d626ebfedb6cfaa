"""`make bench`: every benchmark in turn, each in its own process. `python -m bench NAME…` runs some of them."""

import subprocess
import sys
from pathlib import Path

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the benchmarks: modules and packages of this folder that can be run."""
    modules = [path.stem for path in _FOLDER.glob("*.py") if not path.stem.startswith("_")]
    packages = [path.parent.name for path in _FOLDER.glob("*/__main__.py")]
    return sorted(modules + packages)


def main(wanted: list[str]) -> int:
    chosen = wanted or names()
    if unknown := sorted(set(chosen) - set(names())):
        print(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(names())}", file=sys.stderr)
        return 2
    failed = []
    for name in chosen:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
