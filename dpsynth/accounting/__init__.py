"""Privacy accounting: events say what happened, curves say what it costs. Pure and exact."""
