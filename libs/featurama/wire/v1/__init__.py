"""The wire twin, generated from proto/featurama/wire/v1 by `make proto`. Never edited."""
