"""Measurements: one module per question, run together by `python -m benchmarks`, some by `python -m benchmarks NAME`.

A module has `measure(pace)`, which returns its figures as a tree of names and numbers, and `TARGETS`, the bounds of
some of them. Load is made by a process of its own (`load`), the CPU of a server is read from /proc (`processes`), and
what is compared takes turns. Figures are medians of the rounds. `record` keeps them with the machine and the versions,
`page` shows them in the documentation.
"""
