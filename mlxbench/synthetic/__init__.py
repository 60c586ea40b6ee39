"""Random-weight 4-bit checkpoints of any Qwen-3 shape, in mlx-lm's layout on disk.

Speed does not depend on the values of weights, so a checkpoint that is exact in every dimension
measures a model before anybody downloads it. What a row made from one cannot show: quality, and the
routing of a trained mixture of experts (random routers spread tokens nearly evenly). Its
`config.json` therefore carries a marker, and `is_synthetic` finds it wherever the directory goes.

- `recipe` says what a checkpoint is made of, and names its directory
- `layout` lists the tensors and how each is filled
- `config` writes the JSON files of the model
- `tokenizer` trains and writes a tokenizer
- `shards` streams the tensors into safetensors files
- `cache` makes a checkpoint once, safely
"""

from mlxbench.synthetic.cache import ensure, size_bytes
from mlxbench.synthetic.config import is_synthetic
from mlxbench.synthetic.recipe import FORMAT, Recipe

__all__ = ["FORMAT", "Recipe", "ensure", "is_synthetic", "size_bytes"]
