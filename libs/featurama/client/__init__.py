"""The client in its parts, from the connection up to the methods."""
