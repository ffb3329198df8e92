"""Augmentation: three policies of the same families and strengths behind one interface.

    augment(photos, boxes, seed, strength) -> (photos, boxes)

    photos    uint8 `(n, height, width, 3)` RGB, already resized
    boxes     float32 `(n, 4)` as (x1, y1, x2, y2), relative to the photo, 0-1
    seed      the same seed gives the same result; no global random state is read or changed
    strength  0-1 scales every range; 0 changes nothing but mirrors, 1 is the published chain

`seed` and `imgaug` take and give NumPy arrays (seed: an int of at least 0), `graph` takes and gives tensors (seed: int64 `(2,)`).

A box returned is the smallest upright box around the moved outline of the box given, clipped to the frame. It is never empty: a
draw that would leave less than `KEPT_SHARE` of the moved box's area inside the frame is drawn again, at most `MAX_DRAWS` times in
all; after that the photo keeps its geometry.
"""

KEPT_SHARE = 0.7
MAX_DRAWS = 8
