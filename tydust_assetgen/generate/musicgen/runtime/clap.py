"""How well a sound fits a text, by CLAP; None where no CLAP model is in the hub cache.

CLAP (Wu et al., "Large-scale Contrastive Language-Audio Pretraining with Feature Fusion and Keyword-to-Caption
Augmentation", ICASSP 2023) puts sounds and texts into one space; how near they lie there is how well they fit. The
model is taken from the hub cache, if it is there with its weights as safetensors: weights that are a pickle are left
alone, and nothing is ever fetched. (What `main` of LAION's repository holds is a pickle; its safetensors are a
revision of their own, or made from it by whoever wants them.)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio
from tydust_assetgen.dsp.resample import resample
from tydust_assetgen.generate.musicgen.runtime.audiocraft_imports import without_bars
from tydust_assetgen.generate.musicgen.spec.requirements import clap_folder

RATE_HZ = 48_000
WINDOW_FRAMES = 10 * RATE_HZ
"""What CLAP takes at once (Wu et al., section 3.1)."""
BATCH = 4
"""Windows at a time: about 1 GB at the true size."""
TOKENS = 77
"""Of a text, at most, as CLAP was trained (its `max_length`)."""


@dataclass(frozen=True)
class _Clap:
    """The model and what turns sound and text into its numbers."""

    model: Any
    feature_extractor: Any
    tokenizer: Any


def text_match(audio: Audio, text: str) -> float | None:
    """How well a sound fits a text.

    Args:
        audio: Any rate, any number of channels; it is mixed to mono, in windows of 10 s.
        text: Such as the prompt it was made from.

    Returns:
        Cosine similarity, -1 (opposite) to 1 (equal), the mean over the windows; unrelated is about 0, a good match
        0.3 to 0.6. None where no model is in the hub cache, or it can't be read, or there is no sound or no text.
    """
    folder = clap_folder()
    if folder is None or not text.strip() or not audio.frames:
        return None
    clap = _clap(folder)
    if clap is None:
        return None
    sound, words = _embed_sound(clap, audio), _embed_text(clap, text)
    return float(np.clip((sound @ words).mean(), -1.0, 1.0))


@lru_cache(maxsize=1)
def _clap(folder: Path) -> _Clap | None:
    """Loaded once in a process. None when it can't be: a score less, not a track less."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before transformers is imported: it reads it only then
    try:
        with without_bars():
            from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

            here = {"local_files_only": True}
            model = ClapModel.from_pretrained(folder, use_safetensors=True, **here).eval()
            extractor = ClapFeatureExtractor.from_pretrained(folder, **here)
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, **here)
    except Exception:  # noqa: BLE001  (whatever a broken file, or a broken install, makes of transformers)
        return None
    return _Clap(model, extractor, tokenizer)


def _embed_sound(clap: _Clap, audio: Audio) -> NDArray[np.float64]:
    """One vector of length 1 for each window: `[windows, dim]`."""
    windows = _windows(audio)
    rows = [_embed_windows(clap, windows[start : start + BATCH]) for start in range(0, len(windows), BATCH)]
    return np.concatenate(rows)


def _embed_windows(clap: _Clap, windows: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    import torch

    with torch.inference_mode(), without_bars():
        numbers = clap.feature_extractor(windows, truncation="rand_trunc", sampling_rate=RATE_HZ, return_tensors="pt")
        return _vectors(clap.model.get_audio_features(**numbers))


def _embed_text(clap: _Clap, text: str) -> NDArray[np.float64]:
    """A vector of length 1: `[dim]`."""
    import torch

    with torch.inference_mode(), without_bars():
        numbers = clap.tokenizer([text], truncation=True, max_length=TOKENS, return_tensors="pt")
        vectors = _vectors(clap.model.get_text_features(**numbers))
    vector: NDArray[np.float64] = vectors[0]
    return vector


def _vectors(output: Any) -> NDArray[np.float64]:
    """transformers 4 gives the vectors, transformers 5 an output that holds them."""
    rows = np.asarray(getattr(output, "pooler_output", output).float().cpu().numpy(), dtype=np.float64)
    unit: NDArray[np.float64] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def _windows(audio: Audio) -> list[NDArray[np.float32]]:
    """10 s each, mono, 48 kHz. The last one ends with the sound and may share some with the one before; a sound under
    10 s is one shorter window, which the feature extractor repeats. None is longer, so none is cut at random."""
    mono = resample(audio.samples.mean(axis=0, keepdims=True, dtype=np.float32), audio.rate_hz, RATE_HZ)[0]
    last = max(len(mono) - WINDOW_FRAMES, 0)
    starts = [*range(0, last, WINDOW_FRAMES), last]
    return [mono[start : start + WINDOW_FRAMES] for start in starts]
