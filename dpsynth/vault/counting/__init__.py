"""Counting marginals of encoded rows: one interface, in memory and streamed from Parquet.

:func:`~dpsynth.vault.counting.count.count_marginals` counts any set of marginals of any
:class:`~dpsynth.vault.counting.rows.RowSource`. A small table is counted by numpy
(:mod:`~dpsynth.vault.counting.plain`), a larger one by compiled loops over blocks of rows
(:mod:`~dpsynth.vault.counting.packed`) that tally a few joint tables planned from the public domain
(:mod:`~dpsynth.vault.counting.plan`).
"""
