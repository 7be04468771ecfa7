"""A decoder with mistakes, for the tests of the fuzzer itself."""


def decode(data: bytes) -> int:
    """A number behind a word of four letters, of which each is looked at by itself."""
    for at, letter in enumerate(b"SALT"):
        if data[at : at + 1] != bytes([letter]):
            return -1
    size = data[4] if len(data) > 4 else 0
    if size > 250:
        return bytes(size)[size]  # never there
    return size


def hang(data: bytes) -> None:
    """It never ends, if there is anything."""
    while data:
        pass


def swell(data: bytes) -> int:
    """It takes a mebibyte for each byte."""
    return len(bytes(len(data) << 20))
