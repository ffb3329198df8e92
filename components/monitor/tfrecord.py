"""A TFRecord file read one record at a time, without TensorFlow: checksums compared, damage named.

Format: TensorFlow, `tensorflow/core/lib/io/record_writer.h`: length uint64, its masked CRC-32C, the bytes, their masked CRC-32C.
"""

from collections.abc import Iterator
from pathlib import Path

from components.common.index import TFRECORD_FOOTER_BYTES, TFRECORD_HEADER_BYTES, masked_crc

LENGTH_BYTES = 8


class DamageError(Exception):
    """Where a file is damaged, in words."""


def read_records(path: Path) -> Iterator[bytes]:
    """The records of a file, up to the first that is damaged.

    Raises:
        DamageError: a record is cut off or does not have its checksum; those before it were good.
    """
    with path.open("rb") as handle:
        number = 0
        while header := handle.read(TFRECORD_HEADER_BYTES):
            length = header[:LENGTH_BYTES]
            if len(header) < TFRECORD_HEADER_BYTES or _crc(header[LENGTH_BYTES:]) != masked_crc(length):
                raise DamageError(f"damaged at record {number}")
            content = handle.read(int.from_bytes(length, "little"))
            footer = handle.read(TFRECORD_FOOTER_BYTES)
            if len(footer) < TFRECORD_FOOTER_BYTES or _crc(footer) != masked_crc(content):
                raise DamageError(f"damaged or cut off at record {number}")
            yield content
            number += 1


def _crc(stored: bytes) -> int:
    return int.from_bytes(stored, "little")
