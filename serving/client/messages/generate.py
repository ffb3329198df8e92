"""`python -m serving.client.messages.generate`: tf_serving_pb2.py and its types anew, after a change of tf_serving.proto.

Needs grpcio-tools, which only a development environment has.
"""

import subprocess
import sys
from pathlib import Path

NAME = "serving/client/messages/tf_serving"
ROOT = Path(__file__).resolve().parents[3]
HEADER = '# ruff: noqa\n# fmt: off\n# mypy: disable-error-code="import-untyped, type-arg"\n'


def generate(folder: Path) -> list[Path]:
    """Writes the module and its stub to where `NAME` lies below `folder`.

    Raises:
        subprocess.CalledProcessError: the .proto does not compile; the compiler has said why on stderr.
    """
    compiler = [sys.executable, "-m", "grpc_tools.protoc"]
    subprocess.run(
        [*compiler, f"--proto_path={ROOT}", f"--python_out={folder}", f"--pyi_out={folder}", f"{NAME}.proto"], check=True
    )
    written = [folder / f"{NAME}_pb2.py", folder / f"{NAME}_pb2.pyi"]
    for path in written:
        path.write_text(HEADER + path.read_text("utf-8"), "utf-8")
    return written


if __name__ == "__main__":
    for output in generate(ROOT):
        sys.stdout.write(f"wrote {output}\n")
