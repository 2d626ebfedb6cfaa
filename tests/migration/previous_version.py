"""The previous version's own code and tests on the present schema, as while a new version is rolled out.

    python -m tests.migration.previous_version [--commit COMMIT] [TEST…]

Exports the commit before the newest migration (or COMMIT) from git's history to a temporary folder, lays the present
migrations over its own and runs its integration tests there, with this environment's packages. Needs the history: a
shallow clone has none, which is said and ends well.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
_MIGRATIONS = Path("deploy", "migrations", "versions")
_TESTS = ("tests/integration/api", "tests/integration/connection", "tests/integration/ingest")


def git(*arguments: str) -> str | None:
    """Return what git says, None when it cannot."""
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def previous_commit() -> str | None:
    """Return the commit before the one that added the newest migration; None without so much history."""
    newest = max(path.name for path in (ROOT / _MIGRATIONS).glob("[0-9]*.py"))
    added = git("log", "--diff-filter=A", "--format=%H", "-1", "--", str(_MIGRATIONS / newest))
    return git("rev-parse", "--verify", "--quiet", f"{added}^") if added else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commit", help="the version whose code is run")
    parser.add_argument("tests", nargs="*", default=_TESTS, help="paths of tests as that version has them")
    options = parser.parse_args()
    commit = options.commit or previous_commit()
    if commit is None:
        print("!!! no history here (a shallow clone?): the previous version's code was NOT run on the present schema")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The embedded servers' own account reads the packages from here.
        folder.chmod(0o755)
        archive = folder / "previous.tar"
        subprocess.run(["git", "-C", ROOT, "archive", "--output", archive, commit], check=True)
        shutil.unpack_archive(archive, folder, filter="data")
        known = {path.name for path in (folder / _MIGRATIONS).glob("[0-9]*.py")}
        shutil.rmtree(folder / _MIGRATIONS)
        shutil.copytree(ROOT / _MIGRATIONS, folder / _MIGRATIONS)
        new = sorted({path.name for path in (ROOT / _MIGRATIONS).glob("[0-9]*.py")} - known)
        print(f"{git('log', '-1', '--format=%h %s', commit)}\non the schema with {', '.join(new)}", flush=True)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-ra",
            "--tb=short",
            "-m",
            "integration and not slow",
            *options.tests,
        ]
        return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
