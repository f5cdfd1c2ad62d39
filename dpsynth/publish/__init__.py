"""Release bundles: decode, describe, sign and verify offline. Green: nothing here ever held a person."""
