"""Decodes EnCodec's codes to samples, in bounded memory however long the track is.

A whole decode of 30 s takes 2.5 GB, nearly all of it in the layers near the samples, and ten minutes would take fifty.
So a long track is decoded in two parts. The recurrent part (SEANet's LSTM, see Défossez et al., "High Fidelity Neural
Audio Compression", 2022, section 3.1) runs over all frames, at 50 frames a second, where that is cheap. The
convolutions behind it, which turn frames into samples, see only a few frames to each side: they run in chunks, with
as many frames of context as they see, and the samples of the context are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import nn

WHOLE_S = 30.0
"""Up to this length, one window of the model, the decode is audiocraft's own, to the bit."""
CHUNK_FRAMES = 100
"""2 s: about 240 MB at the true size of MusicGen's EnCodec (250 frames: 490 MB, and no faster)."""

LSTM_FRAMES = 500
"""How many frames the LSTM takes at once."""

Progress: TypeAlias = Callable[[float], None]
"""Called with the share that is done, 0.0 to 1.0."""
Field: TypeAlias = tuple[int, int]
"""The first and the last index that something depends on."""


class _UnknownLayerError(Exception):
    """A layer that is not known to look only near itself."""


def _ignore(share: float) -> None:
    del share


def decode(
    compression_model: Any,
    codes: torch.Tensor,
    chunk_frames: int = CHUNK_FRAMES,
    progress: Progress | None = None,
) -> torch.Tensor:
    """The sound of one track's codes.

    Args:
        compression_model: audiocraft's; a mono `EncodecModel`, or two of its passes interleaved to stereo, are
            decoded in chunks; any other kind is decoded whole, whatever that takes.
        codes: `[1, K, T]`, without special tokens, on the model's device.
        chunk_frames: how many frames go through the upsampling layers at once.
        progress: told after every chunk.

    Returns:
        `[C, samples]` float32 on the model's device. Up to 30 s the same bits as `compression_model.decode(codes)`;
        beyond, the same but for float rounding (under 1e-5 of the peak).
    """
    tell = progress or _ignore
    with torch.no_grad():
        sound: torch.Tensor = _stereo(compression_model, codes, chunk_frames, tell)[0]
    tell(1.0)
    return sound


def _stereo(model: Any, codes: torch.Tensor, chunk_frames: int, tell: Progress) -> torch.Tensor:
    """`[1, C, samples]`. Interleaved stereo is two mono tracks, one after the other."""
    from audiocraft.models.encodec import InterleaveStereoCompressionModel

    if type(model) is not InterleaveStereoCompressionModel or not _is_long(model, codes):
        return _mono(model, codes, chunk_frames, tell)
    left, right = model.get_left_right_codes(codes)
    first = _mono(model.model, left, chunk_frames, lambda share: tell(share / 2))
    second = _mono(model.model, right, chunk_frames, lambda share: tell(0.5 + share / 2))
    return torch.cat([first, second], dim=1)


def _mono(model: Any, codes: torch.Tensor, chunk_frames: int, tell: Progress) -> torch.Tensor:
    if not _is_long(model, codes):
        return _whole(model, codes)
    try:
        head, tail = _parts(model)
        before, after = _frames_of_context(tail)
    except _UnknownLayerError:
        return _whole(model, codes)
    frames = _run_lstm_layers(head, model.decode_latent(codes))
    return _in_chunks(tail, frames, chunk_frames, before, after, tell)


def _whole(model: Any, codes: torch.Tensor) -> torch.Tensor:
    sound: torch.Tensor = model.decode(codes, None)
    return sound


def _is_long(model: Any, codes: torch.Tensor) -> bool:
    return bool(codes.shape[-1] > WHOLE_S * model.frame_rate)


