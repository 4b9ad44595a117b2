"""Pure types of the feature store: numpy and the standard library only, so that the client shares them."""
