"""The precision of the losses: at least float32, float64 where that is given."""

import keras
from keras import ops


def at_least_float32(x: keras.KerasTensor) -> keras.KerasTensor:
    """`x`, float32 where it was of less: float16 has three digits, and overflows at 65504."""
    x = ops.convert_to_tensor(x)
    return ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
