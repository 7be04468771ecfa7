"""A KVS command that is spelled out is the one that the general encoder makes."""

from hypothesis import given
from hypothesis import strategies as st

from proconsul.fsm.key_commands import encode_key_command
from proconsul.model.kv import DirEntry, KVSRequest
from proconsul.wire import gostruct

SIZES = (0, 1, 31, 32, 255, 256, 65_535, 65_536)
numbers = st.sampled_from((0, 1, 127, 128, 255, 256, 65_536, 1 << 32, (1 << 64) - 1))
texts = st.one_of(
    st.text(max_size=40), st.sampled_from([size * "k" for size in SIZES]), st.just("\udcff/\udc80")
)
values = st.one_of(
    st.none(), st.binary(max_size=40), st.sampled_from([bytes(size) for size in SIZES])
)


@given(
    st.builds(
        KVSRequest,
        datacenter=texts,
        op=texts,
        token=texts,
        dir_ent=st.builds(
            DirEntry,
            lock_index=numbers,
            key=texts,
            flags=numbers,
            value=values,
            session=texts,
            create_index=numbers,
            modify_index=numbers,
        ),
    )
)
def test_it_is_what_the_general_encoder_makes(request: KVSRequest) -> None:
    assert encode_key_command(b"\x02", request) == b"\x02" + gostruct.encode(request)