def _parts(model: Any) -> tuple[nn.Sequential, nn.Sequential]:
    """The decoder's layers up to the last LSTM, and those behind it.

    Raises:
        _UnknownLayerError: another kind of model, or one that scales its sound afterwards.
    """
    from audiocraft.models.encodec import EncodecModel
    from audiocraft.modules.lstm import StreamableLSTM
    from audiocraft.modules.seanet import SEANetDecoder

    if type(model) is not EncodecModel or model.renormalize or type(model.decoder) is not SEANetDecoder:
        raise _UnknownLayerError
    layers = model.decoder.model
    cut = max((place + 1 for place, layer in enumerate(layers) if type(layer) is StreamableLSTM), default=0)
    return layers[:cut], layers[cut:]


def _run_lstm_layers(head: Iterable[nn.Module], frames: torch.Tensor) -> torch.Tensor:
    """The layers up to the LSTM, over all frames. The LSTM itself takes some frames at a time and carries its state on:
    its gates, eight times as large as a frame, are never there for all frames at once."""
    from audiocraft.modules.lstm import StreamableLSTM

    for layer in head:
        frames = _run_lstm(layer, frames) if type(layer) is StreamableLSTM else layer(frames)
    return frames


def _run_lstm(layer: Any, frames: torch.Tensor) -> torch.Tensor:
    """As audiocraft's `StreamableLSTM.forward`."""
    state, parts = None, []
    for part in frames.split(LSTM_FRAMES, dim=-1):
        output, state = layer.lstm(part.permute(2, 0, 1), state)
        parts.append(output.permute(1, 2, 0) + part if layer.skip else output.permute(1, 2, 0))
    return torch.cat(parts, dim=-1)


def _in_chunks(
    tail: nn.Module, frames: torch.Tensor, chunk_frames: int, before: int, after: int, tell: Progress
) -> torch.Tensor:
    """`tail(frames)`, chunk by chunk. `before` and `after` are the frames of context that one frame's samples need."""
    total, parts = frames.shape[-1], []
    for start in range(0, total, chunk_frames):
        end = min(start + chunk_frames, total)
        low, high = max(start - before, 0), min(end + after, total)
        sound = tail(frames[..., low:high])
        hop = sound.shape[-1] // (high - low)
        parts.append(sound[..., (start - low) * hop : (end - low) * hop].clone())  # a view would keep all of it
        tell(end / total)
    return torch.cat(parts, dim=-1)


def _frames_of_context(tail: Iterable[nn.Module]) -> tuple[int, int]:
    """How many frames before and after a frame decide its samples.

    Walks from the samples of one frame back to the frames that they depend on. The layers are invariant to shifts by
    whole frames, so that what is true of frame 0 is true of all.
    """
    layers = list(tail)
    first, last = _receptive_field(layers, (0, _samples_per_frame(layers) - 1))
    return max(-first, 0), max(last, 0)


def _samples_per_frame(layers: Iterable[nn.Module]) -> int:
    """Samples a frame."""
    from audiocraft.modules.conv import StreamableConvTranspose1d

    hop = 1
    for layer in layers:
        if type(layer) is StreamableConvTranspose1d:
            hop *= layer.convtr.convtr.stride[0]
    return hop


def _receptive_field(layers: Iterable[nn.Module], wanted: Field) -> Field:
    """The indices before these layers that the `wanted` ones behind them depend on."""
    for layer in reversed(list(layers)):
        wanted = _receptive_field_of(layer, wanted)
    return wanted


def _receptive_field_of(layer: nn.Module, wanted: Field) -> Field:
    """As `_reach`, of a single layer.

    Raises:
        _UnknownLayerError: it may look anywhere.
    """
    from audiocraft.modules.conv import StreamableConv1d, StreamableConvTranspose1d
    from audiocraft.modules.seanet import SEANetResnetBlock

    if isinstance(layer, _POINTWISE):
        return wanted
    if type(layer) is StreamableConv1d:
        return _field_of_convolution(layer, wanted)
    if type(layer) is StreamableConvTranspose1d:
        return _field_of_upsampling(layer, wanted)
    if type(layer) is SEANetResnetBlock:
        (a, b), (c, d) = _receptive_field(layer.block, wanted), _receptive_field_of(layer.shortcut, wanted)
        return min(a, c), max(b, d)
    raise _UnknownLayerError


