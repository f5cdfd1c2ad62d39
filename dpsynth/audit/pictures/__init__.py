"""Nine pictures of an audit: pure functions from the report's JSON to SVG text and a table beside it."""
