"""Proto <-> core, and nothing else."""
