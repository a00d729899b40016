"""Telephone audio from what a speech engine makes: 8 kHz, 16 bit, mono WAV.

Resampling is a windowed-sinc low-pass at 3.6 kHz evaluated at the new instants, in the standard
library alone: a prompt is spoken once and then kept.
"""

import array
import io
import math
import sys
import wave

RATE = 8000
CUTOFF_HZ = 3600
HALF_WIDTH = 16


def telephone_wav(samples: "array.array[int]", rate: int) -> bytes:
    """Return the WAV file of samples (16 bit) recorded at a rate."""
    resampled = samples if rate == RATE else resample(samples, rate)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        if sys.byteorder == "big":
            resampled.byteswap()
        file.writeframes(resampled.tobytes())
    return out.getvalue()


def resample(samples: "array.array[int]", rate: int) -> "array.array[int]":
    """Return the samples at 8 kHz, what is above the cut-off taken away."""
    step = rate / RATE
    phases = _phases(rate)
    out = array.array("h")
    last = len(samples) - 1
    for number in range(int(len(samples) / step)):
        at = number * step
        centre = int(at)
        weights = phases[int((at - centre) * len(phases))]
        first = centre - HALF_WIDTH + 1
        if first >= 0 and first + len(weights) <= last:
            window = samples[first : first + len(weights)]
            total = sum(map(float.__mul__, weights, map(float, window)))
        else:
            total = sum(
                weight * samples[min(max(first + place, 0), last)]
                for place, weight in enumerate(weights)
            )
        out.append(max(-32768, min(32767, round(total))))
    return out


def _phases(rate: int, count: int = 32) -> list[list[float]]:
    """Return the filter's weights for each fraction of a sample that can be asked for."""
    bound = 2 * CUTOFF_HZ / rate
    rows = []
    for phase in range(count):
        row = []
        for tap in range(2 * HALF_WIDTH):
            distance = tap - HALF_WIDTH + 1 - phase / count
            x = distance * bound
            sinc = 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)
            window = 0.5 + 0.5 * math.cos(math.pi * distance / HALF_WIDTH)
            row.append(bound * sinc * max(0.0, window))
        total = sum(row)
        rows.append([weight / total for weight in row])
    return rows
