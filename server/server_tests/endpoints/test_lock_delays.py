"""Keys that may not be locked again yet, as every server remembers them."""

from proconsul.endpoints.lock_delays import SPARE_LENGTH, LockDelays
from proconsul.store.events import SessionDestroyed
from proconsul.wire.golang import SECOND, Duration


def destroyed(key: str, delay_s: int = 15) -> SessionDestroyed:
    return SessionDestroyed(
        session_id="aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        keys=(key,),
        lock_delay=Duration(delay_s * SECOND),
    )


def test_a_key_is_free_again_after_the_delay() -> None:
    delays = LockDelays()
    delays.destroyed(destroyed("a"), 100.0)
    assert delays.delayed("a", 114.9)
    assert not delays.delayed("a", 115.0)
    assert not delays.delayed("b", 100.0)


def test_who_is_never_asked_forgets_what_is_over_all_the_same() -> None:
    delays = LockDelays()
    for second in range(100 * SPARE_LENGTH):  # a follower, a lock of another name each second
        delays.destroyed(destroyed(f"lock/{second}"), float(second))
    assert len(delays) <= 2 * SPARE_LENGTH
    assert delays.delayed(f"lock/{100 * SPARE_LENGTH - 1}", 100.0 * SPARE_LENGTH)
