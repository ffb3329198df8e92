"""Waits until the model repository has its config; says every minute what it waits for."""

import os
import signal
import sys
import time

from components.common.repository import CONFIG
from components.common.storage import read_bytes

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the first process of a container is not ended by it otherwise
config = f"{os.environ['MODEL_REPOSITORY'].rstrip('/')}/{CONFIG}"
waited_s = 0
while True:
    try:
        read_bytes(config)
        sys.exit()
    except Exception as error:  # whatever it is, it may pass: a permission that is on its way, a volume that is not there yet
        if waited_s % 60 == 0:
            sys.stderr.write(f"waiting for the pipeline's first deploy to write {config} ({error})\n")
    time.sleep(2)
    waited_s += 2
