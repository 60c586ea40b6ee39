"""A 4-bit MLX checkpoint as GGUF with identical weights, for servers such as Ollama.

MLX and Ollama are usually compared with different quantisations of the same model, and then nobody
knows which half of a difference is the engine's. MLX's affine 4-bit weight is s·q + b for a group
of inputs; GGUF's Q4_1 is d·q + m for a block of 32. So the codes can be carried over one by one and
the constants repeated: what remains different is the arithmetic, and 5.0 instead of 4.5 bits read
per weight.

Identical weights are not identical results. MLX multiplies in the type of the scales (bf16 in
published builds); llama.cpp rounds activations to 8 bits on the CPU and to f16 elsewhere. Greedy
texts agree until two tokens are nearly equally likely.

- `planning` decides which GGUF tensor each MLX tensor becomes
- `names` are the tensors' names on both sides
- `reading` reads a piece of a tensor, `blocks` re-packs it, `conversion` puts the two together
- `metadata` and `vocabulary` are the keys of the file
- `writing` streams it all to disk, `modelfile` is what `ollama create` wants
"""

from mlxbench.gguf_export.exporting import FOLDER, Export, export, file_name

__all__ = ["FOLDER", "Export", "export", "file_name"]
