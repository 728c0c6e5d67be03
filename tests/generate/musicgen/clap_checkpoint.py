"""Write a tiny CLAP with random weights into a folder, in the layout of the hub cache."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, RobertaTokenizer

REVISION = "c" * 40
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def make(hub: Path, *, seed: int = 0, revision: str = REVISION, named: bool = True) -> Path:
    """The folder of the snapshot. `named`: `main` is this revision."""
    home = hub / "models--laion--clap-htsat-unfused"
    snapshot = home / "snapshots" / revision
    snapshot.mkdir(parents=True)
    if named:
        (home / "refs").mkdir(exist_ok=True)
        (home / "refs" / "main").write_text(revision)
    torch.manual_seed(seed)
    ClapModel(_config()).save_pretrained(snapshot)
    ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad").save_pretrained(snapshot)
    _tokenizer().save_pretrained(snapshot)
    return snapshot


def _config() -> ClapConfig:
    """The true shape of the network, thin and shallow; the spectrogram that it hears is the true one."""
    text = {"vocab_size": 512, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text |= {"intermediate_size": 32, "max_position_embeddings": 130}
    audio = {"depths": [1, 1], "num_attention_heads": [2, 2], "hidden_size": 32, "patch_embeds_hidden_size": 16}
    return ClapConfig(text_config=text, audio_config=audio, projection_dim=24)


def _tokenizer() -> RobertaTokenizer:
    """Bytes are its words: the byte-level alphabet without merges."""
    from tokenizers.pre_tokenizers import ByteLevel

    words = [*_SPECIAL, *sorted(ByteLevel.alphabet())]
    return RobertaTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[])


def as_pickle(snapshot: Path, trap: Path) -> None:
    """What LAION's `main` looks like: the weights as a pickle. Reading this one leaves a file at `trap`."""
    (snapshot / "model.safetensors").unlink()
    code = f"open({json.dumps(str(trap))}, 'w').close()"
    pickled = b"\x80\x02cbuiltins\nexec\nX" + len(code.encode()).to_bytes(4, "little") + code.encode() + b"\x85R."
    (snapshot / "pytorch_model.bin").write_bytes(pickled)
