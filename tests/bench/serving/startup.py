"""`python -m tests.bench.serving.startup SERVER PHOTO`: what a process pays before its first answer, with the client alone in it.

From the first import to the answer's end, the interpreter's own start and the model's run left out; memory is the process's peak.
"""

import json
import sys
import time


def main(server: str, photo: str) -> None:
    """Imports the client, asks twice: the second time is what an answer takes without the first's costs."""
    began = time.perf_counter()
    from serving.client.client import Client

    with Client(server) as client:
        client.predict([photo])
        first = time.perf_counter() - began
        again = time.perf_counter()
        client.predict([photo])
        second = time.perf_counter() - again
    with open("/proc/self/status") as status:  # noqa: PTH123 - nothing more is imported before memory is read
        peak_kb = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    print(json.dumps({"start_s": first - second, "mb": peak_kb / 1024, "tensorflow": "tensorflow" in sys.modules}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
