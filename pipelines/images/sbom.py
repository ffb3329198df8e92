"""An image's bill of materials: the packages that its lock installs, as CycloneDX 1.6 JSON, made offline by cyclonedx-bom."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.requirements import Requirement

from components.common.errors import UserError
from components.common.whole import whole_file
from pipelines.images.contents import ROOT, lock_of

# The images' Python and machine: what a lock holds for others is not in them.
PLACE = {"python_version": "3.11", "python_full_version": "3.11.2", "sys_platform": "linux", "platform_machine": "x86_64"}


def write_sbom(name: str, folder: Path) -> Path:
    """Writes `folder/<name>.cdx.json`; equal locks give equal files.

    Raises:
        UserError: cyclonedx-bom is not installed; it comes with `make env-dev`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}.cdx.json"
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", "--output-reproducible", "--spec-version=1.6", "--of=JSON"]
    with tempfile.TemporaryDirectory() as scratch, whole_file(target) as partial:
        lock = Path(scratch, "requirements.txt")
        lock.write_text("\n".join(installed(name)), "utf-8")
        done = subprocess.run([*command, f"--output-file={partial}", str(lock)], check=False, capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"cyclonedx-bom made no list of {lock_of(name)}: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return target


def installed(name: str) -> list[str]:
    """The lines of an image's lock that pip installs there, each with its hashes."""
    lines = re.sub(r"\\\n\s*", " ", (ROOT / lock_of(name)).read_text("utf-8")).splitlines()
    return [line for line in lines if line.strip() and _applies(line.partition(" --hash")[0])]


def _applies(line: str) -> bool:
    marker = Requirement(line).marker
    return marker is None or marker.evaluate(dict(PLACE))
