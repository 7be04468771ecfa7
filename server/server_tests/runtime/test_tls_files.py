"""What is told of certificates."""

from proconsul.runtime.tls_files import tls_files
from server_tests.runtime.certificates import tls_keys


def test_without_files_there_is_nothing_to_tell() -> None:
    told = tls_files(tls_keys())
    assert (told.certificate, told.authorities) == ("", ())
