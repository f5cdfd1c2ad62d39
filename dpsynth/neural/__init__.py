"""Neural generators of rows: numerics that have only ever seen noisy answers. AMBER."""
