"""The decoder on a CPU: fp32, fp16 weights, int8."""
