"""The end of a stream, which is all of its output that a check keeps."""


class Tail:
    """The last bytes of a stream, and how many there were."""

    def __init__(self, size_bytes_max: int) -> None:
        self.size_bytes_max = size_bytes_max
        self.total_size_bytes = 0
        self.data = b""

    def add(self, data: bytes) -> None:
        """Take more of the stream."""
        self.total_size_bytes += len(data)
        self.data = (self.data + data[-self.size_bytes_max :])[-self.size_bytes_max :]
