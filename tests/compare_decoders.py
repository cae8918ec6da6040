"""Our Transformer's decoder beside CTranslate2 and llama.cpp: `python tests/compare_decoders.py`.

All decode a GPT of the bundled Transformer's shape (6 layers, width 256, 8,192 tokens) with random
weights in 8 bits, one text at a time on one thread, and draw with top-k 40: ours and
CTranslate2 in int8, llama.cpp in Q8_0. They take turns, so that whatever else the machine does
meets all of them. Not part of the tests: beside requirements.txt it needs

    pip install ctranslate2 gguf xllamacpp

xllamacpp is llama.cpp as a wheel for any x86-64 processor with AVX2; built from source it uses what
else the processor has.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

# Before anything starts threads.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from polishgen.checkpoint import bundled_names
from polishgen.language_model import LanguageModel, load
from polishgen.models import build_model, preset_config
from polishgen.models.transformer import TransformerConfig

Decode = Callable[[int, int], float]
GPT: TransformerConfig = preset_config("transformer", "compact")
PROMPT = (1, 2, 3, 4)
TOP_K = 40
random = np.random.default_rng(0)


def weights(*shape: int) -> np.ndarray:
    """Random float32 numbers of the size that weights have."""
    return 0.05 * random.standard_normal(shape, np.float32)


def ours() -> Decode:
    """The public API, text included."""
    torch.set_num_threads(1)
    model = build_model(GPT).eval().requires_grad_(False)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    lm = LanguageModel("random", model, load(bundled_names()[0]).tokenizer, {})

    def decode(tokens: int, seed: int) -> float:
        *_, last = pieces = list(
            lm.stream("Ala", max_new_tokens=tokens, seed=seed, min_p=0.0, top_k=TOP_K)
        )
        return len(pieces) / last.seconds

    return decode


def ctranslate2_int8(folder: Path) -> Decode:
    """A decoder with rotary positions and RMSNorm, as ours."""
    import ctranslate2
    from ctranslate2.specs import Activation, TransformerDecoderModelSpec

    width, features = GPT.width, GPT.width // GPT.n_heads
    spec = TransformerDecoderModelSpec.from_config(
        GPT.n_layers,
        GPT.n_heads,
        activation=Activation.RELU,
        rms_norm=True,
        rotary_dim=features,
    )
    decoder = spec.decoder
    decoder.embeddings.weight = weights(GPT.vocab_size, width)
    decoder.projection.weight = weights(GPT.vocab_size, width)
    decoder.layer_norm.gamma = np.ones(width, np.float32)
    for layer in decoder.layer:
        attention, mlp = layer.self_attention, layer.ffn
        for norm in (attention.layer_norm, mlp.layer_norm):
            norm.gamma = np.ones(width, np.float32)
        shapes = (3 * width, width), (width, width)
        for linear, shape in zip(attention.linear, shapes, strict=True):
            linear.weight = weights(*shape)
        mlp.linear_0.weight = weights(4 * width, width)
        mlp.linear_1.weight = weights(width, 4 * width)
    names = ["<unk>", "<s>", "</s>", *map(str, range(3, GPT.vocab_size))]
    spec.register_vocabulary(names)
    spec.config.unk_token, spec.config.bos_token, spec.config.eos_token = names[:3]
    spec.validate()
    spec.optimize("int8")
    folder.mkdir()
    spec.save(str(folder))
    generator = ctranslate2.Generator(str(folder), inter_threads=1, intra_threads=1)

    def decode(tokens: int, seed: int) -> float:
        ctranslate2.set_random_seed(seed)
        started = time.perf_counter()
        [result] = generator.generate_batch(
            [[names[token] for token in PROMPT]],
            max_length=tokens,
            min_length=tokens,
            sampling_topk=TOP_K,
            include_prompt_in_result=False,
        )
        return len(result.sequences_ids[0]) / (time.perf_counter() - started)

    return decode


def llama_cpp_q8_0(file: Path) -> Decode:
    """A GPT-2, which of llama.cpp's architectures is nearest: no gate in the MLP."""
    import xllamacpp
    from gguf import GGMLQuantizationType, GGUFWriter, TokenType, quants

    width, names = GPT.width, ["<unk>", "<s>", "</s>"]
    writer = GGUFWriter(file, "gpt2")
    writer.add_context_length(GPT.context_length)
    writer.add_embedding_length(width)
    writer.add_block_count(GPT.n_layers)
    writer.add_feed_forward_length(4 * width)
    writer.add_head_count(GPT.n_heads)
    writer.add_layer_norm_eps(1e-5)
    writer.add_tokenizer_model("llama")
    names += [f"<0x{byte:02X}>" for byte in range(256)]
    names += [f"▁{token}" for token in range(len(names), GPT.vocab_size)]
    kinds = [TokenType.UNKNOWN, *2 * [TokenType.CONTROL], *256 * [TokenType.BYTE]]
    writer.add_token_list(names)
    writer.add_token_scores([0.0] * len(names))
    writer.add_token_types(kinds + [TokenType.NORMAL] * (len(names) - len(kinds)))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)

    def add(name: str, *shape: int) -> None:
        q8_0 = GGMLQuantizationType.Q8_0
        writer.add_tensor(f"{name}.weight", quants.quantize(weights(*shape), q8_0), raw_dtype=q8_0)

    def add_vector(name: str, value: float, size: int) -> None:
        writer.add_tensor(name, np.full(size, value, np.float32))

    add("token_embd", GPT.vocab_size, width)
    add("output", GPT.vocab_size, width)
    writer.add_tensor("position_embd.weight", weights(GPT.context_length, width))
    blocks = [f"blk.{layer}." for layer in range(GPT.n_layers)]
    for norm in ["output_norm", *(b + n for b in blocks for n in ("attn_norm", "ffn_norm"))]:
        add_vector(f"{norm}.weight", 1.0, width)
        add_vector(f"{norm}.bias", 0.0, width)
    for block in blocks:
        for name, rows, columns in (
            ("attn_qkv", 3 * width, width),
            ("attn_output", width, width),
            ("ffn_up", 4 * width, width),
            ("ffn_down", width, 4 * width),
        ):
            add(block + name, rows, columns)
            add_vector(f"{block}{name}.bias", 0.0, rows)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(file)
    parameters.n_ctx, parameters.n_parallel = GPT.context_length, 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.verbosity = -1
    server = xllamacpp.Server(parameters)

    def decode(tokens: int, seed: int) -> float:
        request = {
            "prompt": list(PROMPT),
            "n_predict": tokens,
            "seed": seed,
            "samplers": ["top_k", "temperature"],
            "top_k": TOP_K,
            "temperature": 1.0,
            "ignore_eos": True,
            "cache_prompt": False,
        }
        # Its own figure, without its server's queue.
        timings = server.handle_completions(request)["timings"]
        return timings["predicted_per_second"]

    return decode


def compare(tokens: int, rounds: int) -> None:
    """Prints tokens per second and our share of each, medians over the rounds."""
    with tempfile.TemporaryDirectory() as folder:
        decoders = {
            "polishgen int8": ours(),
            "CTranslate2 int8": ctranslate2_int8(Path(folder) / "ct2"),
            "llama.cpp Q8_0": llama_cpp_q8_0(Path(folder) / "gpt.gguf"),
        }
        for decode in decoders.values():
            decode(tokens, 0)  # warm-up
        speeds = {name: [] for name in decoders}
        for seed in range(rounds):
            for name, decode in decoders.items():
                speeds[name].append(decode(tokens, seed))
        print("| decoder | tokens per second | ours, times as fast |")
        print("|---|---:|---:|")
        own = speeds["polishgen int8"]
        for name, theirs in speeds.items():
            ratio = median(a / b for a, b in zip(own, theirs, strict=True))
            print(f"| {name} | {median(theirs):,.0f} | {ratio:.2f} |")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser("compare_decoders", description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=200, help="to decode (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="in turn (%(default)s)")
    options = parser.parse_args()
    compare(options.tokens, options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
