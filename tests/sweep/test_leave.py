"""Leaving Ray while another thread works."""

from __future__ import annotations

import subprocess
import sys

# A thread that collects garbage in the moment between Ray's end and Python's knowledge of it: it holds the interpreter then.
SCRIPT = """
import gc, sys, threading
from pathlib import Path
import ray
from harness.sweep import cluster

ray.init("local", include_dashboard=False, log_to_driver=False)
(log,) = Path(ray._private.worker.global_worker.node.get_logs_dir_path()).glob("python-core-driver*.log")
gc.disable()
for _ in range(20):
    ring = [ray.put(1)]
    ring.append(ring)
del ring
leaving = threading.Event()

def collect():
    leaving.wait()
    with log.open() as stream:
        while "is destructed" not in stream.read():
            pass
    gc.collect()

thread = threading.Thread(target=collect)
thread.start()
sys.setswitchinterval(1)
leaving.set()
cluster.leave()  # with ray.shutdown() instead, Ray ends the process here
thread.join(60)
print("alive", thread.is_alive())
"""


def test_garbage_collected_by_another_thread_does_not_end_the_sweep():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "alive False" in done.stdout
