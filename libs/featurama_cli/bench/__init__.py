"""Load on a store, and what it shows: `load` makes it, `reads` chooses the calls. It reads only."""
