"""Policies as code: strict reading, the model, its rules, the published schema and plain-word differences."""
