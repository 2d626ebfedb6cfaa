"""What is sent, byte for byte, does not depend on the process that makes it."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from random import Random

from services.simulator import fault
from services.simulator.provider.catalogue import PROVIDERS
from services.simulator.script import script
from services.simulator.world import build
from shared.clock import to_ms
from shared.contracts.codec import encode
from tests.factories.simulated import ALL, UNTIL, options

ROOT = Path(__file__).parents[4]
RATES: dict[fault.Kind, float] = {"duplicates": 0.1, "late": 0.1, "out_of_order": 0.1, "malformed": 0.1}


def digest() -> str:
    """Return the name of all payloads of a small world with faults, signed at one instant, in the order of sending."""
    secrets = {name: provider.make_secrets(lambda n: bytes(range(n)))[0] for name, provider in PROVIDERS.items()}
    sent = hashlib.sha256()
    steps = script(build(options(60, 60)), ALL)
    for planned in fault.plan(steps, RATES, Random("3/faults"), to_ms(UNTIL)):
        step = planned.step
        sent.update(f"{planned.send_ms} {planned.fault} {planned.damage} {planned.expects} {step.key}\n".encode())
        if step.delivery is None:
            sent.update(encode(step.event))
        else:
            name = step.delivery.provider
            signed = PROVIDERS[name].sign(step.delivery, secrets[name], "http://127.0.0.1/", UNTIL)
            sent.update(b"%s %r %s" % (signed.body, sorted(signed.headers.items()), signed.query.encode()))
    return sent.hexdigest()


def test_another_process_sends_the_same_bytes() -> None:
    def elsewhere(hash_seed: str) -> str:
        command = [sys.executable, "-c", "from tests.unit.services.simulator.test_bytes import digest; print(digest())"]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert elsewhere("1") == elsewhere("2") == digest()
