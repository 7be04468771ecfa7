"""What is wrong with a text that is no JSON, in the words of Go's scanner.

Clients see these words, so the states here are those of encoding/json/scanner.go. It runs only
over texts that the real parser has refused.
"""

from proconsul.wire.golang import quote

UNEXPECTED_END = "unexpected EOF"
DEPTH_MAX = 10_000  # Go's own limit
TOO_DEEP = "exceeded max depth"  # behind the character at which it is so

_SPACE = b" \t\r\n"
_DIGITS = b"0123456789"
_HEX = b"0123456789abcdefABCDEF"
_LITERALS = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}


class _FaultError(Exception):
    """Ends the scan; str() is the fault."""


def syntax_fault(text: bytes) -> str | None:
    """The first fault of the first JSON value of a text; None if that value is whole."""
    try:
        _Scanner(text).value_at_top()
    except _FaultError as fault:
        return str(fault)
    return None


class _Scanner:
    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0
        self._list_just_opened = False

    def value_at_top(self) -> None:
        """Pass the first value; lists and objects are a stack, not a recursion."""
        open_ends: list[int] = []  # the closing bracket of each container around us
        while True:
            opened = self._begin_value(len(open_ends))
            if opened:
                open_ends.append(opened)
                continue
            if not self._end_values(open_ends):
                return

    def _begin_value(self, depth: int) -> int:
        """Pass a value, or the start of a container: then its closing bracket is returned."""
        char = self._next()
        if depth >= DEPTH_MAX and char in b"[{":
            raise self._fault(TOO_DEEP)
        can_close, self._list_just_opened = self._list_just_opened, char == ord("[")
        if char == ord("{"):
            self._at += 1
            if self._next() == ord("}"):
                self._at += 1
                return 0
            self._key()
            return ord("}")
        if char == ord("["):
            self._at += 1
            return ord("]")
        if can_close and char == ord("]"):
            return 0
        self._scalar(char)
        return 0

    def _end_values(self, open_ends: list[int]) -> bool:
        """What follows a value: False at the end of the outermost one."""
        while open_ends:
            char = self._next()
            closing = open_ends[-1]
            if char == ord(","):
                self._at += 1
                if closing == ord("}"):
                    self._key()
                return True
            if char != closing:
                raise self._fault(
                    "after object key:value pair" if closing == ord("}") else "after array element"
                )
            self._at += 1
            open_ends.pop()
        return False

    def _key(self) -> None:
        if self._next() != ord('"'):
            raise self._fault("looking for beginning of object key string")
        self._string()
        if self._next() != ord(":"):
            raise self._fault("after object key")
        self._at += 1

    def _scalar(self, char: int) -> None:
        if char == ord('"'):
            self._string()
        elif char in _LITERALS:
            self._literal(_LITERALS[char].decode("ascii"))
        elif char == ord("-") or char in _DIGITS:
            self._number()
        else:
            raise self._fault("looking for beginning of value")

    def _string(self) -> None:
        self._at += 1
        while True:
            char = self._here()
            if char == ord('"'):
                self._at += 1
                return
            if char == ord("\\"):
                self._escape()
            elif char < 0x20:
                raise self._fault("in string literal")
            else:
                self._at += 1

    def _escape(self) -> None:
        self._at += 1
        char = self._here()
        if char == ord("u"):
            for _ in range(4):
                self._at += 1
                if self._here() not in _HEX:
                    raise self._fault("in \\u hexadecimal character escape")
        elif char not in b'bfnrt\\/"':
            raise self._fault("in string escape code")
        self._at += 1

    def _literal(self, word: str) -> None:
        for expected in word:
            if self._here() != ord(expected):
                raise self._fault(f"in literal {word} (expecting '{expected}')")
            self._at += 1

    def _number(self) -> None:
        if self._here() == ord("-"):
            self._at += 1
        if self._here() not in _DIGITS:
            raise self._fault("in numeric literal")
        if self._here() == ord("0"):
            self._at += 1
        else:
            self._digits()
        if self._peek() == ord("."):
            self._at += 1
            if self._here() not in _DIGITS:
                raise self._fault("after decimal point in numeric literal")
            self._digits()
        if self._peek() in (ord("e"), ord("E")):
            self._at += 1
            if self._here() in b"+-":
                self._at += 1
            if self._here() not in _DIGITS:
                raise self._fault("in exponent of numeric literal")
            self._digits()

    def _digits(self) -> None:
        while self._peek() in _DIGITS:
            self._at += 1

    def _next(self) -> int:
        """The next octet that is no white space."""
        while self._here() in _SPACE:
            self._at += 1
        return self._here()

    def _here(self) -> int:
        if self._at >= len(self._text):
            raise _FaultError(UNEXPECTED_END)
        return self._text[self._at]

    def _peek(self) -> int:
        """The same where the text may end; then a space."""
        return self._text[self._at] if self._at < len(self._text) else ord(" ")

    def _fault(self, where: str) -> _FaultError:
        char = chr(self._text[self._at])
        shown = "'\\''" if char == "'" else "'\"'" if char == '"' else f"'{quote(char)[1:-1]}'"
        return _FaultError(f"invalid character {shown} {where}")
