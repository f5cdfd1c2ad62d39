"""The marginals benchmark: our synthesizers and their peers on one coded table, at the same time of day."""
