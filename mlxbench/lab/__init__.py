"""The kernel lab: experiments with custom kernels, checked, timed alone, swapped into a model."""
