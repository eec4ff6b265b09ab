"""A meter for each wire format of a model API: bytes in, disjoint token buckets out; no sockets, clocks or files."""
