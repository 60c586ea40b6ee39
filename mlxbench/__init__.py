"""mlxbench: trustworthy decode and prefill rates of 4-bit Qwen-3 checkpoints, with MLX."""

__version__ = "0.1.0"
