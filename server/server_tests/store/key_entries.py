"""Entries of keys for hypothesis: numbers, texts and values at the borders of msgpack's forms."""

from hypothesis import strategies as st

from proconsul.model.kv import DirEntry

SIZES = (0, 1, 31, 32, 255, 256, 65_535, 65_536)
numbers = st.sampled_from((0, 1, 127, 128, 255, 256, 65_536, 1 << 32, (1 << 64) - 1, -1))
texts = st.one_of(
    st.text(max_size=40), st.sampled_from([size * "k" for size in SIZES]), st.just("\udcff/\udc80")
)
values = st.one_of(
    st.none(), st.binary(max_size=40), st.sampled_from([bytes(size) for size in SIZES])
)
entries = st.builds(
    DirEntry,
    lock_index=numbers,
    key=texts,
    flags=numbers,
    value=values,
    session=texts,
    create_index=numbers,
    modify_index=numbers,
)
