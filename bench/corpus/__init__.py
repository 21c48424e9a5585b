"""The files that the benchmarks run on: made from a seed, kept outside the checkout."""
