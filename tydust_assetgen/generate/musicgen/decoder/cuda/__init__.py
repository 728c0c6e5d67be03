"""The decoder on a GPU: Triton kernels and CUDA graphs."""
