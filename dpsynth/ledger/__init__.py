"""The ledger: charges, scopes, states, hash chain. Integers only; what is spent stays spent."""
