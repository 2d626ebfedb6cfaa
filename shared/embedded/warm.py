"""`python -m shared.embedded.warm`: does once, at installation, what would make the first starts slow.

Fetches Kafka's jars and lets a broker start and stop once while Java records the classes it loads; later starts map
them from a file. Measured 2026-11-22 on two busy cores: a first start took 10.3 s before and 4.0 s after, a later one
6.5 s and 1.9 s.
"""

import sys
import tempfile
from pathlib import Path

from shared.embedded.cache import make_once
from shared.embedded.jars import JarError, JavaError, aot_cache, class_path
from shared.embedded.kafka import EmbeddedKafka
from shared.embedded.process import StartError

# Java writes the file when the broker stops, in a second JVM.
_WRITING_GRACE_S = 180.0


def record_classes() -> None:
    """Make the file of loaded classes unless it is there or this Java has none."""
    file = aot_cache()
    if file is not None:
        make_once(file.parent, lambda staging: _record(staging / file.name))


def _record(file: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="pulseline-") as folder:
        broker = EmbeddedKafka(Path(folder), jvm_options=[f"-XX:AOTCacheOutput={file}"])
        broker.start()
        broker.stop(_WRITING_GRACE_S)
    if not file.exists():
        raise StartError("Java wrote no file of loaded classes")


def _show(done: int, total: int) -> None:
    if done % 10 == 0 or done == total:
        print(f"   {done} of {total}", flush=True)


def main() -> int:
    """Run both steps; without a network the first start fetches the jars, so a failure is told and not fatal."""
    print("── fetching Kafka's jars (each checked against its SHA-256)", flush=True)
    try:
        class_path(_show)
        print("── recording the classes Kafka loads, so that it starts faster", flush=True)
        record_classes()
    except (JarError, JavaError, StartError, OSError) as error:
        print(f"   not now: {error}\n   The first `pulseline up` will try again.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
