"""Attack scores and the statistics that turn them into bounds. Pure numerics over encoded rows."""
