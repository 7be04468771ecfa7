"""What one stream of a yamux session has to remember, and its windows."""

from collections import deque

from msgspec import Struct, field

WINDOW_BYTES = 256 * 1024  # each way, at the start and at the most
UPDATE_AT_BYTES = WINDOW_BYTES // 2  # consumed, before the sender is told


class Stream(Struct):
    """One stream, seen from this side."""

    id: int
    opened_here: bool
    acknowledged: bool = False  # by whoever did not open it
    send_window_bytes: int = WINDOW_BYTES
    receive_window_bytes: int = WINDOW_BYTES
    unconsumed_bytes: int = 0  # received, and the reader has not had them yet
    consumed_bytes: int = 0  # and the sender has not been told yet
    waiting: deque[bytes] = field(default_factory=deque)  # to be sent
    waiting_bytes: int = 0
    has_turn: bool = False  # stands in the queue of those that want to send
    finishing: bool = False  # nothing more will be given to send
    finished: bool = False  # FIN is sent
    peer_finished: bool = False
    discarding: bool = False  # nobody reads what comes in

    @property
    def is_over(self) -> bool:
        """Whether both sides are through with it."""
        return self.finished and self.peer_finished

    @property
    def wants_to_send(self) -> bool:
        """Whether there is something that may be sent now."""
        if self.finished:
            return False
        if self.waiting_bytes:
            return self.send_window_bytes > 0
        return self.finishing

    def take(self, bytes_max: int) -> bytes:
        """Waiting bytes for one frame, within the window; they count as sent."""
        left = size = min(bytes_max, self.send_window_bytes, self.waiting_bytes)
        pieces: list[bytes] = []
        while left:
            piece = self.waiting.popleft()
            if len(piece) > left:
                self.waiting.appendleft(piece[left:])
                piece = piece[:left]
            pieces.append(piece)
            left -= len(piece)
        self.waiting_bytes -= size
        self.send_window_bytes -= size
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def credit(self) -> int:
        """How much the sender may be told to send more; 0 while it is not worth a frame."""
        if self.consumed_bytes < UPDATE_AT_BYTES or self.peer_finished:
            return 0
        delta, self.consumed_bytes = self.consumed_bytes, 0
        self.receive_window_bytes += delta
        return delta
