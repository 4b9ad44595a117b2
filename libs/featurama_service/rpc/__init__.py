"""Servicers that several services share. They access their store through a protocol."""
