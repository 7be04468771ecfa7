"""The replicated state: tables of rows in byte order, read in snapshots, written by one."""
