"""Is it worth resampling 32 to 44.1 kHz on the device? Ours (`tydust_assetgen.dsp.resample`) beside torchaudio's.

    python benchmarks/resampling.py [--seconds 60] [--device cuda] [--plot OUT.png]

For each: time for a stereo sound (best of five; on a device with and without the copies to it and back), ripple of the
pass band up to 15 kHz, response at 15.5 kHz, and the loudest image above 16 kHz, for tones of full scale.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tydust_assetgen.dsp.resample import resample

FROM_HZ, TO_HZ = 32_000, 44_100
Sound = NDArray[np.float32]
Way = Callable[[Sound], Sound]


def ways(device: str) -> dict[str, Way]:
    """Every way to resample that is compared."""
    found: dict[str, Way] = {"ours": lambda sound: resample(sound, FROM_HZ, TO_HZ)}
    try:
        import torch
        from torchaudio.transforms import Resample
    except ImportError:
        return found
    kaiser = {"resampling_method": "sinc_interp_kaiser", "beta": 14.769656459379492}
    settings = {
        "torchaudio, default": {},
        "torchaudio, kaiser_best": {**kaiser, "lowpass_filter_width": 64, "rolloff": 0.9475937167399596},
    }
    for name, more in settings.items():
        change = Resample(FROM_HZ, TO_HZ, **more).to(device)

        def way(sound: Sound, change: Callable[[object], torch.Tensor] = change) -> Sound:
            made: Sound = change(torch.from_numpy(sound).to(device)).cpu().numpy()
            return made

        found[f"{name}, {device}"] = way
    return found


def seconds(way: Way, sound: Sound) -> float:
    way(sound)
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        way(sound)
        times.append(time.perf_counter() - begun)
    return min(times)


def response(way: Way, tone_hz: float) -> tuple[float, float]:
    """Level of a tone of full scale, and of the loudest other thing above 16 kHz, in dB."""
    at = np.arange(FROM_HZ * 4, dtype=np.float64)
    tone = np.sin(2 * np.pi * tone_hz / FROM_HZ * at).astype(np.float32)
    made = way(tone[None])[0].astype(np.float64)
    middle = made[TO_HZ // 2 : TO_HZ // 2 + 2 * TO_HZ]
    window = np.kaiser(len(middle), 24)
    spectrum = np.abs(np.fft.rfft(middle * window)) * 2 / window.sum()
    hz = np.fft.rfftfreq(len(middle), 1 / TO_HZ)
    near = np.abs(hz - tone_hz) < 20
    return _db(spectrum[near].max()), _db(spectrum[(hz > 16_000) & ~near].max())


def _db(value: float) -> float:
    return float(20 * np.log10(max(value, 1e-12)))


def measure(way: Way) -> dict[str, NDArray[np.float64]]:
    """Response and images over the frequency of the tone."""
    tones = np.concatenate([[50, 200], np.arange(500, 15_600, 500), np.arange(15_600, 16_000, 50)]).astype(float)
    both = np.array([response(way, tone) for tone in tones])
    return {"tone": tones, "level": both[:, 0], "image": both[:, 1]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--plot")
    asked = parser.parse_args()
    shape = (2, round(asked.seconds * FROM_HZ))
    sound = np.random.default_rng(0).standard_normal(shape).astype(np.float32) * 0.1
    results = {}
    print(f"{'':<32} {'time':>9} {'ripple to 15 kHz':>17} {'at 15.5 kHz':>12} {'loudest image':>14}")
    for name, way in ways(asked.device).items():
        found = results[name] = measure(way)
        low = found["level"][found["tone"] <= 15_000]
        edge = found["level"][found["tone"] == 15_500][0]
        line = f"{low.max() - low.min():>14.4f} dB {edge:>9.2f} dB {found['image'].max():>11.1f} dB"
        print(f"{name:<32} {seconds(way, sound) * 1000:>6.0f} ms {line}")
    if asked.plot:
        plot(results, asked.plot)


def plot(results: dict[str, dict[str, NDArray[np.float64]]], path: str) -> None:
    import matplotlib.pyplot as plt

    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 7), sharex=True)
    for name, found in results.items():
        above.plot(found["tone"], found["level"], label=name)
        below.plot(found["tone"], found["image"], label=name)
    above.set_ylim(-12, 1)
    above.set_ylabel("tone, dB")
    below.set_ylabel("loudest image above 16 kHz, dB")
    below.set_xlabel("tone, Hz")
    above.legend()
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    main()
