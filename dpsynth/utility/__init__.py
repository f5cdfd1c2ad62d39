"""Measures of utility: how well synthetic rows stand in for the rows they were made from."""
