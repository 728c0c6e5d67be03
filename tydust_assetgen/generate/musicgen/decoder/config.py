"""The sizes of a model, and which models the decoder knows.

It knows one kind of transformer, the one of the released MusicGen models. Whatever has another feature is played by
audiocraft itself, more slowly.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Shape(NamedTuple):
    """Sizes of a model."""

    dim: int
    heads: int
    layers: int
    codebooks: int
    card: int
    """Tokens of a codebook; `card` itself is the special token, which stands where there is none."""
    delays: tuple[int, ...]
    """By how many frames each codebook is delayed: the delay pattern (Copet et al., "Simple and Controllable Music
    Generation", 2023, section 2.1)."""
    max_period: float
    positional_scale: float
    cross: bool
    """Whether the text is read through cross-attention; else it stands before the codes."""

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads

    @property
    def max_delay(self) -> int:
        """How many columns more than frames a sequence has at its end."""
        return max(self.delays)


def shape_of(lm: Any) -> Shape:
    """The sizes of a model that `unsupported` has nothing against."""
    transformer = lm.transformer
    return Shape(
        dim=lm.dim,
        heads=transformer.layers[0].self_attn.num_heads,
        layers=len(transformer.layers),
        codebooks=lm.n_q,
        card=lm.card,
        delays=tuple(lm.pattern_provider.delays),
        max_period=float(transformer.max_period),
        positional_scale=float(transformer.positional_scale),
        cross=transformer.layers[0].cross_attention is not None,
    )


def unsupported(lm: Any) -> str:
    """Why the decoder can't play a model; empty when it can."""
    found = (reason for reason, has in _features(lm) if has)
    return next(found, "")


def _features(lm: Any) -> list[tuple[str, bool]]:
    pattern, fuser, transformer = lm.pattern_provider, lm.fuser, lm.transformer
    methods = fuser.fuse2cond
    delayed = type(pattern).__name__ == "DelayedPatternProvider"
    return [
        ("its codebooks are not delayed against each other", not delayed),
        ("its pattern has more than delays", delayed and bool(pattern.flatten_first or pattern.empty_initial)),
        ("its conditions are summed", bool(methods.get("sum") or methods.get("input_interpolate"))),
        ("it hears conditions in two ways at once", bool(methods["cross"] and methods["prepend"])),
        ("its conditions have positions", bool(fuser.cross_attention_pos_emb)),
        ("its positions are not sinusoids", transformer.positional_embedding != "sin"),
        ("it has no norm before its heads", lm.out_norm is None),
        ("its heads have biases", any(head.bias is not None for head in lm.linears)),
        ("its layers have features of their own", any(map(_unusual, transformer.layers))),
    ]


def _unusual(layer: Any) -> bool:
    """A layer with biases in its projections, another order or activation, or tricks in its attention."""
    attentions = [layer.self_attn, *([layer.cross_attention] if layer.cross_attention is not None else [])]
    scales = [layer.layer_scale_1, layer.layer_scale_2]
    return (
        not layer.norm_first
        or getattr(layer.activation, "__name__", "") != "gelu"
        or layer.linear1.bias is not None
        or layer.linear2.bias is not None
        or any(type(scale).__name__ != "Identity" for scale in scales)
        or any(map(_unusual_attention, attentions))
    )


def _unusual_attention(attention: Any) -> bool:
    return bool(
        not attention.custom
        or attention.in_proj_bias is not None
        or attention.out_proj.bias is not None
        or attention.past_context is not None
        or attention.rope is not None
        or attention.qk_layer_norm
        or attention.kv_repeat != 1
    )
