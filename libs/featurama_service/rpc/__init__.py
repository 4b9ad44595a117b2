"""Servicers that more than one service has. They know their store by a protocol."""