_POINTWISE = (nn.Identity, nn.ELU, nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus)


def _field_of_convolution(layer: Any, wanted: Field) -> Field:
    """Padding is on the left alone where it is causal, else as even as it can be. `left` for both sides then, because
    padding by reflection lets the first samples see that far ahead."""
    convolution = layer.conv.conv
    if convolution.stride[0] != 1 or not isinstance(layer.conv.norm, nn.Identity):
        raise _UnknownLayerError
    padding = (convolution.kernel_size[0] - 1) * convolution.dilation[0]
    left = padding if layer.causal else padding - padding // 2
    return wanted[0] - left, wanted[1] + (0 if layer.causal else left)


def _field_of_upsampling(layer: Any, wanted: Field) -> Field:
    """Input `i` gives the outputs `i * stride` to `i * stride + kernel - 1`, counted before the padding is cut off."""
    convolution = layer.convtr.convtr
    if convolution.dilation[0] != 1 or not isinstance(layer.convtr.norm, nn.Identity):
        raise _UnknownLayerError
    kernel, stride = convolution.kernel_size[0], convolution.stride[0]
    padding = kernel - stride
    right = -int(-padding * layer.trim_right_ratio // 1) if layer.causal else padding // 2
    cut = padding - right
    return -((kernel - 1 - cut - wanted[0]) // stride), (wanted[1] + cut) // stride


Ended: TypeAlias = Iterator[tuple[int, torch.Tensor]]
"""Indices and codes `[1, K, T]`, or samples `[C, n]` in main memory."""
Tell: TypeAlias = Callable[[int, float], None]


class AudioDecoder:
    """Decodes the codes of many tracks, each when it is ready.

    Args:
        codec: audiocraft's compression model.
        in_thread: whether to work in a thread of its own; by default where the codec is on a GPU.
    """

    def __init__(self, codec: Any, *, in_thread: bool | None = None) -> None:
        self._codec = codec
        self._device = next(codec.parameters()).device
        self._in_thread = self._device.type == "cuda" if in_thread is None else in_thread
        self._stream = torch.cuda.Stream(self._device) if self._device.type == "cuda" else None

    def decode_all(self, ended: Ended, tell: Tell) -> Ended:
        """The sound of each track whose codes are ready."""
        if not self._in_thread:
            for index, codes in ended:
                yield index, self._decode_one(codes, partial(tell, index))
            return
        with ThreadPoolExecutor(1, thread_name_prefix="codec") as thread:
            yield from self._decode_in_thread(ended, tell, thread)

    def _decode_in_thread(self, ended: Ended, tell: Tell, thread: ThreadPoolExecutor) -> Ended:
        running: dict[Future[torch.Tensor], int] = {}
        for index, codes in ended:
            self._share_with_codec_stream(codes)
            running[thread.submit(self._decode_one, codes, partial(tell, index))] = index
            yield from _ready(running, [future for future in running if future.done()])
        while running:
            yield from _ready(running, wait(running, return_when=FIRST_COMPLETED).done)

    def _share_with_codec_stream(self, codes: torch.Tensor) -> None:
        """The codec's stream waits until the codes are there, and they stay until it has read them."""
        if self._stream is not None:
            self._stream.wait_stream(torch.cuda.current_stream(self._device))
            codes.record_stream(self._stream)

    def _decode_one(self, codes: torch.Tensor, tell: Callable[[float], None]) -> torch.Tensor:
        with torch.no_grad(), torch.cuda.stream(self._stream):
            return decode(self._codec, codes, progress=tell).float().cpu()


def _ready(running: dict[Future[torch.Tensor], int], done: Any) -> Ended:
    for future in done:
        yield running.pop(future), future.result()
