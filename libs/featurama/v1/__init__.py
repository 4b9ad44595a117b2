"""The public contract, generated from proto/featurama/v1 by `make proto`. Never edited."""
