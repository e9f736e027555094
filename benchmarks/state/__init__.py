"""What processes share of a key: how fast, at which cost, how fairly; beside other libraries' buckets."""
