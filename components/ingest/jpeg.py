"""Walks a JPEG's markers: Pillow shows a photo whose coded data runs past its end, TensorFlow's decoder refuses it."""

import re

END = 0xD9
SCAN = 0xDA
LENGTH_BYTES = 2
# In coded data 0xFF is followed by 0 (a data byte), by a restart marker (D0-D7) or by more 0xFF (padding); else a marker begins.
_MARKER_AFTER_DATA = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# What may follow a scan: the end, or the tables, comments and header of the next scan.
_AFTER_SCAN = {END, SCAN, 0xC4, 0xDB, 0xDC, 0xDD, 0xFE}


def reaches_its_end(content: bytes) -> bool:
    """Whether the markers of a JPEG lead from its start to its end marker (ITU T.81, annex B)."""
    position = 2
    after_scan = False
    while position + 1 < len(content):
        if content[position] != 0xFF:
            return False
        marker = content[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == END or (after_scan and marker not in _AFTER_SCAN):
            return marker == END and after_scan
        length = int.from_bytes(content[position + 2 : position + 4], "big")
        position += 2 + max(length, LENGTH_BYTES)
        if marker == SCAN:
            after_scan = True
            found = _MARKER_AFTER_DATA.search(content, position)
            position = found.start() if found else len(content)
    return False
