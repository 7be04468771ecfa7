"""The write-ahead log as values: records, segments, and what a crash leaves of them. No I/O."""
