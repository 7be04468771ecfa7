"""Which builder is used, and how it is called."""

from pathlib import Path

import pytest

from e2e.images import NoBuilderError, commands, extra, images


def steps(*there: str, **environ: str) -> list[list[str]]:
    (server, _) = images(environ)
    return commands(server, environ, lambda program: program in there, "r1")


@pytest.mark.parametrize("program", ["docker", "podman", "buildah"])
def test_each_builder_builds_the_target_and_writes_the_archive(program: str) -> None:
    build, save = steps(program)
    assert build[0] == save[0] == program
    assert build[build.index("--target") + 1] == "server"
    assert "REVISION=r1" in build
    assert any("server.tar" in word for word in save)
    assert any("docker.io/library/proconsul:dev" in word for word in save)


def test_docker_goes_before_podman_and_podman_before_buildah() -> None:
    assert steps("buildah", "podman", "docker")[0][0] == "docker"
    assert steps("buildah", "podman")[0][0] == "podman"


def test_the_callers_command_outweighs_all_and_is_one_step() -> None:
    ((*command,),) = steps("docker", IMAGE_BUILD="lab image build")
    assert command[:5] == [
        "lab", "image", "build", command[3], "docker.io/library/proconsul:dev"
    ]  # fmt: skip
    assert command[3].endswith("build/server.tar")
    assert command[5:7] == ["--target", "server"]


def test_without_any_builder_the_error_says_what_to_do() -> None:
    with pytest.raises(NoBuilderError, match="IMAGE_BUILD"):
        steps()


def test_an_archive_that_is_given_is_not_built() -> None:
    server, operator = images({"SERVER_IMAGE_TAR": "/somewhere/s.tar"})
    assert (server.archive, server.given) == (Path("/somewhere/s.tar"), True)
    assert not operator.given
    assert operator.name == "docker.io/library/proconsul-operator:dev"


def test_archives_of_other_images_are_named_as_a_path_is() -> None:
    assert extra({}) == []
    assert extra({"E2E_EXTRA_IMAGES": "/a/s3.tar:/b.tar"}) == [Path("/a/s3.tar"), Path("/b.tar")]
