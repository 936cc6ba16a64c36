"""Plain functions that turn tables of interactions into tf.Examples; the TFX components only call them.

The folders stand in the order of the way: ``files``, ``values``, ``cut``, ``read``, ``write``; ``flow`` walks it.

One way through: ``tables`` finds and opens files, ``headers`` reads the names of their columns, ``quotes`` watches what
quotation marks enclose, ``columns`` and ``times`` make typed arrays and say which rows are bad, ``partition`` sends
every user's rows to one shard, ``sequences`` filters and sorts a shard, ``windows`` cuts it, ``examples`` encodes it,
``storage`` writes it, ``report`` counts all of it and ``warnings`` says what of it is strange;
of a log with ``labels``, ``impressions`` cuts and ``impression_examples`` encodes, with draws of ``sampling``;
``flow`` is the Beam pipeline around them and ``inputs`` the check before it starts. Everything works
on whole Arrow or NumPy arrays: there is no loop over rows or users.
"""
