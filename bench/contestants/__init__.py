"""Who takes part in the benchmark of rendering, each a process of its own."""
