"""The Jinja environment of every page and card: HTML is escaped, a missing value is an error, tags leave no blank lines behind.

`base.css`, beside this module, is what all pages look like; each includes it before its own.
"""

from pathlib import Path

import jinja2


def environment(folder: Path) -> jinja2.Environment:
    """For the templates in `folder`, and `base.css`; those named `*.html.j2` are HTML, others (Markdown) are not escaped."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
